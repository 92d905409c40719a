#include "io/audio/audio.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <sndfile.h>

#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TempFolder;
using test::tone;

// Interleaved samples, written by libsndfile itself: more channels and encodings than write_audio offers.
void write_raw(const fs::path& path, const std::vector<float>& interleaved, int channels, int rate,
               int format) {
  SF_INFO info{};
  info.channels = channels;
  info.samplerate = rate;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  ASSERT_NE(file, nullptr) << sf_strerror(nullptr);
  const auto n = static_cast<sf_count_t>(interleaved.size());
  ASSERT_EQ(sf_write_float(file, interleaved.data(), n), n);
  ASSERT_EQ(sf_close(file), 0);
}

constexpr int kFloatWav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;

double largest_difference(const std::vector<float>& a, const std::vector<float>& b, std::size_t margin) {
  double worst = 0;
  for (std::size_t i = margin; i + margin < std::min(a.size(), b.size()); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
  }
  return worst;
}

double rms(const std::vector<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

class EveryFormat : public testing::TestWithParam<const char*> {};

TEST_P(EveryFormat, comes_back_as_the_same_tone) {
  const TempFolder folder{};
  const std::string name = GetParam();
  const int rate = name == "opus" ? 24000 : 22050;
  const auto path = folder / ("tone." + name);
  const auto in = tone(440, rate, 2);
  write_audio(path, in, rate, audio_format(name));
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const Audio audio = read_audio(path, 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(audio.file_rate, rate);
  EXPECT_EQ(audio.channels, 1);
  EXPECT_EQ(audio.scrubbed, 0);
  EXPECT_EQ(audio.seconds(), 2.0);  // what encoders pad is cut off again
  EXPECT_NEAR(rms(audio.samples), 0.5 / std::sqrt(2), 0.02);
  if (name == "wav" || name == "au" || name == "aiff" || name == "flac") {
    ASSERT_EQ(audio.samples.size(), in.size());
    EXPECT_LT(largest_difference(audio.samples, in, 0), 1.0 / 16384);  // one 16-bit step
  }
}

TEST_P(EveryFormat, same_samples_give_the_same_bytes) {
  const TempFolder folder{};
  const AudioFormat format = audio_format(GetParam());
  const auto samples = tone(440, 24000, 1);
  write_audio(folder / "a", samples, 24000, format);
  write_audio(folder / "b", samples, 24000, format);
  EXPECT_TRUE(test::read_bytes(folder / "a") == test::read_bytes(folder / "b"));
}

TEST_P(EveryFormat, damaged_files_are_refused_or_decode_to_finite_samples) {
  const TempFolder folder{};
  write_audio(folder / "good", tone(440, 24000, 0.5), 24000, audio_format(GetParam()));
  const std::string good = test::read_bytes(folder / "good");
  // Every byte of the headers, then a sample of the rest; and the file cut off there.
  testing::internal::CaptureStderr();  // mpg123 remarks on every resynchronisation
  for (std::size_t at = 0; at < good.size(); at += at < 100 ? 1 : good.size() / 30) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    for (const std::string_view bytes : {std::string_view(bad), std::string_view(good).substr(0, at)}) {
      test::write_bytes(folder / "bad", bytes);
      try {
        const Audio audio = read_audio(folder / "bad", 22050);
        for (const float x : audio.samples) ASSERT_TRUE(std::isfinite(x)) << "byte " << at;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::input) << "byte " << at << ": " << e.what();
      }
    }
  }
  testing::internal::GetCapturedStderr();
}

INSTANTIATE_TEST_SUITE_P(Audio, EveryFormat,
                         testing::Values("wav", "au", "aiff", "flac", "ogg", "opus", "mp3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Audio, resampling_keeps_a_tone_and_has_librosas_length) {
  const TempFolder folder{};
  for (const auto& [from, to] : {std::pair{44100, 22050}, {22050, 16000}, {16000, 22050}, {48000, 22050}}) {
    const auto path = folder / "tone.wav";
    write_raw(path, tone(1000, from, 1.2345), 1, from, kFloatWav);
    const Audio audio = read_audio(path, to);
    EXPECT_EQ(audio.sample_rate, to);
    EXPECT_EQ(audio.file_rate, from);
    EXPECT_EQ(static_cast<double>(audio.samples.size()),
              std::ceil(static_cast<double>(audio.file_frames) * to / from));
    // Away from the ends HQ is good to about 20 bits.
    EXPECT_LT(largest_difference(audio.samples, tone(1000, to, 1.2345), 500), 1e-5) << from << " -> " << to;
  }
}

TEST(Audio, resampling_removes_what_the_new_rate_cannot_hold) {
  const TempFolder folder{};
  write_raw(folder / "high.wav", tone(15000, 44100, 1), 1, 44100, kFloatWav);
  const Audio audio = read_audio(folder / "high.wav", 22050);
  const std::vector<float> middle(audio.samples.begin() + 1000, audio.samples.end() - 1000);
  EXPECT_LT(rms(middle), 1e-5);
}

TEST(Audio, mixes_channels_by_their_mean) {
  const TempFolder folder{};
  std::vector<float> eight;
  for (int i = 0; i < 1000; ++i) {
    for (int c = 0; c < 8; ++c) eight.push_back(static_cast<float>(c) / 8);
  }
  write_raw(folder / "eight.wav", eight, 8, 22050, kFloatWav);
  const Audio audio = read_audio(folder / "eight.wav", 0);
  EXPECT_EQ(audio.channels, 8);
  ASSERT_EQ(audio.samples.size(), 1000U);
  for (const float x : audio.samples) ASSERT_FLOAT_EQ(x, 3.5F / 8);
}

// Sound in memory beside the same in a file: longer than a block, with what is no number in it.
TEST(Audio, samples_in_memory_are_heard_as_a_file_is) {
  const TempFolder folder{};
  std::vector<float> stereo;
  for (const float x : tone(440, 44100, 3)) stereo.insert(stereo.end(), {x, -0.5F * x + 0.1F});
  stereo[5000] = std::numeric_limits<float>::quiet_NaN();
  write_raw(folder / "stereo.wav", stereo, 2, 44100, kFloatWav);
  for (const ChannelMix mix : {ChannelMix::mean, ChannelMix::louder, ChannelMix::left, ChannelMix::right})
    for (const int rate : {0, 44100, 22050}) {
      const Audio file = read_audio(folder / "stereo.wav", rate, {.mix = mix});
      const Audio held = audio_of(stereo, 2, 44100, rate, {.mix = mix});
      EXPECT_EQ(held.samples, file.samples);
      EXPECT_EQ(held.sample_rate, file.sample_rate);
      EXPECT_EQ(held.scrubbed, 1);
      EXPECT_EQ(held.peak, file.peak);
      EXPECT_EQ(held.seconds(), file.seconds());
    }
  EXPECT_TRUE(audio_of({}, 1, 44100, 22050).samples.empty());
  EXPECT_THROW(audio_of(stereo, 2, 100, 22050), Error);
  EXPECT_THROW(audio_of(stereo, 11, 44100, 22050), Error);
}

TEST(Audio, scrubs_and_counts_what_is_no_number) {
  const TempFolder folder{};
  auto samples = tone(440, 22050, 0.5);
  samples[10] = std::numeric_limits<float>::quiet_NaN();
  samples[20] = std::numeric_limits<float>::infinity();
  samples[30] = -std::numeric_limits<float>::infinity();
  samples[40] = 1e30F;
  write_raw(folder / "nan.wav", samples, 1, 22050, kFloatWav);
  const Audio audio = read_audio(folder / "nan.wav", 16000);
  EXPECT_EQ(audio.scrubbed, 4);
  for (const float x : audio.samples) ASSERT_LE(std::abs(x), 1.0F);
}

TEST(Audio, short_clip_and_header_without_data) {
  const TempFolder folder{};
  write_audio(folder / "half.wav", tone(440, 22050, 0.5), 22050, AudioFormat::wav);
  EXPECT_NEAR(read_audio(folder / "half.wav", 16000).seconds(), 0.5, 1e-4);
  write_audio(folder / "none.wav", {}, 22050, AudioFormat::wav);
  EXPECT_TRUE(read_audio(folder / "none.wav", 16000).samples.empty());
  write_audio(folder / "one.wav", {0.5F}, 44100, AudioFormat::wav);
  EXPECT_EQ(read_audio(folder / "one.wav", 22050).samples.size(), 1U);
}

TEST(Audio, data_chunk_shorter_than_the_header_says) {
  const TempFolder folder{};
  write_audio(folder / "full.wav", tone(440, 22050, 1), 22050, AudioFormat::wav);
  const std::string bytes = test::read_bytes(folder / "full.wav");
  test::write_bytes(folder / "cut.wav", std::string_view(bytes).substr(0, 44 + 2 * 1000));
  EXPECT_EQ(read_audio(folder / "cut.wav", 0).samples.size(), 1000U);
}

TEST(Audio, refuses_what_is_no_audio_and_says_why) {
  const TempFolder folder{};
  const auto message = [&](const std::string& name) {
    const std::string text = error_of(ErrorKind::input, [&] { read_audio(folder.path() / name, 22050); });
    EXPECT_EQ(text.find((folder.path() / name).string()), 0U) << text;
    return text;
  };
  test::write_bytes(folder / "zero.wav", "");
  test::write_bytes(folder / "noise.wav", "xx" + test::noise_bytes(100000));
  test::write_bytes(folder / "noise.au", "xx" + test::noise_bytes(100000));  // libsndfile: "raw mu-law"
  test::write_bytes(folder / "tagged.au", std::string("ID3\x04\0\0\0\0\0\0", 10) + test::noise_bytes(5000));
  test::write_bytes(folder / "riff.wav", "RIFF" + test::noise_bytes(1000));
  test::write_bytes(folder / "sync.mp3", "\xFF\xFB" + test::noise_bytes(20000));
  test::write_bytes(folder / "text.mp3", "<html>404 not found</html>");
  fs::create_directory(folder / "folder.wav");
  EXPECT_NE(message("zero.wav").find("empty"), std::string::npos);
  EXPECT_NE(message("noise.wav").find("not a WAV"), std::string::npos);
  EXPECT_NE(message("noise.au").find("not a WAV"), std::string::npos);
  message("tagged.au");
  EXPECT_NE(message("riff.wav").find("cannot be decoded"), std::string::npos);
  message("sync.mp3");
  EXPECT_NE(message("text.mp3").find("not a WAV"), std::string::npos);
  EXPECT_NE(message("folder.wav").find("not a regular file"), std::string::npos);
  EXPECT_NE(message("absent.wav").find("no such file"), std::string::npos);
}

TEST(Audio, limits_are_enforced) {
  const TempFolder folder{};
  write_raw(folder / "a.wav", std::vector<float>(2 * 22050), 2, 22050, kFloatWav);
  const auto with = [&](AudioLimits limits) {
    return error_of(ErrorKind::input,
                    [&] { read_audio(folder.path() / "a.wav", 16000, {.limits = limits}); });
  };
  EXPECT_NE(with({.max_channels = 1}).find("2 channels, the limit is 1"), std::string::npos);
  EXPECT_NE(with({.max_sample_rate = 16000}).find("sample rate 22050 Hz"), std::string::npos);
  EXPECT_NE(with({.max_seconds = 0.5}).find("longer than 0.5 s"), std::string::npos);
  EXPECT_NO_THROW(read_audio(folder / "a.wav", 16000, {.limits = {.max_channels = 2, .max_seconds = 1}}));
}

TEST(Audio, a_flac_whose_data_is_damaged_is_refused) {
  const TempFolder folder{};
  write_audio(folder / "a.flac", tone(440, 22050, 2), 22050, AudioFormat::flac);
  std::string bytes = test::read_bytes(folder / "a.flac");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  test::write_bytes(folder / "a.flac", bytes);
  error_of(ErrorKind::input, [&] { read_audio(folder.path() / "a.flac", 0); });
}

TEST(Audio, digest_is_of_the_sound_not_of_the_file) {
  const TempFolder folder{};
  const auto samples = tone(440, 22050, 1);
  write_audio(folder / "a.wav", samples, 22050, AudioFormat::wav);
  write_audio(folder / "a.flac", samples, 22050, AudioFormat::flac);
  auto other = samples;
  other[11025] += 0.001F;
  write_audio(folder / "b.wav", other, 22050, AudioFormat::wav);
  const auto digest = [&](const char* name) { return content_digest(read_audio(folder.path() / name, 0)); };
  EXPECT_EQ(digest("a.wav"), digest("a.flac"));
  EXPECT_NE(digest("a.wav"), digest("b.wav"));
  Audio slower = read_audio(folder / "a.wav", 0);
  slower.sample_rate = 11025;
  EXPECT_NE(content_digest(slower), digest("a.wav"));
}

TEST(Audio, writing_names_what_is_wrong) {
  const TempFolder folder{};
  const auto opus = [&] { write_audio(folder / "a.opus", tone(440, 22050, 1), 22050, AudioFormat::opus); };
  EXPECT_EQ(error_of(ErrorKind::usage, opus),
            "sample rate 22050 Hz: opus has none such; choose one of 8000, 12000, 16000, 24000, 48000");
  const auto absent = [&] { write_audio(folder.path() / "no/a.wav", {0.1F}, 22050, AudioFormat::wav); };
  EXPECT_NE(error_of(ErrorKind::output, absent).find("cannot be written"), std::string::npos);
  EXPECT_NE(error_of(ErrorKind::usage, [] { audio_format("wma"); }).find("wav, au"), std::string::npos);
}

TEST(Audio, knows_audio_by_its_name) {
  for (const char* name :
       {"a.wav", "a.WAV", "b.c.Mp3", "x.aif", "x.aiff", "x.flac", "x.ogg", "x.opus", "x.au"}) {
    EXPECT_TRUE(has_audio_extension(name)) << name;
  }
  for (const char* name : {"a.txt", "wav", "a.wav.part", ".wav", "a.mf"})
    EXPECT_FALSE(has_audio_extension(name));
  for (const char* name : {"a.m4a", "b.WMA", "c.d.mkv", "e.webm", "f.mp4", "g.aac"})
    EXPECT_EQ(audio_kind(name), AudioKind::by_ffmpeg) << name;
  EXPECT_EQ(audio_kind("a.caf"), AudioKind::readable);
  EXPECT_EQ(audio_kind("a.txt"), AudioKind::none);
}

TEST(Audio, odd_files_decode_or_are_refused_in_one_line) {
  const fs::path data = test::shared_data();
  if (data.empty()) GTEST_SKIP() << "MELGRAD_DATA has no odd-audio folder";
  int decoded = 0, refused = 0;
  for (const auto& entry : fs::directory_iterator(data / "odd-audio")) {
    try {
      const Audio audio = read_audio(entry.path(), 22050);
      for (const float x : audio.samples) ASSERT_TRUE(std::isfinite(x)) << entry.path();
      ++decoded;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input) << e.what();
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      ++refused;
      RecordProperty(entry.path().filename().string(), e.what());
    }
  }
  EXPECT_GE(decoded, 14);  // the files with a well-formed header
  EXPECT_EQ(decoded + refused, 22);
}

}  // namespace
}  // namespace melgrad
