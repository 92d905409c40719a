#include "io/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <regex>
#include <unistd.h>

#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void output_error(const std::string& path, const char* what) {
  fail(ErrorKind::output, "{}: {} ({})", path, what, std::strerror(errno));
}

void sync_path(const std::string& path, int flags, const std::string& shown) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) output_error(shown, "cannot be made durable");
  const bool synced = ::fsync(fd) == 0;
  const int reason = errno;
  ::close(fd);
  errno = reason;
  // Some network and FUSE folders cannot be synchronised at all; the rename is then as durable as they get.
  if (!synced && !((flags & O_DIRECTORY) != 0 && (errno == EINVAL || errno == ENOTSUP))) {
    output_error(shown, "cannot be made durable");
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  static std::atomic<int> counter{0};
  std::error_code error;
  if (fs::is_symlink(path_, error)) path_ = fs::weakly_canonical(path_, error).string();
  const auto status = fs::status(path_, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fail(ErrorKind::output, "{}: exists and is not a regular file; choose another name", path);
  }
  temp_ = fmt::format("{}.{}-{}.tmp", path_, ::getpid(), counter++);
  const int fd = ::open(temp_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) output_error(path, "cannot be created");
  ::close(fd);
}

AtomicFile::~AtomicFile() {
  if (!temp_.empty()) ::unlink(temp_.c_str());
}

void AtomicFile::write(std::string_view content) {
  const int fd = ::open(temp_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) output_error(path_, "cannot be opened");
  for (std::size_t at = 0; at < content.size();) {
    const ssize_t n = ::write(fd, content.data() + at, content.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int reason = errno;
      ::close(fd);
      errno = reason;
      output_error(path_, "cannot be written");
    }
    at += static_cast<std::size_t>(n);
  }
  if (::close(fd) != 0) output_error(path_, "cannot be written");
}

void AtomicFile::commit() {
  sync_path(temp_, O_RDONLY, path_);
  if (::rename(temp_.c_str(), path_.c_str()) != 0)
    output_error(path_, "cannot be renamed from its temporary name");
  temp_.clear();
  const fs::path folder = fs::path(path_).parent_path();
  sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY, path_);
}

bool is_left_over(const std::string& name) {
  static const std::regex pattern(R"(.+\.[0-9]+-[0-9]+\.tmp)");
  return std::regex_match(name, pattern);
}

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void link_or_copy(const std::string& other, const std::string& path) {
  AtomicFile link(path);
  std::error_code error;
  std::filesystem::remove(link.temp_path(), error);
  std::filesystem::create_hard_link(other, link.temp_path(), error);
  if (error) {
    error.clear();
    std::filesystem::copy_file(other, link.temp_path(), error);
  }
  if (error) fail(ErrorKind::output, "{}: cannot be written: {}", path, error.message());
  link.commit();
}

}  // namespace melgrad
