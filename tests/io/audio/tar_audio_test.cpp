// Sound is decoded from a member of a tar as from the file that was packed.
#include <gtest/gtest.h>
#include <map>
#include <sndfile.h>

#include "io/audio/audio.h"
#include "io/datasets/open_data_set.h"
#include "io/files/hash.h"
#include "tests/io/tar_make.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::left_out_of;
using test::TarEntry;
using test::TempFolder;
using test::tone;
using test::write_bytes;
using test::write_shard;

// All that reading a file gives, or the refusal without the file's name.
std::string heard(const FilePart& file, bool ffmpeg) {
  try {
    const Audio a = read_audio(file, 16000, {.ffmpeg = ffmpeg});
    return fmt::format("{} {} {} {} {} {} {} {} {} {}", content_digest(a), a.samples.size(), a.file_rate,
                       a.channels, a.file_frames, a.scrubbed, a.cut_short, a.promised_seconds, a.complaint,
                       a.peak);
  } catch (const Error& e) {
    std::string text = e.what();
    for (std::size_t at; (at = text.find(file.string())) != std::string::npos;)
      text.replace(at, file.string().size(), "FILE");
    return text;
  }
}

// Each file once alone and once among the others, so that whoever reads on finds sound.
void expect_alike(const std::vector<fs::path>& files, const TempFolder& folder, bool ffmpeg) {
  std::vector<TarEntry> entries;
  for (const fs::path& file : files)
    for (const char* twice : {"a/", "b/"})
      entries.push_back({twice + file.filename().string(), test::read_bytes(file)});
  write_shard(folder, "all.tar", entries);
  const DataSet set = open_data_set(folder / "all.tar", {.ffmpeg = true});
  std::map<std::string, FilePart> members;
  for (const Track& track : set.tracks) members.emplace(track.name, track.path);
  ASSERT_EQ(members.size(), entries.size()) << left_out_of(set);
  for (const fs::path& file : files) {
    const FilePart& part = members.at("a/" + file.filename().string());
    EXPECT_EQ(part.bytes(), fs::file_size(file));
    EXPECT_EQ(xxh3_of_file(part), xxh3_of_file(file)) << file;
    EXPECT_EQ(heard(part, ffmpeg), heard(file, ffmpeg)) << file;
  }
}

TEST(TarAudio, EveryFormatIsHeardAsFromAFile) {
  const TempFolder folder{};
  std::vector<fs::path> files;
  const auto samples = tone(440, 48000, 1.5);
  for (const char* name : {"wav", "au", "aiff", "flac", "ogg", "opus", "mp3"}) {
    const fs::path file = folder / ("files/x." + std::string(name));
    write_audio(file, samples, 48000, audio_format(name));
    const std::string bytes = test::read_bytes(file);
    files.push_back(file);
    for (const auto& [what, content] :
         std::map<std::string, std::string>{{"cut", bytes.substr(0, bytes.size() * 2 / 3)},
                                            {"head", bytes.substr(0, 40)},
                                            {"twice", bytes + bytes},
                                            {"none", ""},
                                            {"noise", bytes.substr(0, 600) + test::noise_bytes(3000)}}) {
      files.push_back(folder / fmt::format("files/{}.{}", what, name));
      write_bytes(files.back(), content);
    }
  }
  for (const auto& [name, format] : std::map<std::string, int>{
           {"rf64.wav", SF_FORMAT_RF64}, {"x.w64", SF_FORMAT_W64}, {"x.caf", SF_FORMAT_CAF}}) {
    files.push_back(folder / ("files/" + name));
    SF_INFO info{.frames = 0,
                 .samplerate = 48000,
                 .channels = 2,
                 .format = format | SF_FORMAT_PCM_16,
                 .sections = 0,
                 .seekable = 0};
    SNDFILE* const file = sf_open(files.back().c_str(), SFM_WRITE, &info);
    ASSERT_NE(file, nullptr);
    sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
    sf_close(file);
    const std::string bytes = test::read_bytes(files.back());
    files.push_back(folder / ("files/cut-" + name));
    write_bytes(files.back(), bytes.substr(0, bytes.size() / 2));
  }
  // A size in the header that is none: the sound lasts to the end of the member, and not of the shard.
  std::string streamed = test::read_bytes(folder / "files/x.wav");
  streamed.replace(4, 4, "\xFF\xFF\xFF\xFF").replace(40, 4, "\xFF\xFF\xFF\xFF");
  files.push_back(folder / "files/streamed.wav");
  write_bytes(files.back(), streamed);
  expect_alike(files, folder, false);
  EXPECT_EQ(read_audio(files.back(), 0).file_frames, std::ssize(samples));
}

TEST(TarAudio, WhatFfmpegReadsIsHeardAsFromAFile) {
  if (std::system("ffmpeg -version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no program ffmpeg";
  const TempFolder folder{};
  write_audio(folder / "tone.wav", tone(440, 24000, 1), 24000, AudioFormat::wav);
  std::vector<fs::path> files;
  for (const auto& [name, codec] : std::map<std::string, std::string>{{"a.m4a", "aac"},
                                                                      {"a.mkv", "pcm_s16le"},
                                                                      {"a.wma", "wmav2"},
                                                                      {"a.aac", "aac"},
                                                                      {"a.wv", "wavpack"}}) {
    files.push_back(folder / ("files/" + name));
    const std::string command = "ffmpeg -v error -y -i " + (folder / "tone.wav").string() + " -c:a " + codec +
                                " " + files.back().string();
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  expect_alike(files, folder, true);
  for (const fs::path& file : files)
    EXPECT_NEAR(read_audio(file, 0, {.ffmpeg = true}).seconds(), 1, 0.2) << file;
}

// The odd files that people's collections hold, where they are at hand.
TEST(TarAudio, OddFilesAreHeardAsFromAFile) {
  if (test::shared_data().empty()) GTEST_SKIP() << "no odd audio here";
  const TempFolder folder{};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(test::shared_data() / "odd-audio"))
    if (entry.is_regular_file() && has_audio_extension(entry.path()) && !is_hidden(entry.path()) &&
        entry.file_size() < (1 << 24) && entry.path().filename().string().size() < 90)
      files.push_back(entry.path());
  expect_alike(files, folder, false);
}

}  // namespace
}  // namespace melgrad
