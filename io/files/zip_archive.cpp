#include "io/files/zip_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <cstdint>
#include <new>

#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kMaxExpansion = 1032;  // of deflate
constexpr std::size_t kBlock = 1 << 16;

}  // namespace

ZipArchive::ZipArchive(const std::string& path) : path_(path) {
  char magic[4] = {};
  const RegularFile file(path);  // no fifo, no device
  most_ = file.size() > UINT64_MAX / kMaxExpansion ? UINT64_MAX : file.size() * kMaxExpansion;
  if (file.read(0, magic, sizeof magic) < sizeof magic || magic[0] != 'P' || magic[1] != 'K')
    broken("is not a ZIP archive");
  archive_ = archive_read_new();
  if (archive_ == nullptr) throw std::bad_alloc();
  archive_read_support_format_zip_seekable(archive_);
  if (archive_read_open_filename(archive_, path.c_str(), kBlock) != ARCHIVE_OK) {
    const std::string why = said();
    archive_read_free(archive_);
    broken(why);
  }
}

ZipArchive::~ZipArchive() { archive_read_free(archive_); }

std::string ZipArchive::said() const {
  const char* const text = archive_error_string(archive_);
  return std::string("cannot be unpacked: ") + (text != nullptr ? text : "it is damaged");
}

void ZipArchive::broken(const std::string& what) const {
  fail(ErrorKind::input, "{}: {}{}{}", path_, name_, name_.empty() ? "" : " ", what);
}

bool ZipArchive::next() {
  archive_entry* entry = nullptr;
  do {
    name_.clear();
    const int status = archive_read_next_header(archive_, &entry);
    if (status == ARCHIVE_EOF) return false;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) broken(said());
    const char* name = archive_entry_pathname_utf8(entry);
    if (name == nullptr) name = archive_entry_pathname(entry);
    name_ = name != nullptr ? name : "(a name that is no text)";
  } while (archive_entry_filetype(entry) == AE_IFDIR);
  if (archive_entry_is_encrypted(entry) != 0) broken("is encrypted");
  if (archive_entry_size_is_set(entry) == 0 || archive_entry_size(entry) < 0) broken("does not say its size");
  size_ = unread_ = static_cast<std::uint64_t>(archive_entry_size(entry));
  if (size_ > most_) broken("declares more data than the archive can hold");
  return true;
}

void ZipArchive::read(void* to, std::size_t bytes) {
  if (bytes > unread_) broken("is cut short");
  auto* out = static_cast<char*>(to);
  for (std::size_t done = 0; done < bytes;) {
    const la_ssize_t n = archive_read_data(archive_, out + done, bytes - done);
    if (n < 0) broken(said());
    if (n == 0) broken("is shorter than it says");
    done += static_cast<std::size_t>(n);
  }
  unread_ -= bytes;
  char more = 0;
  if (unread_ > 0) return;
  const la_ssize_t end = archive_read_data(archive_, &more, 1);  // which verifies the checksum
  if (end < 0) broken(said());
  if (end > 0) broken("is longer than it says");
}

std::string ZipArchive::read() {
  std::string bytes(size_, '\0');
  read(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace melgrad
