// Whatever lies under a name that is to be read: refused in one line, and nothing waits or reads without end.
#include "io/files/text_file.h"

#include <filesystem>
#include <functional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "io/arrays/hdf5.h"
#include "io/arrays/npz.h"
#include "io/arrays/safetensors.h"
#include "io/datasets/csv.h"
#include "io/datasets/split.h"
#include "io/datasets/tsv.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Everything that reads a file which is no audio.
struct Reader {
  const char* name;
  std::function<void(const std::string&)> read;
};
const std::vector<Reader> kReaders = {
    {"text", [](const std::string& path) { read_text_file(path); }},
    {"csv", [](const std::string& path) { read_csv(path); }},
    {"tsv", [](const std::string& path) { TsvReader reader(path); }},
    {"split", [](const std::string& path) { read_split(path, {}); }},
    {"hdf5", [](const std::string& path) { H5File::open(path); }},
    {"npz", [](const std::string& path) { read_npz(path); }},
    {"npy", [](const std::string& path) { read_npy(path); }},
    {"safetensors", [](const std::string& path) { load_safetensors(path); }},
};

TEST(TextFile, IsReadWhole) {
  const Scratch scratch;
  const std::string text("two\r\nlines\0and more", 19);
  write_bytes(scratch / "a", text);
  EXPECT_EQ(read_text_file(scratch / "a"), text);
  EXPECT_EQ(read_text_file(scratch / "a", 19), text);
  fs::create_symlink(scratch / "a", scratch / "link");
  EXPECT_EQ(read_text_file(scratch / "link"), text);
  write_bytes(scratch / "empty", "");
  EXPECT_EQ(read_text_file(scratch / "empty"), "");
}

TEST(TextFile, OnlyARegularFileIsRead) {
  const Scratch scratch;
  ASSERT_EQ(::mkfifo((scratch / "fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  (scratch / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::pair<std::string, const char*> cases[] = {{scratch / "fifo", "is a fifo"},
                                                       {scratch / "socket", "is a socket"},
                                                       {"/dev/zero", "is a device"},
                                                       {"/dev/full", "is a device"},
                                                       {scratch.path(), "is a folder"},
                                                       {scratch / "none", "does not exist"},
                                                       {scratch / "fifo/below", "Not a directory"}};
  for (const Reader& reader : kReaders) {
    for (const auto& [path, expected] : cases) {
      const std::string message = error_of(ErrorKind::input, [&, &name = path] { reader.read(name); });
      EXPECT_TRUE(message.starts_with(path + ": ")) << reader.name << ": " << message;
      EXPECT_NE(message.find(expected), std::string::npos) << reader.name << ": " << message;
    }
  }
  ::close(socket);
}

// A test that reads it would need minutes.
TEST(TextFile, TenSparseGigabytesAreRefusedUnread) {
  const Scratch scratch;
  const std::string path = scratch / "sparse";
  write_bytes(path, "");
  fs::resize_file(path, std::uintmax_t{10} << 30);
  for (const Reader& reader : kReaders) {
    const std::string message = error_of(ErrorKind::input, [&] { reader.read(path); });
    EXPECT_TRUE(message.starts_with(path + ": ")) << reader.name << ": " << message;
  }
  EXPECT_NE(
      error_of(ErrorKind::input, [&] { read_text_file(path); }).find("has 10737418240 bytes, more than"),
      std::string::npos);
}

TEST(TextFile, WhatCannotBeOpenedSaysWhy) {
  const Scratch scratch;
  fs::create_symlink("loop", scratch / "loop");
  EXPECT_NE(error_of(ErrorKind::input, [&] { read_text_file(scratch / "loop"); }).find("symbolic links"),
            std::string::npos);
  EXPECT_NE(
      error_of(ErrorKind::input, [&] { read_text_file(scratch / std::string(300, 'x')); }).find("too long"),
      std::string::npos);
}

}  // namespace
}  // namespace melgrad
