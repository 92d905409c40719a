// What only the program ffmpeg reads: as that program decodes it, where it is installed; and what melgrad
// makes of a program of that name that fails, hangs, says something or is absent.
#include <chrono>
#include <gtest/gtest.h>

#include "io/audio/audio.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TempFolder;
using test::tone;
using test::write_bytes;

class Ffmpeg : public testing::Test {
 protected:
  ~Ffmpeg() override { ::setenv("PATH", path_.c_str(), 1); }

  bool installed() const { return std::system("ffmpeg -version > /dev/null 2>&1") == 0; }
  // A shell script is ffmpeg from here on.
  void pretend(const std::string& script) {
    const fs::path program = folder_ / "bin/ffmpeg";
    fs::create_directories(program.parent_path());
    write_bytes(program, "#!/bin/sh\n" + script + "\n");
    fs::permissions(program, fs::perms::owner_all);
    ::setenv("PATH", (program.parent_path().string() + ":/usr/bin:/bin").c_str(), 1);
  }
  Audio heard(const fs::path& file, double seconds = 60) {
    return read_audio(file, 0, {.ffmpeg = true, .ffmpeg_seconds = seconds});
  }
  std::string refused(double seconds = 60) {
    return error_of(ErrorKind::input, [&] { heard(strange(), seconds); });
  }
  fs::path strange() {
    write_bytes(folder_ / "a.wma", "nothing that a library reads");
    return folder_ / "a.wma";
  }

  TempFolder folder_;
  std::string path_ = std::getenv("PATH");
};

// 0.5 s of silence: the head of an AU file of floats at 8 kHz, and its samples.
const std::string kSilence =
    R"(printf '.snd\000\000\000\030\377\377\377\377\000\000\000\006\000\000\037\100\000\000\000\001'; head -c 16000 /dev/zero)";

TEST_F(Ffmpeg, DecodesWhatTheLibrariesDoNot) {
  if (!installed()) GTEST_SKIP() << "no program ffmpeg";
  write_audio(folder_ / "tone.wav", tone(440, 24000, 2), 24000, AudioFormat::wav);
  const Audio wav = read_audio(folder_ / "tone.wav", 0);
  const auto made = [&](const std::string& codec, const std::string& name) {
    const std::string plain = (folder_ / ("made" + fs::path(name).extension().string())).string();
    const std::string command =
        "ffmpeg -v error -y -i " + (folder_ / "tone.wav").string() + " -c:a " + codec + " " + plain;
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    fs::rename(plain, folder_ / name);
    EXPECT_THROW(read_audio(folder_ / name, 0), Error) << "it was not asked for";
    return heard(folder_ / name);
  };
  EXPECT_EQ(made("pcm_s16le", "a.mkv").samples, wav.samples);
  EXPECT_EQ(made("alac", "-y.mp4").samples, wav.samples);
  EXPECT_EQ(made("pcm_s16le", "it's; $(touch x) \"a\"\n.mkv").samples, wav.samples);
  const Audio lossy = made("aac", "a.m4a");
  EXPECT_EQ(lossy.sample_rate, 24000);
  EXPECT_NEAR(lossy.seconds(), 2, 0.1);
  EXPECT_FALSE(fs::exists("x")) << "a shell saw the name";
}

TEST_F(Ffmpeg, IsNotAskedForWhatTheLibrariesRead) {
  pretend("exit 1");
  write_audio(folder_ / "tone.wav", tone(440, 24000, 0.5), 24000, AudioFormat::wav);
  EXPECT_EQ(heard(folder_ / "tone.wav").file_frames, 12000);
}

TEST_F(Ffmpeg, SaysWhatTheProgramSays) {
  pretend(kSilence);
  EXPECT_EQ(heard(strange()).file_frames, 4000);
  EXPECT_EQ(heard(strange()).complaint, "");
  pretend(kSilence + "; echo '[wma @ 0x55d0] broken packet' >&2");
  EXPECT_EQ(heard(strange()).complaint, "ffmpeg: [wma] broken packet");
  pretend("echo 'Invalid data' >&2; exit 1");
  EXPECT_NE(refused().find("ffmpeg: Invalid data"), std::string::npos);
  pretend("exit 0");
  EXPECT_NE(refused().find("ffmpeg found no sound in it"), std::string::npos);
  pretend(kSilence + "; exit 3");
  EXPECT_NE(refused().find("ffmpeg: failed without a word"), std::string::npos);
}

TEST_F(Ffmpeg, IsStoppedWhenItsTimeIsOver) {
  for (const char* script : {"exec sleep 30", "exec >&-; exec sleep 30", "exec >&- 2>&-; exec sleep 30"}) {
    for (const std::string& before : {std::string(), kSilence + "; "}) {
      pretend(before + script);
      const auto start = std::chrono::steady_clock::now();
      EXPECT_NE(refused(1).find("ffmpeg took more than 1 s"), std::string::npos) << before << script;
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << before << script;
    }
  }
}

TEST_F(Ffmpeg, IsMissed) {
  ::setenv("PATH", folder_.path().c_str(), 1);
  EXPECT_NE(refused().find("ffmpeg cannot be started"), std::string::npos);
}

}  // namespace
}  // namespace melgrad
