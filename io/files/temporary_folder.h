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
  TemporaryFolder() : path_(pattern()) {
    if (::mkdtemp(path_.data()) == nullptr)
      fail(ErrorKind::output, "{}: cannot be created: {}; TMPDIR names another folder", path_,
           system_reason(errno));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  static std::string pattern() {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
    if (error) fail(ErrorKind::output, "TMPDIR: names no folder: {}", error.message());
    return (folder / "melgrad-XXXXXX").string();
  }

  std::string path_;
};

}  // namespace melgrad
