#include "kernels/mel.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
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

constexpr MelOptions (*kPresets[])() = {dong2018,    librosa,    torchaudio,  kaldi,    whisper, musicnn,
                                        mtat_linear, mtat_mel96, mtat_mel128, harmonic, samples};

// ---- fields as text ---------------------------------------------------------------------------------------

// The names of an enum, in the order of its values.
template <typename Enum>
std::vector<std::string> names_of() {
  if constexpr (std::is_same_v<Enum, MelScale>) return {"slaney", "htk"};
  if constexpr (std::is_same_v<Enum, MelNorm>) return {"none", "area"};
  if constexpr (std::is_same_v<Enum, WindowKind>) return {"hann", "hamming", "povey", "rectangular"};
  if constexpr (std::is_same_v<Enum, Padding>) return {"none", "reflect", "zeros"};
  if constexpr (std::is_same_v<Enum, LogKind>) return {"none", "ln1p", "log10_1p", "ln", "db", "whisper"};
  if constexpr (std::is_same_v<Enum, ChannelMix>) return {"mean", "louder", "left", "right"};
}

// The one list of fields: `visit(name, member)` for each, in declaration order. Options is const or not.
template <typename Options, typename Visitor>
void for_each_field(Options& o, Visitor&& visit) {
  visit("preset", o.preset);
  visit("sample_rate", o.sample_rate);
  visit("n_fft", o.n_fft);
  visit("win_length", o.win_length);
  visit("hop_length", o.hop_length);
  visit("n_mels", o.n_mels);
  visit("fmin", o.fmin);
  visit("fmax", o.fmax);
  visit("mel_scale", o.mel_scale);
  visit("mel_norm", o.mel_norm);
  visit("window", o.window);
  visit("periodic_window", o.periodic_window);
  visit("padding", o.padding);
  visit("power", o.power);
  visit("log", o.log);
  visit("log_multiplier", o.log_multiplier);
  visit("log_floor", o.log_floor);
  visit("top_db", o.top_db);
  visit("input_scale", o.input_scale);
  visit("remove_dc", o.remove_dc);
  visit("pre_emphasis", o.pre_emphasis);
  visit("left_aligned_window", o.left_aligned_window);
  visit("triangles_in_mel", o.triangles_in_mel);
  visit("drop_last_frame", o.drop_last_frame);
  visit("mix", o.mix);
}

template <typename T>
std::string print(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return names_of<T>()[static_cast<std::size_t>(value)];
  } else {
    return fmt::format("{}", value);  // shortest text that reads back to the same number
  }
}

template <typename T>
void parse(T& target, const char* field, const std::string& text) {
  if constexpr (std::is_enum_v<T>) {
    const auto names = names_of<T>();
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) {
      fail(ErrorKind::usage, "mel {}: '{}' is not one of {}", field, text,
           joined({names.begin(), names.end()}));
    }
    target = static_cast<T>(found - names.begin());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false") {
      fail(ErrorKind::usage, "mel {}: '{}' is neither true nor false", field, text);
    }
    target = text == "true";
  } else {
    const char* end = text.data() + text.size();
    T value{};
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) {
      fail(ErrorKind::usage, "mel {}: '{}' is not {}", field, text,
           std::is_integral_v<T> ? "a whole number of 32 bits" : "a number");
    }
    target = value;
  }
}

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  const MelOptions o;
  for_each_field(o, [&](const char* name, const auto&) { names.emplace_back(name); });
  return names;
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
  for_each_field(options,
                 [&](const char* name, const auto& value) { fields.emplace_back(name, print(value)); });
  return fields;
}

void set_mel_field(MelOptions& options, const std::string& field, const std::string& value) {
  bool known = false;
  for_each_field(options, [&](const char* name, auto& target) {
    if (field != name) return;
    known = true;
    if constexpr (std::is_same_v<decltype(target), std::string&>) {
      target = value == "custom" || value == "imported" ? value : mel_preset(value).preset;
    } else {
      parse(target, name, value);
    }
  });
  if (!known) {
    fail(ErrorKind::usage, "mel {}: no such setting; did you mean '{}'?", field,
         nearest(field, field_names()));
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
  const auto check = [](bool holds, const auto& field, const auto& value, const auto& wanted) {
    if (!holds) fail(ErrorKind::usage, "mel {}: {} does not work; it must be {}", field, value, wanted);
  };
  // The upper bounds are far beyond use: they keep sizes read from a hostile file from being allocated.
  constexpr std::int32_t kMaxSize = 1 << 20;
  check(o.sample_rate >= 1 && o.sample_rate <= 10'000'000, "sample_rate", o.sample_rate, "1 to 10000000 Hz");
  check(o.input_scale > 0 && std::isfinite(o.input_scale), "input_scale", o.input_scale, "above 0");
  if (o.n_fft == 0) {  // what plays no part must not look as if it did
    MelOptions plain = samples();
    plain.sample_rate = o.sample_rate;
    plain.input_scale = o.input_scale;
    plain.mix = o.mix;
    const auto fields = mel_fields(o), wanted = mel_fields(plain);
    for (std::size_t i = 1; i < fields.size(); ++i)
      check(fields[i] == wanted[i], fields[i].first, fields[i].second,
            wanted[i].second + " where n_fft is 0 (samples)");
    return;
  }
  check(o.n_fft >= 1 && o.n_fft <= kMaxSize, "n_fft", o.n_fft, "0 (samples) to 1048576 samples");
  check(o.win_length >= 1 && o.win_length <= o.n_fft, "win_length", o.win_length, "1 to n_fft samples");
  check(o.hop_length >= 1, "hop_length", o.hop_length, "at least 1 sample");
  check(o.n_mels >= 0 && o.n_mels <= kMaxSize, "n_mels", o.n_mels, "0 (linear spectrogram) to 1048576");
  if (o.n_mels > 0) {
    check(o.fmin >= 0 && std::isfinite(o.fmin), "fmin", o.fmin, "0 Hz or more");
    check(o.fmax > o.fmin && o.fmax <= o.sample_rate / 2.0, "fmax", o.fmax,
          "above fmin, at most half the sample_rate");
  }
  check(o.power == 1 || o.power == 2, "power", o.power, "1 or 2");
  const bool uses_floor = o.log == LogKind::ln || o.log == LogKind::db || o.log == LogKind::whisper;
  check(o.log_multiplier > 0 && std::isfinite(o.log_multiplier), "log_multiplier", o.log_multiplier,
        "above 0");
  check(o.log_floor >= 0 && std::isfinite(o.log_floor), "log_floor", o.log_floor, "0 or more");
  // Below the smallest normal float the floor would vanish and silence become minus infinity.
  check(!uses_floor || o.log_floor >= 1.2e-38, "log_floor", o.log_floor, "at least 1.2e-38 for this log");
  check(o.top_db >= 0 && std::isfinite(o.top_db), "top_db", o.top_db, "0 (off) or more");
  check(o.pre_emphasis >= 0 && o.pre_emphasis <= 1, "pre_emphasis", o.pre_emphasis, "0 to 1");
}

}  // namespace melgrad
