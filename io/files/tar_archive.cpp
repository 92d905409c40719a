#include "io/files/tar_archive.h"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <new>
#include <string_view>

#include "io/files/byte_range.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadAtOnce = 1 << 16;
constexpr std::size_t kMostMembers = 10'000'000;  // as in a folder
constexpr std::int64_t kRecord = 512;

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

ArchivePtr new_archive() {
  ArchivePtr out(archive_read_new());
  if (!out) throw std::bad_alloc();
  return out;
}

std::string said_by(archive* a) {
  const char* const text = archive_error_string(a);
  return text != nullptr ? printable(text) : "it is damaged";
}

bool ends_with_one_of(const fs::path& path, std::initializer_list<std::string_view> ends) {
  std::string name = path.filename().string();
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return name.ends_with(end); });
}

// Names in pax headers are UTF-8, all others the bytes that they are.
std::string name_of_entry(archive_entry* entry) {
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  return name == nullptr ? "" : name;
}

const char* why_no_file(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return "is a link to another member";
  if (archive_entry_filetype(entry) == AE_IFLNK) return "is a link, which is not followed";
  if (archive_entry_filetype(entry) != AE_IFREG) return "is no regular file";
  return archive_entry_sparse_count(entry) > 0 ? "is stored with holes (sparse); pack it without" : nullptr;
}

TarMember member_of(archive* a, archive_entry* entry) {
  TarMember member{name_of_entry(entry), TarMember::Kind::file, archive_filter_bytes(a, 0),
                   archive_entry_size(entry), ""};
  if (archive_entry_filetype(entry) == AE_IFDIR) {
    member.kind = TarMember::Kind::folder;
  } else if (const char* const why = why_no_file(entry); why != nullptr) {
    member.kind = TarMember::Kind::other;
    member.why = why;
  }
  return member;
}

// Whether the archive is ended by its mark, a record of zeros, behind `last`.
bool has_end(const InputFile& file, std::int64_t last) {
  std::array<char, kRecord> record{};
  const std::int64_t at = (last + kRecord - 1) / kRecord * kRecord;
  return file.read(at, record.data(), record.size()) == record.size() &&
         std::all_of(record.begin(), record.end(), [](char c) { return c == '\0'; });
}

}  // namespace

bool is_tar(const fs::path& path) { return ends_with_one_of(path, {".tar"}); }
bool is_packed_tar(const fs::path& path) {
  return ends_with_one_of(
      path, {".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz"});
}

TarListing list_tar(const fs::path& path) {
  const InputFile file(path);  // no fifo, no device
  TarListing out;
  const auto damaged = [&](std::string what) {
    out.damage = std::move(what);
    return out;
  };
  if (file.size() == 0) return damaged("is empty (0 bytes)");
  const ArchivePtr a = new_archive();
  archive_read_support_format_tar(a.get());
  archive_read_set_options(a.get(), "read_concatenated_archives");
  if (archive_read_open_filename(a.get(), path.c_str(), 20 * kRecord) != ARCHIVE_OK)
    return damaged("is no tar archive (" + said_by(a.get()) + ")");
  std::int64_t last = 0;  // where the last member ends
  bool sparse = false;    // it takes another room than it says
  for (archive_entry* entry = nullptr;;) {
    const int status = archive_read_next_header(a.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
      return damaged(fmt::format("is damaged or cut short after {} members, at byte {} of {} ({})",
                                 out.members.size(), last, file.size(), said_by(a.get())));
    TarMember member = member_of(a.get(), entry);
    if (archive_entry_sparse_count(entry) > 0) member.size = 0;  // what it stands for, not what it takes
    const std::int64_t room = file.size() - member.begin;
    if (member.size < 0 || room < 0 || member.size > room)
      return damaged(fmt::format("is cut short: of {} there are {} of {} bytes; whole members before it: {}",
                                 printable(member.name), std::max<std::int64_t>(room, 0), member.size,
                                 out.members.size()));
    sparse = archive_entry_sparse_count(entry) > 0;
    last = member.begin + member.size;
    out.members.push_back(std::move(member));
    if (out.members.size() > kMostMembers)
      return damaged(fmt::format("holds more than {} members; those after them are not read", kMostMembers));
  }
  if (!out.members.empty() && !sparse && !has_end(file, last))
    out.damage = fmt::format("has no end behind its {} members, so it may be cut short", out.members.size());
  return out;
}

std::string unpack_tar(const fs::path& from, const std::string& name, const fs::path& to,
                       const std::function<void()>& stop) {
  const ArchivePtr a = new_archive();
  archive_read_support_filter_gzip(a.get());
  archive_read_support_filter_bzip2(a.get());
  archive_read_support_filter_xz(a.get());
  archive_read_support_filter_zstd(a.get());
  archive_read_support_format_raw(a.get());
  archive_read_support_format_empty(a.get());
  if (!from.empty()) InputFile regular{from};  // no fifo, no device
  archive_entry* entry = nullptr;
  const int opened = from.empty() ? archive_read_open_fd(a.get(), 0, kReadAtOnce)
                                  : archive_read_open_filename(a.get(), from.c_str(), kReadAtOnce);
  if (opened != ARCHIVE_OK) return "cannot be unpacked: " + said_by(a.get());
  const int begun = archive_read_next_header(a.get(), &entry);
  if (begun != ARCHIVE_OK && begun != ARCHIVE_EOF) return "cannot be unpacked: " + said_by(a.get());

  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(to.c_str(), "wbe"), std::fclose);
  const auto failed = [&] {
    fail(ErrorKind::output, "{}: cannot be unpacked to {} ({}); TMPDIR names another folder", name,
         to.parent_path().string(), system_reason(errno));
  };
  if (!file) failed();
  std::string damage;
  while (begun == ARCHIVE_OK) {
    if (stop) stop();
    const void* block = nullptr;
    std::size_t bytes = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(a.get(), &block, &bytes, &offset);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      damage = "cannot be unpacked to its end: " + said_by(a.get());
      break;
    }
    if (std::fwrite(block, 1, bytes, file.get()) != bytes) failed();
  }
  if (std::fflush(file.get()) != 0) failed();
  return damage;
}

}  // namespace melgrad
