// All of a file is heard, whatever its headers promise; that it ends too early is noticed, and so is sound
// that is none.
#include <cmath>
#include <gtest/gtest.h>
#include <sndfile.h>

#include "io/audio/audio.h"
#include "io/audio/flaws.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

using test::read_bytes;
using test::TempFolder;
using test::tone;
using test::write_bytes;

class Hearing : public testing::Test {
 protected:
  // A tone of `seconds` in the format, as its encoder writes it.
  std::string sound(AudioFormat format, double seconds, int rate = 24000) {
    write_audio(folder_ / "sound", tone(440, rate, seconds), rate, format);
    return read_bytes(folder_ / "sound");
  }
  Audio heard(const std::string& bytes, const std::string& name = "heard.mp3") {
    write_bytes(folder_ / name, bytes);
    testing::internal::CaptureStderr();
    const Audio audio = read_audio(folder_ / name, 0);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    return audio;
  }
  // By libsndfile with interleaved channels, for formats that write_audio has not.
  std::string written(int format, const std::vector<float>& samples, int channels = 1) {
    SF_INFO info{};
    info.samplerate = 24000;
    info.channels = channels;
    info.format = format;
    SNDFILE* const file = sf_open((folder_ / "written").c_str(), SFM_WRITE, &info);
    EXPECT_NE(file, nullptr);
    sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
    sf_close(file);
    return read_bytes(folder_ / "written");
  }
  TempFolder folder_;
};

// Where the frame of Xing or Info says what it says, and where the frame behind it begins.
struct InfoFrame {
  std::size_t frames, next;
};
InfoFrame info_frame(const std::string& mp3) {
  const std::size_t tag = std::min(mp3.find("Xing"), mp3.find("Info"));
  EXPECT_LT(tag, 100U);
  const std::size_t next = mp3.find(mp3.substr(0, 2), tag);
  return {tag + 8, next};
}

TEST_F(Hearing, PlainMp3sAreDecodedAsBefore) {
  const std::string mp3 = sound(AudioFormat::mp3, 2);
  write_bytes(folder_ / "plain.mp3", mp3);
  SF_INFO info{};
  SNDFILE* const file = sf_open((folder_ / "plain.mp3").c_str(), SFM_READ, &info);
  ASSERT_NE(file, nullptr);
  std::vector<float> samples(200000);
  samples.resize(static_cast<std::size_t>(sf_read_float(file, samples.data(), 200000)));
  sf_close(file);
  EXPECT_EQ(heard(mp3).samples, samples);
}

TEST_F(Hearing, NoLengthInAnMp3DecidesHowMuchIsHeard) {
  const std::string mp3 = sound(AudioFormat::mp3, 3);
  const InfoFrame info = info_frame(mp3);
  const double all = heard(mp3).seconds();
  EXPECT_EQ(all, 3.0);
  const double without = heard(mp3.substr(info.next)).seconds();  // what the encoder padded is heard too
  EXPECT_GE(without, 3.0);
  EXPECT_LT(without, 3.2);
  for (const char byte : {'\x00', '\x10'}) {  // fewer frames than there are, and far fewer
    std::string wrong = mp3;
    wrong.replace(info.frames, 4, std::string("\0\0\0", 3) + byte);
    EXPECT_GE(heard(wrong).seconds(), 3.0);
    EXPECT_FALSE(heard(wrong).cut_short);
  }
}

TEST_F(Hearing, TagsAndJunkAroundAnMp3AreNoSound) {
  const std::string mp3 = sound(AudioFormat::mp3, 2);
  const auto id3 = [](std::size_t size) {  // ID3v2 of padding
    std::string tag = "ID3\x03";
    tag += std::string(2, '\0');
    for (int shift = 21; shift >= 0; shift -= 7) tag += static_cast<char>(size >> shift & 0x7F);
    return tag + std::string(size, '\0');
  };
  std::string ape = "APETAGEX";
  ape += std::string("\xD0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\x80", 16) + std::string(8, '\0') +
         std::string(32, 'x');
  const std::string id3v1 = "TAG" + std::string(125, 'x');
  for (const std::string& file :
       {std::string(5000, '\0') + mp3, std::string(300000, '\0') + mp3, test::noise_bytes(3000) + mp3,
        id3(300000) + mp3, id3(1000) + id3(2000) + mp3, mp3 + id3v1, ape + mp3 + id3v1,
        mp3 + std::string(2000, '\0')}) {
    const Audio audio = heard(file);
    EXPECT_NEAR(audio.seconds(), 2.0, 0.06);
    EXPECT_FALSE(audio.cut_short);
  }
  EXPECT_EQ(heard(std::string(5000, '\0') + mp3).samples, heard(mp3).samples);
}

TEST_F(Hearing, JoinedFilesAreHeardToTheLast) {
  const std::string mp3 = sound(AudioFormat::mp3, 2), other = sound(AudioFormat::mp3, 1, 48000);
  EXPECT_EQ(heard(mp3 + mp3).seconds(), 4.0);
  EXPECT_EQ(heard(mp3 + std::string("ID3\x03\0\0\0\0\0\x0A", 10) + std::string(10, '\0') + mp3).seconds(),
            4.0);
  EXPECT_NEAR(heard(mp3 + other).seconds(), 3.0, 1e-3);  // at another rate
  const std::string ogg = sound(AudioFormat::ogg, 2), opus = sound(AudioFormat::opus, 2);
  EXPECT_EQ(heard(ogg + ogg, "a.ogg").seconds(), 4.0);
  EXPECT_EQ(heard(ogg + sound(AudioFormat::ogg, 1, 48000), "b.ogg").seconds(), 3.0);
  EXPECT_NEAR(heard(opus + opus, "c.opus").seconds(), 4.0, 0.01);
  EXPECT_NEAR(heard(ogg + opus + ogg, "d.ogg").seconds(), 6.0, 0.01);
}

TEST_F(Hearing, FilesThatEndTooEarlyAreKnown) {
  std::vector<float> samples(5 * 24000);  // noise: as many bytes for each second, whatever the format
  const std::string noise = test::noise_bytes(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(noise[i]) / 256.0F;
  const auto as = [&](AudioFormat format) {
    write_audio(folder_ / "sound", samples, 24000, format);
    return read_bytes(folder_ / "sound");
  };
  const std::pair<const char*, std::string> whole[] = {
      {"wav", as(AudioFormat::wav)},
      {"au", as(AudioFormat::au)},
      {"aiff", as(AudioFormat::aiff)},
      {"flac", as(AudioFormat::flac)},
      {"ogg", as(AudioFormat::ogg)},
      {"opus", as(AudioFormat::opus)},
      {"mp3", as(AudioFormat::mp3)},
      {"w64", written(SF_FORMAT_W64 | SF_FORMAT_PCM_16, samples)},
      {"rf64", written(SF_FORMAT_RF64 | SF_FORMAT_PCM_16, samples)},
      {"caf", written(SF_FORMAT_CAF | SF_FORMAT_PCM_16, samples)},
      {"adpcm.wav", written(SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, samples)}};
  for (const auto& [name, bytes] : whole) {
    const std::string file = std::string("cut.") + name;
    const Audio all = heard(bytes, file), cut = heard(bytes.substr(0, bytes.size() * 6 / 10), file);
    EXPECT_FALSE(all.cut_short) << name;
    EXPECT_NEAR(all.seconds(), 5.0, 0.06) << name;  // ADPCM fills its last block
    EXPECT_TRUE(cut.cut_short) << name;
    EXPECT_LT(cut.seconds(), 3.3) << name;
    EXPECT_GT(cut.seconds(), 1.9) << name;  // a page of Opus lasts a second
    ASSERT_EQ(notes_of(cut).size(), 1U) << name;
    EXPECT_TRUE(notes_of(cut)[0].starts_with("cut short: ")) << name;
  }
}

TEST_F(Hearing, SizesThatSayNothingAreReadToTheEnd) {
  std::string wav = sound(AudioFormat::wav, 2);
  const std::size_t data = wav.find("data") + 4;
  for (const char byte : {'\0', '\xFF'}) {
    wav.replace(4, 4, std::string(4, byte));
    wav.replace(data, 4, std::string(4, byte));
    const Audio audio = heard(wav, "streamed.wav");
    EXPECT_EQ(audio.seconds(), 2.0);
    EXPECT_FALSE(audio.cut_short);
  }
  std::string au = sound(AudioFormat::au, 2);
  au.replace(8, 4, std::string(4, '\xFF'));
  EXPECT_EQ(heard(au, "streamed.au").seconds(), 2.0);
  EXPECT_TRUE(heard(wav.substr(0, data) + std::string(4, '\0'), "empty.wav").samples.empty());
}

TEST_F(Hearing, SoundThatIsNoneIsNamed) {
  std::vector<float> opposite, half, quiet(48000, 0.0F), loud = tone(440, 24000, 1, 20000);
  for (const float x : tone(440, 24000, 1)) {
    opposite.insert(opposite.end(), {x, -x});
    half.insert(half.end(), {x, 0.0F});
  }
  const int wav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  const auto problem = [&](const std::vector<float>& samples, int channels) {
    const auto flaws = flaws_of(heard(written(wav, samples, channels), "x.wav"));
    return flaws.empty() ? std::string("none") : name_of(flaws[0].problem);
  };
  EXPECT_EQ(problem(opposite, 2), "cancelled");
  EXPECT_EQ(problem(half, 2), "none");
  EXPECT_EQ(problem(quiet, 2), "silent");
  EXPECT_EQ(problem(loud, 1), "too loud");
  quiet[7] = NAN;
  EXPECT_EQ(problem(quiet, 1), "silent");  // and not finite, behind it

  write_bytes(folder_ / "x.wav", written(wav, opposite, 2));
  for (const ChannelMix mix : {ChannelMix::louder, ChannelMix::left, ChannelMix::right}) {
    const Audio audio = read_audio(folder_ / "x.wav", 0, {.mix = mix});
    EXPECT_TRUE(flaws_of(audio).empty());
    EXPECT_EQ(audio.samples[100], mix == ChannelMix::right ? opposite[201] : opposite[200]);
  }
}

}  // namespace
}  // namespace melgrad
