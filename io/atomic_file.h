// AtomicFile: a file that appears whole or not at all. The content is written to a temporary file in the same
// folder; commit() makes it durable (fsync), renames it over the target and makes the rename durable. Until
// then the old file stays as it was, whatever happens to the process. Without commit() the temporary file is
// removed. Of a killed process a file named <target>.<process>-<number>.tmp may stay behind; nothing ever
// reads it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace melgrad {

class AtomicFile {
 public:
  // Creates the temporary file (empty) to find out now, not after hours of work, whether the folder can be
  // written. Throws Error (output). A symbolic link is followed: its target is replaced.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::string& temp_path() const { return temp_; }
  void write(std::string_view content);  // replaces the temporary file's content
  void commit();

 private:
  std::string path_, temp_;
};

// Whether a file's name is one that a killed process may have left.
bool is_left_over(const std::string& name);

void write_file_atomically(const std::string& path, std::string_view content);

// Lets `path` name the file `other` as well, instead of what it named before; a copy where the file system
// has no links or is another. Atomic, but not durable where it copies. Throws Error (output).
void link_or_copy(const std::string& other, const std::string& path);

}  // namespace melgrad
