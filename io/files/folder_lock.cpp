#include "io/files/folder_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& what, bool shared)
    : file_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (file_ < 0) fail(ErrorKind::output, "{}: cannot be opened ({})", folder.string(), system_reason(errno));
  if (::flock(file_, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(file_);
  fail(ErrorKind::output, "{}: another process is at work on it; wait for that or choose another name", what);
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace melgrad
