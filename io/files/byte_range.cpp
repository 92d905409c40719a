#include "io/files/byte_range.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/error.h"

namespace melgrad {

InputFile::InputFile(FilePart part)
    : part_(std::move(part)), file_(::open(part_.file().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (file_ < 0 && (errno == ENOENT || errno == ENOTDIR))
    fail(ErrorKind::input, "{}: no such file; check the path", part_.string());
  if (file_ < 0)
    fail(ErrorKind::input, "{}: cannot be opened ({}); check its permissions", part_.string(),
         std::strerror(errno));
  struct stat about {};
  if (::fstat(file_, &about) != 0 || !S_ISREG(about.st_mode)) {
    ::close(file_);
    fail(ErrorKind::input, "{}: not a regular file; replace the file or take it out of the data set",
         part_.string());
  }
  size_ = about.st_size;
  if (part_.archive) size_ = std::clamp<std::int64_t>(size_ - part_.begin, 0, part_.size);
}

InputFile::~InputFile() { ::close(file_); }

std::size_t InputFile::read(std::int64_t at, void* to, std::size_t bytes) const {
  std::size_t done = 0;
  bytes = std::min(bytes, static_cast<std::size_t>(std::max<std::int64_t>(0, size_ - at)));
  while (done < bytes) {
    const ssize_t n = ::pread(file_, static_cast<char*>(to) + done, bytes - done,
                              part_.begin + at + static_cast<std::int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error_ = errno;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::int64_t ByteRange::seek(std::int64_t offset, int whence) {
  const std::int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? at_ : size();
  if (offset < -from || offset > INT64_MAX / 2 - from) return -1;
  return at_ = from + offset;
}

std::size_t ByteRange::read(void* to, std::size_t bytes) {
  const std::int64_t there = std::max<std::int64_t>(0, size() - at_);
  const auto wanted = std::min(bytes, static_cast<std::size_t>(there));
  const std::int64_t first = begin_ + at_;
  const std::size_t n = wanted == 0 ? 0 : file_->read(first, to, wanted);
  saw_end_ |= n < bytes;
  for (const Patch& patch : patches_) {
    const std::int64_t from = std::max(first, patch.at);
    const std::int64_t until = std::min(first + static_cast<std::int64_t>(n),
                                        patch.at + static_cast<std::int64_t>(patch.bytes.size()));
    if (from < until)
      std::memcpy(static_cast<char*>(to) + (from - first), patch.bytes.data() + (from - patch.at),
                  static_cast<std::size_t>(until - from));
  }
  at_ += static_cast<std::int64_t>(n);
  return n;
}

std::string_view ByteWalker::peek(std::int64_t at, std::size_t count) {
  count = std::min(count, kMost);
  const auto length = static_cast<std::int64_t>(window_.size());
  if (at < begin_ || at + static_cast<std::int64_t>(count) > begin_ + length) {
    window_.resize(4 * kMost);
    window_.resize(file_->read(at, window_.data(), window_.size()));
    begin_ = at;
  }
  const std::string_view all(window_);
  const auto from = static_cast<std::size_t>(at - begin_);
  return from >= all.size() ? std::string_view() : all.substr(from, count);
}

std::uint32_t ByteWalker::u32_be(std::int64_t at) {
  std::array<unsigned char, 4> b{};
  if (at >= begin_ && at + 4 <= begin_ + static_cast<std::int64_t>(window_.size())) {
    std::memcpy(b.data(), window_.data() + (at - begin_), 4);
  } else if (at < 0 || file_->read(at, b.data(), 4) < 4) {
    return 0;
  }
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

}  // namespace melgrad
