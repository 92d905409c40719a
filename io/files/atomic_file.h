// Files that are written.
// AtomicFile: a file that appears whole or not at all. The content is written to a temporary file in the same
// folder; commit() makes it durable (fsync), renames it over the target and makes the rename durable. Until
// then the old file stays as it was, whatever happens to the process. Without commit() the temporary file is
// removed. Of a killed process a file named <target>.<process>-<number>.tmp may stay behind; nothing ever
// reads it, and who next writes the same target removes it.
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
  // The same if nothing has that name yet; else false, and what is there stays.
  bool commit_first();

 private:
  std::string path_, temp_;
  int place_ = -1;  // among the temporary files of this process
  int lock_ = -1;   // open and locked as long as somebody is at work on it
};

// Error (output) if something else than a regular file has that name.
void expect_replaceable(const std::string& path);

// Whether a file's name is one that a killed process may have left.
bool is_left_over(const std::string& name);

void write_file_atomically(const std::string& path, std::string_view content);
// Of several processes that write the same file at once the first; the others get false, and find it whole.
bool write_file_once(const std::string& path, std::string_view content);

// Lets `path` name the file `other` as well, instead of what it named before; a copy where the file system
// has no links or is another. Atomic, but not durable where it copies. Throws Error (output).
void link_or_copy(const std::string& other, const std::string& path);

// Removes the temporary files of this process, which is about to end. For a signal handler: it does nothing
// that is not safe there.
void remove_pending_files() noexcept;

// A log that grows: each piece is there when append() returns. Throws Error (output).
class AppendedFile {
 public:
  explicit AppendedFile(std::string path);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;
  void append(std::string_view bytes);

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace melgrad
