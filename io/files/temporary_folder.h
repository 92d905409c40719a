// A folder of its own for what a command needs only while it runs; removed at the end.
#pragma once

#include <cerrno>
#include <filesystem>
#include <stdlib.h>  // mkdtemp
#include <string>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

class TemporaryFolder {
 public:
  // In $TMPDIR, else /tmp. Throws Error (output).
  TemporaryFolder() {
    std::error_code error;
    path_ = (std::filesystem::temp_directory_path(error) / "melgrad-XXXXXX").string();
    if (error || ::mkdtemp(path_.data()) == nullptr)
      fail(ErrorKind::output, "{}: cannot be created: {}; TMPDIR names another folder", path_,
           error ? error.message() : system_reason(errno));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace melgrad
