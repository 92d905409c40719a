#include "io/audio/audio_sizes.h"

#include <gtest/gtest.h>

#include "io/audio/audio.h"
#include "io/audio/flac_frames.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

using test::TempFolder;
using test::tone;
using test::write_bytes;

std::string with(std::string bytes, std::size_t at, const std::string& other) {
  return bytes.replace(at, other.size(), other);
}

// A chunk of sound of no byte is empty where chunks follow it to the end, and lasts to the end of the file
// where what follows is no chunk.
TEST(AudioSizes, AnEmptyChunkOfSoundIsToldFromOneThatWasStreamed) {
  const TempFolder folder{};
  write_audio(folder / "whole.wav", tone(440, 22050, 1), 22050, AudioFormat::wav);
  const std::string whole = test::read_bytes(folder / "whole.wav"), zero(4, '\0');
  const std::size_t size = whole.find("data") + 4;
  write_bytes(folder / "streamed.wav", with(whole, size, zero));
  write_bytes(folder / "empty.wav",
              with(whole.substr(0, size + 4), size, zero) + "LIST" + std::string("\4\0\0\0INFO", 8));
  EXPECT_TRUE(sound_size(InputFile(folder / "streamed.wav"), 0).streamed);
  EXPECT_EQ(read_audio(folder / "streamed.wav", 0).samples.size(), 22050U);
  EXPECT_FALSE(sound_size(InputFile(folder / "empty.wav"), 0).streamed);
  EXPECT_TRUE(read_audio(folder / "empty.wav", 0).samples.empty());
  // As sox and ffmpeg leave them in a pipe, and one that was cut.
  for (const std::string& stated : {std::string("\0\xF0\xFF\x7F", 4), std::string("\xFF\xFF\xFF\xFF", 4)}) {
    write_bytes(folder / "pipe.wav", with(whole, size, stated));
    const Audio audio = read_audio(folder / "pipe.wav", 0);
    EXPECT_EQ(audio.samples.size(), 22050U);
    EXPECT_FALSE(audio.cut_short);
  }
}

TEST(AudioSizes, AFlacThatWasCutIsToldFromOneThatIsDamaged) {
  const TempFolder folder{};
  write_audio(folder / "a.flac", tone(440, 22050, 3), 22050, AudioFormat::flac);
  const std::string whole = test::read_bytes(folder / "a.flac");
  for (const double part : {0.35, 0.6, 0.98}) {
    write_bytes(folder / "cut.flac",
                whole.substr(0, static_cast<std::size_t>(part * static_cast<double>(whole.size()))));
    const Audio audio = read_audio(folder / "cut.flac", 0);
    EXPECT_TRUE(audio.cut_short) << part;
    EXPECT_DOUBLE_EQ(audio.promised_seconds, 3);
    EXPECT_FALSE(flac_goes_on_after(InputFile(folder / "cut.flac"), audio.file_frames, 3 * 22050));
    std::string damaged = whole;
    for (std::size_t i = 0; i < 40; ++i) damaged[damaged.size() / 3 + i] = '\x55';
    write_bytes(folder / "damaged.flac", damaged);
    test::error_of(ErrorKind::input, [&] { read_audio(folder / "damaged.flac", 0); });
  }
}

}  // namespace
}  // namespace melgrad
