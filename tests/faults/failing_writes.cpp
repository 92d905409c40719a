// A library to preload: the Nth call that changes a file under a folder fails, so that a test can let every
// one of a program's writes fail in turn.
//   FAULT_FOLDER  counted are calls on files below it
//   FAULT_AT      N, from 1
//   FAULT_KIND    ENOSPC: no space from then on; EIO: this once; short: this write takes half of its bytes
//   FAULT_HIT     file that is made when it has happened
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <string>
#include <sys/uio.h>
#include <unistd.h>

namespace {

const char* variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

bool below_folder(const char* path) {
  static const std::string folder = variable("FAULT_FOLDER");
  return !folder.empty() && std::strncmp(path, folder.c_str(), folder.size()) == 0;
}

bool below_folder(int file) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t n = ::readlink(link, path, sizeof path - 1);
  if (n <= 0) return false;
  path[n] = '\0';
  return below_folder(path);
}

enum class Fault { none, fails, halves };

Fault next(bool counted) {
  static const long at = std::atol(variable("FAULT_AT"));
  static const std::string kind = variable("FAULT_KIND");
  static std::atomic<long> calls{0};
  if (!counted || at == 0) return Fault::none;
  const long call = ++calls;
  if (call == at) ::close(::open(variable("FAULT_HIT"), O_CREAT | O_WRONLY, 0644));
  if (kind == "short") return call == at ? Fault::halves : Fault::none;
  if (call != at && !(kind == "ENOSPC" && call > at)) return Fault::none;
  errno = kind == "EIO" ? EIO : ENOSPC;
  return Fault::fails;
}

template <typename Call>
Call* real(const char* name) {
  return reinterpret_cast<Call*>(::dlsym(RTLD_NEXT, name));
}

// What takes `size` bytes may take half of them; a call without a size cannot, and goes through.
template <typename Result, typename Work>
Result guarded(bool counted, std::size_t size, Work&& work) {
  switch (next(counted)) {
    case Fault::fails:
      return -1;
    case Fault::halves:
      return work(size > 1 ? size / 2 : size);
    case Fault::none:
      break;
  }
  return work(size);
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  static auto* const call = real<ssize_t(int, const void*, size_t)>("write");
  return guarded<ssize_t>(below_folder(file), size, [&](size_t n) { return call(file, bytes, n); });
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t at) {
  static auto* const call = real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return guarded<ssize_t>(below_folder(file), size, [&](size_t n) { return call(file, bytes, n, at); });
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) { return pwrite64(file, bytes, size, at); }

ssize_t writev(int file, const iovec* parts, int count) {
  static auto* const call = real<ssize_t(int, const iovec*, int)>("writev");
  return guarded<ssize_t>(below_folder(file), static_cast<size_t>(count),
                          [&](size_t n) { return call(file, parts, static_cast<int>(n)); });
}

int fsync(int file) {
  static auto* const call = real<int(int)>("fsync");
  return guarded<int>(below_folder(file), 0, [&](size_t) { return call(file); });
}

int ftruncate64(int file, off64_t size) {
  static auto* const call = real<int(int, off64_t)>("ftruncate64");
  return guarded<int>(below_folder(file), 0, [&](size_t) { return call(file, size); });
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int rename(const char* from, const char* to) {
  static auto* const call = real<int(const char*, const char*)>("rename");
  return guarded<int>(below_folder(to), 0, [&](size_t) { return call(from, to); });
}

int mkdir(const char* path, mode_t mode) {
  static auto* const call = real<int(const char*, mode_t)>("mkdir");
  return guarded<int>(below_folder(path), 0, [&](size_t) { return call(path, mode); });
}

int open64(const char* path, int flags, ...) {
  static auto* const call = real<int(const char*, int, ...)>("open64");
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return guarded<int>((flags & O_CREAT) != 0 && below_folder(path), 0,
                      [&](size_t) { return call(path, flags, mode); });
}

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open64(path, flags, mode);
}

}  // extern "C"
