#include "io/files/atomic_file.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <regex>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void output_error(const std::string& path, const char* what) {
  fail(ErrorKind::output, "{}: {} ({})", path, what, system_reason(errno));
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

void write_all(int file, std::string_view content, const std::string& shown) {
  for (std::size_t at = 0; at < content.size();) {
    const ssize_t n = ::write(file, content.data() + at, content.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) output_error(shown, "cannot be written");
    at += static_cast<std::size_t>(n);
  }
}

// ---- temporary files of this process, for remove_pending_files
// ----------------------------------------------

using Name = std::array<char, 4096>;
struct Pending {
  std::atomic<int> state = 0;  // 0 free, 1 being filled in, 2 there
  Name name{};
};
std::array<Pending, 64> g_pending;  // more at a time are possible, and then not removed

// Its place, which nobody else looks at, or -1.
int remember(const std::string& temp) {
  for (std::size_t i = 0; i < g_pending.size(); ++i) {
    Pending& p = g_pending[i];
    int free = 0;
    if (temp.size() >= p.name.size() || !p.state.compare_exchange_strong(free, 1)) continue;
    std::memcpy(p.name.data(), temp.c_str(), temp.size() + 1);
    p.state = 2;
    return static_cast<int>(i);
  }
  return -1;
}

void forget(int place) {
  if (place >= 0) g_pending[static_cast<std::size_t>(place)].state = 0;
}

// Whether the locked file is still the one of that name.
bool is_named(int file, const std::string& path) {
  struct stat open {
  }, named{};
  return ::fstat(file, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_ino == named.st_ino;
}

// What killed processes left of a target: files that nobody holds a lock on.
void remove_left_overs(const fs::path& target) {
  const std::string start = target.filename().string() + ".";
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(start) || !is_left_over(name)) continue;
    const int file = ::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) continue;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(entry->path().c_str());
    ::close(file);
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  static std::atomic<int> counter{0};
  std::error_code error;
  if (fs::is_symlink(path_, error)) path_ = fs::weakly_canonical(path_, error).string();
  expect_replaceable(path);
  remove_left_overs(path_);
  for (;;) {
    temp_ = fmt::format("{}.{}-{}.tmp", path_, ::getpid(), counter++);
    place_ = remember(temp_);  // first, so that no signal comes between
    lock_ = ::open(temp_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    const int reason = errno;
    if (lock_ >= 0) {
      const bool locked = ::flock(lock_, LOCK_EX | LOCK_NB) == 0;
      // A file system without locks has no left-overs removed either.
      if (locked ? is_named(lock_, temp_) : errno != EWOULDBLOCK) break;
      ::close(lock_);  // somebody took it for a left-over before it was locked, and is about to remove it
    }
    forget(place_);
    errno = reason;
    if (lock_ < 0 && reason != EEXIST) output_error(path, "cannot be created");
    // There it is of a process of this number on another machine.
  }
}

AtomicFile::~AtomicFile() {
  if (!temp_.empty()) {
    ::unlink(temp_.c_str());
    forget(place_);
  }
  ::close(lock_);
}

void AtomicFile::write(std::string_view content) {
  if (::ftruncate(lock_, 0) != 0 || ::lseek(lock_, 0, SEEK_SET) != 0)
    output_error(path_, "cannot be written");
  write_all(lock_, content, path_);
}

void AtomicFile::commit() {
  sync_path(temp_, O_RDONLY, path_);
  if (::rename(temp_.c_str(), path_.c_str()) != 0)
    output_error(path_, "cannot be renamed from its temporary name");
  temp_.clear();
  forget(place_);
  const fs::path folder = fs::path(path_).parent_path();
  sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY, path_);
}

bool AtomicFile::commit_first() {
  std::error_code error;
  if (fs::exists(path_, error)) return false;
  sync_path(temp_, O_RDONLY, path_);
  if (::link(temp_.c_str(), path_.c_str()) != 0) {
    if (fs::exists(path_, error)) return false;
    commit();  // a file system without links, where who comes last is the first
    return true;
  }
  const fs::path folder = fs::path(path_).parent_path();
  sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY, path_);
  return true;
}

void expect_replaceable(const std::string& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status))
    fail(ErrorKind::output, "{}: exists and is not a regular file; choose another name", path);
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

bool write_file_once(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  return file.commit_first();
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

void remove_pending_files() noexcept {
  // Twice, for another thread that is about to create one that it has just remembered.
  for (int again = 0; again < 2; ++again) {
    for (const Pending& p : g_pending) {
      if (p.state == 2) ::unlink(p.name.data());
    }
    const timespec moment{0, 2'000'000};
    if (again == 0) ::nanosleep(&moment, nullptr);
  }
}

AppendedFile::AppendedFile(std::string path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
  if (file_ < 0) output_error(path_, "cannot be opened");
}

AppendedFile::~AppendedFile() { ::close(file_); }

void AppendedFile::append(std::string_view bytes) { write_all(file_, bytes, path_); }

}  // namespace melgrad
