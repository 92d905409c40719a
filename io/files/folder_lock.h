// One process at a time works in a folder, or several that share it, each in folders of its own below. The
// lock is the kernel's (flock): it ends with the process, however that ends, and leaves nothing behind. File
// systems without such locks do not guard.
#pragma once

#include <filesystem>
#include <string>

namespace melgrad {

class FolderLock {
 public:
  // Throws Error (output): "<what>: another process is at work on it; ..." when it is taken.
  FolderLock(const std::filesystem::path& folder, const std::string& what, bool shared = false);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_;
};

}  // namespace melgrad
