#include "io/arrays/npz.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <zlib.h>

#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr std::uint32_t kFull32 = 0xFFFFFFFF;  // "see the zip64 field"
constexpr std::uint64_t kMaxEntries = 4096;
constexpr std::uint64_t kMaxExpansion = 1032;  // of deflate

template <typename T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A file read at given places, every one of them checked against its size.
class Source {
 public:
  explicit Source(const std::string& path) : path_(path), file_(path) {}
  const std::string& path() const { return path_; }
  std::uint64_t size() const { return file_.size(); }
  void read(std::uint64_t at, char* to, std::size_t n) {
    if (n > size() || at > size() - n || file_.read(at, to, n) < n) broken("is cut short");
  }
  std::string read(std::uint64_t at, std::size_t n) {
    if (n > size()) broken("is cut short");
    std::string bytes(n, '\0');
    read(at, bytes.data(), n);
    return bytes;
  }
  [[noreturn]] void broken(const std::string& what) const {
    fail(ErrorKind::input, "{}: {}; it is not a whole .npz or .npy file", path_, what);
  }

 private:
  std::string path_;
  RegularFile file_;
};

struct ZipEntry {
  std::string name;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed = 0, unpacked = 0, offset = 0;  // offset of the local header
};

// ---- ZIP: the directory at the end of the file ------------------------------------------------------------

struct Directory {
  std::uint64_t offset = 0, bytes = 0, entries = 0;
};

Directory find_directory(Source& file) {
  const auto tail_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 65535 + 22));
  const std::uint64_t tail_at = file.size() - tail_bytes;
  const std::string tail = file.read(tail_at, tail_bytes);
  const std::size_t end = tail.rfind("PK\5\6");
  if (end == std::string::npos || tail.size() - end < 22) file.broken("has no ZIP directory");
  const char* record = tail.data() + end;
  Directory d{load<std::uint32_t>(record + 16), load<std::uint32_t>(record + 12),
              load<std::uint16_t>(record + 10)};
  const std::uint64_t record_at = tail_at + end;
  if (record_at >= 20) {
    const std::string locator = file.read(record_at - 20, 20);
    if (locator.starts_with("PK\6\7")) {
      const std::string wide = file.read(load<std::uint64_t>(locator.data() + 8), 56);
      if (!wide.starts_with("PK\6\6")) file.broken("has a damaged ZIP64 directory");
      d = {load<std::uint64_t>(wide.data() + 48), load<std::uint64_t>(wide.data() + 40),
           load<std::uint64_t>(wide.data() + 32)};
    }
  }
  if (d.entries > kMaxEntries) file.broken("has too many arrays");
  if (d.bytes > d.entries * (46 + 3 * 65535) || d.bytes > file.size())
    file.broken("has a damaged ZIP directory");
  return d;
}

// The zip64 field holds, in this order, those sizes that did not fit 32 bits.
void apply_zip64(const Source& file, std::string_view extra, ZipEntry& e) {
  while (extra.size() >= 4) {
    const auto id = load<std::uint16_t>(extra.data()), bytes = load<std::uint16_t>(extra.data() + 2);
    if (bytes > extra.size() - 4) file.broken("has a damaged ZIP directory");
    std::string_view field = extra.substr(4, bytes);
    extra.remove_prefix(4U + bytes);
    if (id != 1) continue;
    for (std::uint64_t* value : {&e.unpacked, &e.packed, &e.offset}) {
      if (*value != kFull32) continue;
      if (field.size() < 8) file.broken("has a damaged ZIP64 field");
      *value = load<std::uint64_t>(field.data());
      field.remove_prefix(8);
    }
  }
}

std::vector<ZipEntry> read_directory(Source& file) {
  const Directory d = find_directory(file);
  const std::string table = file.read(d.offset, static_cast<std::size_t>(d.bytes));
  std::vector<ZipEntry> entries;
  for (std::size_t at = 0; entries.size() < d.entries;) {
    if (table.size() - at < 46 || table.compare(at, 4, "PK\1\2") != 0)
      file.broken("has a damaged ZIP directory");
    const char* r = table.data() + at;
    const std::size_t name = load<std::uint16_t>(r + 28), extra = load<std::uint16_t>(r + 30),
                      comment = load<std::uint16_t>(r + 32);
    if (table.size() - at - 46 < name + extra + comment) file.broken("has a damaged ZIP directory");
    ZipEntry e{std::string(r + 46, name),   load<std::uint16_t>(r + 10), load<std::uint32_t>(r + 16),
               load<std::uint32_t>(r + 20), load<std::uint32_t>(r + 24), load<std::uint32_t>(r + 42)};
    if ((load<std::uint16_t>(r + 8) & 1) != 0) file.broken(e.name + " is encrypted");
    apply_zip64(file, std::string_view(r + 46 + name, extra), e);
    at += 46 + name + extra + comment;
    entries.push_back(std::move(e));
  }
  return entries;
}

// ---- ZIP: one entry

// Gives the unpacked bytes of an entry in order; at the end the checksum must be right.
class Unpacker {
 public:
  Unpacker(Source& file, const ZipEntry& entry) : file_(file), entry_(entry), input_(1 << 16) {
    const std::string local = file.read(entry.offset, 30);
    if (!local.starts_with("PK\3\4")) file.broken(entry.name + " has a damaged header");
    at_ = entry.offset + 30 + load<std::uint16_t>(local.data() + 26) + load<std::uint16_t>(local.data() + 28);
    if (entry.packed > file.size() || at_ > file.size() - entry.packed)
      file.broken(entry.name + " is cut short");
    if (entry.method != kStored && entry.method != kDeflated) {
      file.broken(fmt::format("{} is packed by method {}, not stored or deflated", entry.name, entry.method));
    }
    const bool deflated = entry.method == kDeflated;
    if (deflated ? entry.unpacked / kMaxExpansion > entry.packed : entry.unpacked != entry.packed) {
      file.broken(entry.name + " declares more data than it holds");
    }
    if (deflated && inflateInit2(&stream_, -MAX_WBITS) != Z_OK) fail(ErrorKind::internal, "zlib: no memory");
    left_ = entry.packed;
    unread_ = entry.unpacked;
  }
  ~Unpacker() {
    if (entry_.method == kDeflated) inflateEnd(&stream_);
  }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  std::uint64_t unread() const { return unread_; }

  void read(void* to, std::size_t n) {
    if (n > unread_) file_.broken(entry_.name + " is shorter than its array");
    auto* out = static_cast<Bytef*>(to);
    for (std::size_t done = 0; done < n;) {
      const std::size_t part = std::min<std::size_t>(n - done, 1 << 20);
      if (entry_.method == kStored) {
        file_.read(at_, reinterpret_cast<char*>(out + done), part);
        at_ += part;
      } else {
        inflate_part(out + done, static_cast<uInt>(part));
      }
      crc_ = crc32(crc_, out + done, static_cast<uInt>(part));
      done += part;
    }
    unread_ -= n;
    if (unread_ == 0 && crc_ != entry_.crc) file_.broken(entry_.name + " is damaged (its checksum differs)");
  }

 private:
  void inflate_part(Bytef* out, uInt n) {
    stream_.next_out = out;
    stream_.avail_out = n;
    while (stream_.avail_out > 0) {
      if (stream_.avail_in == 0 && left_ > 0) {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input_.size()));
        file_.read(at_, input_.data(), part);
        at_ += part;
        left_ -= part;
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(part);
      }
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (stream_.avail_out == 0) return;
      if (status != Z_OK) file_.broken(entry_.name + " is damaged and cannot be unpacked");
    }
  }

  Source& file_;
  const ZipEntry& entry_;
  z_stream stream_{};
  std::vector<char> input_;
  std::uint64_t at_ = 0, left_ = 0, unread_ = 0;
  uLong crc_ = 0;
};

}  // namespace

std::map<std::string, NpyArray> read_npz(const std::string& path, std::int64_t max_bytes) {
  Source file(path);
  if (file.size() < 22 || file.read(0, 2) != "PK") file.broken("is not a ZIP archive");
  std::map<std::string, NpyArray> arrays;
  std::uint64_t total = 0;
  for (const ZipEntry& entry : read_directory(file)) {
    if (!entry.name.ends_with(".npy")) continue;
    total += std::min<std::uint64_t>(entry.unpacked, std::numeric_limits<std::uint64_t>::max() - total);
    if (total > static_cast<std::uint64_t>(max_bytes)) {
      fail(ErrorKind::input, "{}: {} makes it larger than {} bytes, the most that is read", path, entry.name,
           max_bytes);
    }
    Unpacker unpacker(file, entry);
    const std::string name = entry.name.substr(0, entry.name.size() - 4);
    NpyArray array = parse_npy(path + ": " + entry.name, entry.unpacked,
                               [&](void* to, std::size_t n) { unpacker.read(to, n); });
    if (!arrays.emplace(name, std::move(array)).second) file.broken("holds " + entry.name + " twice");
  }
  return arrays;
}

NpyArray read_npy(const std::string& path, std::int64_t max_bytes) {
  Source file(path);
  if (file.size() > static_cast<std::uint64_t>(max_bytes)) {
    fail(ErrorKind::input, "{}: is larger than {} bytes, the most that is read", path, max_bytes);
  }
  std::uint64_t at = 0;
  return parse_npy(path, file.size(), [&](void* to, std::size_t n) {
    file.read(at, static_cast<char*>(to), n);
    at += n;
  });
}

}  // namespace melgrad
