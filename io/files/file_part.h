// What is read as one file: a file, or a range of the bytes of an archive.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace melgrad {

// An archive whose members lie in it as they are.
struct Archive {
  std::filesystem::path file;         // to open
  std::filesystem::path name;         // for messages
  std::shared_ptr<const void> holds;  // what must not go before it: the folder that it was unpacked into
};

struct FilePart {
  FilePart() = default;
  template <std::convertible_to<std::filesystem::path> Path>
  FilePart(const Path& file) : path(file) {}  // implicitly: the whole of it
  FilePart(std::shared_ptr<const Archive> in, const std::filesystem::path& member, std::int64_t from,
           std::int64_t bytes)
      : path(in->name / member), archive(std::move(in)), begin(from), size(bytes) {}

  bool operator==(const FilePart& other) const = default;

  std::string string() const { return path.string(); }
  const std::filesystem::path& file() const { return archive ? archive->file : path; }  // to open

  // Bytes; 0 for what is not there.
  std::uintmax_t bytes() const {
    std::error_code error;
    const std::uintmax_t all =
        archive ? static_cast<std::uintmax_t>(size) : std::filesystem::file_size(path, error);
    return error ? 0 : all;
  }
  bool exists() const {
    std::error_code error;
    return std::filesystem::exists(file(), error);
  }

  std::filesystem::path path;              // what it is called: "shards/0007.tar/blues/a.wav"
  std::shared_ptr<const Archive> archive;  // null: `path` is the file
  std::int64_t begin = 0, size = 0;        // bytes in the archive
};

}  // namespace melgrad
