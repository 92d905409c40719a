// Settings of features as text, and the tables that are made of them against the reference.
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "kernels/mel.h"
#include "kernels/reference/mel.h"
#include "tests/ops/mel_settings.h"

namespace melgrad {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.what();
  }
  return "(nothing was thrown)";
}

TEST(MelOptions, FieldsReadBack) {
  for (const std::string& name : mel_preset_names()) {
    MelOptions original = mel_preset(name), copy;
    EXPECT_EQ(original.preset, name);
    original.fmin = 0.1 + 0.2;  // needs all 17 digits
    const auto fields = mel_fields(original);
    for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
      set_mel_field(copy, field->first, field->second);  // in any order
    }
    EXPECT_EQ(copy, original) << name;
    EXPECT_EQ(mel_difference(copy, original), "");
  }
}

TEST(MelOptions, EveryFieldIsListedAndCompared) {
  const MelOptions base = mel_preset("librosa");
  for (const auto& [field, value] : mel_fields(base)) {
    if (field == "preset") continue;
    bool differed = false;
    for (const char* other : {"1", "0.5", "true", "false", "htk", "none", "povey", "ln", "left"}) {
      MelOptions changed = base;
      try {
        set_mel_field(changed, field, other);
      } catch (const Error&) {
        continue;  // not a value of this field's type
      }
      if (changed == base) continue;
      differed = true;
      EXPECT_EQ(mel_difference(base, changed), "mel " + field + ": " + value + " against " + other);
    }
    EXPECT_TRUE(differed) << field;
  }
}

TEST(MelOptions, LabelIsNotCompared) {
  EXPECT_EQ(mel_difference(mel_preset("dong2018"), with(mel_preset("dong2018"), {{"preset", "custom"}})), "");
}

TEST(MelOptions, ErrorsNameTheFieldAndTheNearest) {
  MelOptions o;
  EXPECT_NE(message_of([] { mel_preset("whispr"); }).find("did you mean 'whisper'"), std::string::npos);
  EXPECT_NE(message_of([&] { set_mel_field(o, "hop_lenght", "1"); }).find("'hop_length'"), std::string::npos);
  for (const char* bad : {"", "12.5", "12 ", "0x10", "99999999999", "twelve"}) {
    EXPECT_EQ(message_of([&] { set_mel_field(o, "n_fft", bad); }).find("mel n_fft: "), 0u) << bad;
  }
  EXPECT_EQ(message_of([&] { set_mel_field(o, "log", "decibel"); }).find("mel log: 'decibel' is not one of"),
            0u);
  EXPECT_EQ(message_of([&] { set_mel_field(o, "remove_dc", "yes"); }).find("mel remove_dc: "), 0u);
  EXPECT_EQ(o, MelOptions{}) << "a failed setting must not change anything";
}

TEST(MelOptions, ValidateNamesTheField) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"sample_rate", "0"},    {"n_fft", "-1"},         {"n_fft", "2000000"}, {"win_length", "513"},
      {"win_length", "0"},     {"hop_length", "0"},     {"n_mels", "-1"},     {"fmin", "-1"},
      {"fmin", "nan"},         {"fmax", "11026"},       {"fmax", "0"},        {"power", "1.5"},
      {"log_multiplier", "0"}, {"log_floor", "-1"},     {"top_db", "-1"},     {"input_scale", "0"},
      {"input_scale", "inf"},  {"pre_emphasis", "1.1"},
  };
  for (const auto& [field, value] : bad) {
    const MelOptions o = with(MelOptions{}, {{field, value}});
    EXPECT_EQ(message_of([&] { validate(o); }).find("mel " + field + ": "), 0u) << field << " = " << value;
    EXPECT_THROW(MelTables{o}, Error);
  }
  EXPECT_EQ(message_of([] { validate(with(MelOptions{}, {{"log", "ln"}})); }).find("mel log_floor: 0"), 0u);
  for (const std::string& name : mel_preset_names()) EXPECT_NO_THROW(validate(mel_preset(name))) << name;
}

// Without a spectrum whatever plays no part must be as in the preset, so that no setting is dropped silently.
TEST(MelOptions, SamplesHaveNoOtherSettings) {
  EXPECT_NO_THROW(validate(with(mel_preset("samples"), {{"sample_rate", "22050"}, {"input_scale", "3"}})));
  for (const auto& [field, value] : mel_fields(mel_preset("samples"))) {
    if (field == "preset" || field == "sample_rate" || field == "n_fft" || field == "input_scale" ||
        field == "mix")
      continue;
    bool refused = false;
    for (const char* other : {"7", "true", "false", "htk", "none", "povey", "ln"}) {
      MelOptions o = mel_preset("samples");
      try {
        set_mel_field(o, field, other);
      } catch (const Error&) {
        continue;  // not a value of this field's type
      }
      if (o == mel_preset("samples")) continue;
      refused = true;
      EXPECT_EQ(message_of([&] { validate(o); }), "mel " + field + ": " + other +
                                                      " does not work; it must be " + value +
                                                      " where n_fft is 0 (samples)");
    }
    EXPECT_TRUE(refused) << field;
  }
  EXPECT_EQ(message_of([] {
              validate(with(MelOptions{}, {{"n_fft", "0"}}));
            }).find("mel win_length: 512"),
            0u);
  EXPECT_EQ(message_of([] {
              validate(with(mel_preset("samples"), {{"input_scale", "0"}}));
            }).find("mel input_scale: 0"),
            0u);
  EXPECT_EQ(message_of([] {
              validate(with(mel_preset("samples"), {{"sample_rate", "0"}}));
            }).find("mel sample_rate: 0"),
            0u);
}

TEST(MelTables, FrameCounts) {
  const auto count = [](const char* preset, std::int64_t samples) {
    return MelTables(mel_preset(preset)).frames(samples);
  };
  for (const char* preset :
       {"dong2018", "musicnn", "mtat-linear", "harmonic"}) {  // published counts at a hop of 256
    EXPECT_EQ(count(preset, 661500), 2584);
    EXPECT_EQ(count(preset, 464000), 1813);
    EXPECT_EQ(count(preset, 59049), 231);
    EXPECT_EQ(count(preset, 48000), 188);
  }
  EXPECT_EQ(count("whisper", 480000), 3000);  // 30 s
  EXPECT_EQ(count("kaldi", 16000), 98);
  EXPECT_EQ(count("kaldi", 399), 0);
  EXPECT_EQ(count("kaldi", 400), 1);
  for (const std::int64_t n : {0, 1, 59049}) EXPECT_EQ(count("samples", n), n);
  EXPECT_EQ(MelTables(mel_preset("samples")).bands(), 1);
  EXPECT_EQ(MelTables(mel_preset("mtat-linear")).bands(), 257);
  for (const std::string& name : mel_preset_names()) {
    for (std::int64_t n = 0; n < 3000; n += 7) {
      EXPECT_EQ(count(name.c_str(), n), reference::frame_count(n, mel_preset(name))) << name << ", " << n;
    }
  }
}

TEST(MelTables, FiltersEqualReference) {
  std::vector<MelOptions> all;
  for (const std::string& name : mel_preset_names()) all.push_back(mel_preset(name));
  all.push_back(with(mel_preset("librosa"), {{"n_fft", "333"}, {"win_length", "333"}, {"fmin", "50.5"}}));
  for (const MelOptions& o : all) {
    const MelTables mel(o);
    const reference::Matrix want = reference::mel_filters(o);
    for (std::size_t m = 0; m < want.size(); ++m) {
      std::vector<double> got(want[m].size());
      const std::int32_t begin = mel.filter_offset[m], end = mel.filter_offset[m + 1];
      for (std::int32_t i = begin; i < end; ++i) {
        got.at(static_cast<std::size_t>(mel.filter_first[m] + i - begin)) =
            static_cast<double>(mel.filter_weight[static_cast<std::size_t>(i)]);
      }
      for (std::size_t k = 0; k < got.size(); ++k) {
        EXPECT_NEAR(got[k], want[m][k], 1e-7 * std::max(want[m][k], 1e-4))
            << o.preset << ", " << m << ", " << k;
      }
    }
  }
}

// With 128 HTK bands over 8 kHz and 31.25 Hz between bins, exactly band 0 (0 to 28 Hz) holds no bin.
TEST(MelTables, EmptyFilter) {
  const MelOptions o = with(mel_preset("torchaudio"), {{"n_fft", "512"}, {"win_length", "512"}});
  const MelTables mel(o);
  for (std::size_t m = 0; m < 128; ++m)
    EXPECT_EQ(mel.filter_offset[m] == mel.filter_offset[m + 1], m == 0) << m;
}

}  // namespace
}  // namespace melgrad
