// Files to be read, opened safely whatever lies under their name: a fifo without a writer is not waited for,
// a device is not read without an end, and nothing is read of a file that is larger than what is wanted.
// Errors (input) are one line: the file, what it is or what the system says, what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

namespace melgrad {

// A regular file of at most `max_bytes`, open for reading.
class RegularFile {
 public:
  explicit RegularFile(const std::filesystem::path& path,
                       std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max());
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  std::uint64_t size() const { return size_; }  // when it was opened
  // Up to `bytes` from `at`; how many there were: fewer only at the end of the file.
  std::size_t read(std::uint64_t at, void* to, std::size_t bytes) const;

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

// The whole of it. No text that is read here needs more than the default; a gigabyte of JSON would be parsed
// into several.
std::string read_text_file(const std::filesystem::path& path,
                           std::uint64_t max_bytes = std::uint64_t{1} << 30);

}  // namespace melgrad
