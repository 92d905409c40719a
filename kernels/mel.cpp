#include "kernels/mel.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

template <>
constexpr const char* kNamesOf<MelScale>[] = {"slaney", "htk"};
template <>
constexpr const char* kNamesOf<MelNorm>[] = {"none", "area"};
template <>
constexpr const char* kNamesOf<WindowKind>[] = {"hann", "hamming", "povey", "rectangular"};
template <>
constexpr const char* kNamesOf<Padding>[] = {"none", "reflect", "zeros"};
template <>
constexpr const char* kNamesOf<LogKind>[] = {"none", "ln1p", "log10_1p", "log10_1p_half",
                                             "ln",   "db",   "whisper"};
template <>
constexpr const char* kNamesOf<ChannelMix>[] = {"mean", "louder", "left", "right"};

namespace {

// ---- presets ----------------------------------------------------------------------------------------------

MelOptions dong2018() {
  MelOptions o;  // the defaults of MelOptions are this preset
  o.preset = "dong2018";
  return o;
}

MelOptions librosa() {
  MelOptions o;
  o.preset = "librosa";
  o.n_fft = o.win_length = 2048;
  o.hop_length = 512;
  o.n_mels = 128;
  o.fmax = 11025;
  o.padding = Padding::zeros;
  o.log = LogKind::db;
  o.log_floor = 1e-10;
  o.top_db = 80;
  return o;
}

MelOptions torchaudio() {
  MelOptions o;
  o.preset = "torchaudio";
  o.sample_rate = 16000;
  o.n_fft = o.win_length = 400;
  o.hop_length = 200;
  o.n_mels = 128;
  o.fmax = 8000;
  o.mel_scale = MelScale::htk;
  o.mel_norm = MelNorm::none;
  o.log = LogKind::db;
  o.log_floor = 1e-10;
  return o;
}

MelOptions kaldi() {
  MelOptions o;
  o.preset = "kaldi";
  o.sample_rate = 16000;
  o.n_fft = 512;
  o.win_length = 400;
  o.hop_length = 160;
  o.n_mels = 23;
  o.fmin = 20;
  o.fmax = 8000;
  o.mel_scale = MelScale::htk;
  o.mel_norm = MelNorm::none;
  o.window = WindowKind::povey;
  o.periodic_window = false;
  o.padding = Padding::none;
  o.log = LogKind::ln;
  o.log_floor = 1.1920928955078125e-07;  // 2^-23, the epsilon of float
  o.input_scale = 32768;                 // Kaldi reads 16-bit samples without scaling
  o.remove_dc = true;
  o.pre_emphasis = 0.97;
  o.left_aligned_window = true;
  o.triangles_in_mel = true;
  return o;
}

MelOptions whisper() {
  MelOptions o;
  o.preset = "whisper";
  o.sample_rate = 16000;
  o.n_fft = o.win_length = 400;
  o.hop_length = 160;
  o.n_mels = 80;
  o.fmax = 8000;
  o.log = LogKind::whisper;
  o.log_floor = 1e-10;
  o.drop_last_frame = true;
  return o;
}

MelOptions musicnn() {
  MelOptions o;
  o.preset = "musicnn";
  o.sample_rate = 16000;
  o.n_mels = 96;
  o.fmax = 8000;
  o.log = LogKind::log10_1p;
  o.log_multiplier = 10000;
  return o;
}

// As the package computes it, and as its published weights were trained.
MelOptions musicnn_2019() {
  MelOptions o = musicnn();
  o.preset = "musicnn-2019";
  o.log = LogKind::log10_1p_half;
  return o;
}

// torchaudio's MelSpectrogram and AmplitudeToDB as the networks of Won et al. (2020) use them; without bands
// its Spectrogram.
MelOptions mtat(const char* name, std::int32_t n_mels) {
  MelOptions o;
  o.preset = name;
  o.sample_rate = 16000;
  o.n_mels = n_mels;
  o.fmax = 8000;
  o.mel_scale = MelScale::htk;
  o.mel_norm = MelNorm::none;
  o.log = LogKind::db;
  o.log_floor = 1e-10;
  return o;
}
MelOptions mtat_linear() { return mtat("mtat-linear", 0); }
MelOptions mtat_mel96() { return mtat("mtat-mel96", 96); }
MelOptions mtat_mel128() { return mtat("mtat-mel128", 128); }

// The power spectrum that Harmonic CNN filters and takes the logarithm of itself.
MelOptions harmonic() {
  MelOptions o = mtat("harmonic", 0);
  o.log = LogKind::none;
  o.log_floor = 0;
  return o;
}

MelOptions samples() {
  MelOptions o;
  o.preset = "samples";
  o.sample_rate = 16000;
  o.n_fft = o.win_length = o.n_mels = 0;
  o.hop_length = 1;
  o.log = LogKind::none;
  return o;
}

constexpr MelOptions (*kPresets[])() = {dong2018,   librosa,     torchaudio,   kaldi,
                                        whisper,    musicnn,     musicnn_2019, mtat_linear,
                                        mtat_mel96, mtat_mel128, harmonic,     samples};

// ---- fields ----------------------------------------------------------------------------------------------

struct Field {
  const char* name;
  const char* range;  // what validate() wants of it
  const char* unit;
  const char* meaning;
};

// The one list of fields: `visit(Field, member)` for each, in declaration order. Options is const or not.
template <typename Options, typename Visitor>
void for_each_field(Options& o, Visitor&& visit) {  // NOLINT(readability-function-size): a table
  visit(Field{"preset", "", "", "named settings that all others start from, or \"custom\""}, o.preset);
  visit(Field{"sample_rate", "1 to 10000000 Hz", "Hz", "Hz to which audio of another rate is resampled"},
        o.sample_rate);
  visit(Field{"n_fft", "0 (samples) to 1048576 samples", "samples",
              "samples of a frame; 0: no spectrum, the features are the samples"},
        o.n_fft);
  visit(Field{"win_length", "1 to n_fft samples", "samples", "samples of the window in a frame"},
        o.win_length);
  visit(Field{"hop_length", "at least 1 sample", "samples", "samples from one frame to the next"},
        o.hop_length);
  visit(Field{"n_mels", "0 (linear spectrogram) to 1048576", "bands", "bands of the mel scale"}, o.n_mels);
  visit(Field{"fmin", "0 Hz or more", "Hz", "Hz at which the lowest band begins"}, o.fmin);
  visit(Field{"fmax", "above fmin, at most half the sample_rate", "Hz", "Hz at which the highest band ends"},
        o.fmax);
  visit(Field{"mel_scale", "", "", "formula of the mel scale"}, o.mel_scale);
  visit(Field{"mel_norm", "", "", "area: each band divided by its width"}, o.mel_norm);
  visit(Field{"window", "", "", "function that a frame is multiplied by"}, o.window);
  visit(Field{"periodic_window", "", "", "the window's period is its length; else one less"},
        o.periodic_window);
  visit(Field{"padding", "", "",
              "what stands before the first sample and after the last; none: only frames that fit"},
        o.padding);
  visit(Field{"power", "1 or 2", "", "exponent of the magnitude"}, o.power);
  visit(Field{"log", "", "", "what is made of the bands' values x; ln1p: ln(1 + log_multiplier x)"}, o.log);
  visit(Field{"log_multiplier", "above 0", "", "of x in ln1p, log10_1p and log10_1p_half"}, o.log_multiplier);
  visit(Field{"log_floor", "0 or more", "", "least x of ln, db and whisper"}, o.log_floor);
  visit(Field{"top_db", "0 (off) or more", "dB",
              "dB below the clip's maximum to which lower values are raised"},
        o.top_db);
  visit(Field{"input_scale", "above 0", "", "what samples are multiplied by first"}, o.input_scale);
  visit(Field{"remove_dc", "", "", "each frame's mean is subtracted"}, o.remove_dc);
  visit(Field{"pre_emphasis", "0 to 1", "", "c of x[i] -= c x[i-1] within a frame"}, o.pre_emphasis);
  visit(Field{"left_aligned_window", "", "", "a short window begins with its frame instead of in its middle"},
        o.left_aligned_window);
  visit(Field{"triangles_in_mel", "", "", "the bands' slopes are straight in mel, not in Hz"},
        o.triangles_in_mel);
  visit(Field{"drop_last_frame", "", "", "leave out the last frame, as Whisper does"}, o.drop_last_frame);
  visit(Field{"mix", "", "", "how channels become one"}, o.mix);
}

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  const MelOptions o;
  for_each_field(o, [&](const Field& field, const auto&) { names.emplace_back(field.name); });
  return names;
}

std::string range_of(const std::string& name) {
  std::string range;
  const MelOptions o;
  for_each_field(o, [&](const Field& field, const auto&) {
    if (name == field.name) range = field.range;
  });
  return range;
}

}  // namespace

MelOptions mel_preset(const std::string& name) {
  for (const auto preset : kPresets) {
    if (MelOptions o = preset(); o.preset == name) return o;
  }
  const auto names = mel_preset_names();
  fail(ErrorKind::usage, "mel preset '{}': no such preset; did you mean '{}'? There are {}", name,
       nearest(name, names), joined(names));
}

std::vector<std::string> mel_preset_names() {
  std::vector<std::string> names;
  for (const auto preset : kPresets) names.push_back(preset().preset);
  return names;
}

std::vector<std::pair<std::string, std::string>> mel_fields(const MelOptions& options) {
  std::vector<std::pair<std::string, std::string>> fields;
  for_each_field(options, [&](const Field& field, const auto& value) {
    fields.emplace_back(field.name, as_text(value));
  });
  return fields;
}

std::vector<FieldInfo> mel_field_infos() {
  std::vector<FieldInfo> infos;
  const MelOptions standard;
  for_each_field(standard, [&](const Field& field, const auto& value) {
    FieldInfo& info = infos.emplace_back(field_info(field.name, value));
    info.range = field.range;
    info.unit = field.unit;
    info.meaning = field.meaning;
  });
  infos[0].kind = "choice";
  infos[0].choices = mel_preset_names();
  infos[0].choices.emplace_back("custom");
  return infos;
}

void set_mel_field(MelOptions& options, const std::string& name, const FieldValue& value) {
  bool known = false;
  for_each_field(options, [&](const Field& field, auto& target) {
    if (name != field.name) return;
    known = true;
    if constexpr (std::is_same_v<decltype(target), std::string&>) {
      const std::string preset = as_text(value);
      target = preset == "custom" || preset == "imported" ? preset : mel_preset(preset).preset;
    } else {
      assign(target, value, "mel " + name);
    }
  });
  if (!known) {
    fail(ErrorKind::usage, "mel {}: no such setting; did you mean '{}'?", name, nearest(name, field_names()));
  }
}

std::string mel_difference(const MelOptions& a, const MelOptions& b) {
  const auto fields_a = mel_fields(a), fields_b = mel_fields(b);
  for (std::size_t i = 1; i < fields_a.size(); ++i) {  // from 1: the preset's name is a label
    if (fields_a[i] != fields_b[i]) {
      return fmt::format("mel {}: {} against {}", fields_a[i].first, fields_a[i].second, fields_b[i].second);
    }
  }
  return "";
}

void validate(const MelOptions& o) {
  const auto check_for = [](bool holds, const auto& field, const auto& value, const auto& wanted) {
    if (!holds) fail(ErrorKind::usage, "mel {}: {} does not work; it must be {}", field, value, wanted);
  };
  const auto check = [&](bool holds, const char* field, auto value) {
    if (!holds) check_for(false, field, value, range_of(field));
  };
  // The upper bounds are far beyond use: they keep sizes read from a hostile file from being allocated.
  constexpr std::int32_t kMaxSize = 1 << 20;
  check(o.sample_rate >= 1 && o.sample_rate <= 10'000'000, "sample_rate", o.sample_rate);
  check(o.input_scale > 0 && std::isfinite(o.input_scale), "input_scale", o.input_scale);
  if (o.n_fft == 0) {  // what plays no part must not look as if it did
    MelOptions plain = samples();
    plain.sample_rate = o.sample_rate;
    plain.input_scale = o.input_scale;
    plain.mix = o.mix;
    const auto fields = mel_fields(o), wanted = mel_fields(plain);
    for (std::size_t i = 1; i < fields.size(); ++i)
      check_for(fields[i] == wanted[i], fields[i].first, fields[i].second,
                wanted[i].second + " where n_fft is 0 (samples)");
    return;
  }
  check(o.n_fft >= 1 && o.n_fft <= kMaxSize, "n_fft", o.n_fft);
  check(o.win_length >= 1 && o.win_length <= o.n_fft, "win_length", o.win_length);
  check(o.hop_length >= 1, "hop_length", o.hop_length);
  check(o.n_mels >= 0 && o.n_mels <= kMaxSize, "n_mels", o.n_mels);
  if (o.n_mels > 0) {
    check(o.fmin >= 0 && std::isfinite(o.fmin), "fmin", o.fmin);
    check(o.fmax > o.fmin && o.fmax <= o.sample_rate / 2.0, "fmax", o.fmax);
  }
  check(o.power == 1 || o.power == 2, "power", o.power);
  const bool uses_floor = o.log == LogKind::ln || o.log == LogKind::db || o.log == LogKind::whisper;
  check(o.log_multiplier > 0 && std::isfinite(o.log_multiplier), "log_multiplier", o.log_multiplier);
  check(o.log_floor >= 0 && std::isfinite(o.log_floor), "log_floor", o.log_floor);
  // Below the smallest normal float the floor would vanish and silence become minus infinity.
  check_for(!uses_floor || o.log_floor >= 1.2e-38, "log_floor", o.log_floor, "at least 1.2e-38 for this log");
  check(o.top_db >= 0 && std::isfinite(o.top_db), "top_db", o.top_db);
  check(o.pre_emphasis >= 0 && o.pre_emphasis <= 1, "pre_emphasis", o.pre_emphasis);
}

}  // namespace melgrad
