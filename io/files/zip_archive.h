// A ZIP archive that may come from anywhere, read by libarchive: .npz, a Python wheel, PyTorch's files.
// Checksums are verified, and no entry may declare more than deflate can pack into a file of this size.
#pragma once

#include <cstdint>
#include <string>

struct archive;
struct archive_entry;

namespace melgrad {

class ZipArchive {
 public:
  // Throws Error (input) for what is no ZIP archive.
  explicit ZipArchive(const std::string& path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  // Moves on to the next file in the archive; false at the end.
  bool next();
  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }  // bytes, unpacked
  // The next `bytes` bytes of it; behind the last, its checksum must be right.
  void read(void* to, std::size_t bytes);
  // All of it.
  std::string read();

 private:
  [[noreturn]] void broken(const std::string& what) const;
  std::string said() const;

  std::string path_, name_;
  std::uint64_t size_ = 0, unread_ = 0, most_ = 0;
  archive* archive_ = nullptr;
};

}  // namespace melgrad
