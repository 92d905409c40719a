#include "io/arrays/npz.h"

#include <algorithm>
#include <limits>

#include "io/files/text_file.h"
#include "io/files/zip_archive.h"
#include "kernels/error.h"

namespace melgrad {

std::map<std::string, NpyArray> read_npz(const std::string& path, std::int64_t max_bytes) {
  ZipArchive archive(path);
  std::map<std::string, NpyArray> arrays;
  std::uint64_t total = 0;
  while (archive.next()) {
    const std::string& file = archive.name();
    if (!file.ends_with(".npy")) continue;
    total += std::min<std::uint64_t>(archive.size(), std::numeric_limits<std::uint64_t>::max() - total);
    if (total > static_cast<std::uint64_t>(max_bytes)) {
      fail(ErrorKind::input, "{}: {} makes it larger than {} bytes, the most that is read", path, file,
           max_bytes);
    }
    NpyArray array =
        parse_npy(path + ": " + file, archive.size(), [&](void* to, std::size_t n) { archive.read(to, n); });
    if (!arrays.emplace(file.substr(0, file.size() - 4), std::move(array)).second)
      fail(ErrorKind::input, "{}: holds {} twice", path, file);
  }
  return arrays;
}

NpyArray read_npy(const std::string& path, std::int64_t max_bytes) {
  RegularFile file(path);
  if (file.size() > static_cast<std::uint64_t>(max_bytes)) {
    fail(ErrorKind::input, "{}: is larger than {} bytes, the most that is read", path, max_bytes);
  }
  std::uint64_t at = 0;
  return parse_npy(path, file.size(), [&](void* to, std::size_t n) {
    if (file.read(at, static_cast<char*>(to), n) < n) fail(ErrorKind::input, "{}: is cut short", path);
    at += n;
  });
}

}  // namespace melgrad
