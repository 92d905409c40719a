#include "io/files/text_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a fifo";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

[[noreturn]] void cannot(const std::string& path, const char* what) {
  if (errno == ENOENT) fail(ErrorKind::input, "{}: does not exist; check the path", path);
  fail(ErrorKind::input, "{}: cannot be {} ({})", path, what, system_reason(errno));
}

void expect_regular(const std::string& path, const struct stat& status) {
  if (!S_ISREG(status.st_mode))
    fail(ErrorKind::input, "{}: is {}, not a regular file", path, kind_of(status.st_mode));
}

}  // namespace

RegularFile::RegularFile(const std::filesystem::path& path, std::uint64_t max_bytes) : path_(path.string()) {
  // Once before, as even to open a device can do something; once after, as the name may have changed hands.
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) cannot(path_, "read");
  expect_regular(path_, status);
  file_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file_ < 0) cannot(path_, "opened");
  try {
    if (::fstat(file_, &status) != 0) cannot(path_, "read");
    expect_regular(path_, status);
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (size_ > max_bytes)
      fail(ErrorKind::input, "{}: has {} bytes, more than the {} that are read of such a file", path_, size_,
           max_bytes);
  } catch (...) {
    ::close(file_);
    throw;
  }
}

RegularFile::~RegularFile() { ::close(file_); }

std::size_t RegularFile::read(std::uint64_t at, void* to, std::size_t bytes) const {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t n =
        ::pread(file_, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot(path_, "read");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const RegularFile file(path, max_bytes);
  std::string text(file.size(), '\0');
  text.resize(file.read(0, text.data(), text.size()));
  return text;
}

}  // namespace melgrad
