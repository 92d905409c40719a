// Files as decoders read them: by position, and as a range with some bytes replaced (sizes in a header that
// say nothing, for one). Reading never throws, since it happens below C libraries: `error` keeps errno.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/files/file_part.h"

namespace melgrad {

// Open for reading; several threads may read. A part of an archive is as a file of its own: it begins at 0.
class InputFile {
 public:
  explicit InputFile(FilePart part);  // throws Error (input)
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return part_.path; }  // what it is called
  const FilePart& part() const { return part_; }
  std::int64_t size() const { return size_; }  // bytes, when it was opened
  // How many of `bytes` bytes from `at` there are; the rest of `to` is left as it was.
  std::size_t read(std::int64_t at, void* to, std::size_t bytes) const;
  int error() const { return error_; }  // errno of a read that failed, else 0

 private:
  FilePart part_;
  int file_ = -1;
  std::int64_t size_ = 0;
  mutable int error_ = 0;
};

struct Patch {
  std::int64_t at = 0;  // from the start of the file
  std::string bytes;
};

// Bytes begin ... end of a file as a stream of their own.
class ByteRange {
 public:
  ByteRange(const InputFile& file, std::int64_t begin, std::int64_t end, std::vector<Patch> patches = {})
      : file_(&file), begin_(begin), end_(end), patches_(std::move(patches)) {}

  std::int64_t size() const { return end_ - begin_; }
  std::int64_t tell() const { return at_; }
  bool saw_end() const { return saw_end_; }  // whether a read asked for more than there was
  // `whence` as in lseek; -1 before the start, and the position is then as it was.
  std::int64_t seek(std::int64_t offset, int whence);
  std::size_t read(void* to, std::size_t bytes);

 private:
  const InputFile* file_;
  std::int64_t begin_, end_, at_ = 0;
  bool saw_end_ = false;
  std::vector<Patch> patches_;
};

// A window on a file for whoever walks through it byte by byte, mostly forwards.
class ByteWalker {
 public:
  explicit ByteWalker(const InputFile& file) : file_(&file) {}

  std::int64_t size() const { return file_->size(); }
  // `count` bytes from `at`, at most kMost; fewer where the file ends. Valid until the next call.
  std::string_view peek(std::int64_t at, std::size_t count);
  // The same for a look far ahead: it leaves the window where it is.
  std::uint32_t u32_be(std::int64_t at);  // 0 beyond the end

  static constexpr std::size_t kMost = 1 << 16;

 private:
  const InputFile* file_;
  std::int64_t begin_ = 0;
  std::string window_;
};

}  // namespace melgrad
