// Tar archives that may come from anywhere, by libarchive: where the members of one lie, so that they can be
// read as files without being unpacked. All formats of tar; headers only are read, what is between is
// skipped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace melgrad {

struct TarMember {
  enum class Kind { file, folder, other };
  std::string name;  // UTF-8 where the archive says so, else its bytes; may be anything
  Kind kind = Kind::file;
  std::int64_t begin = 0, size = 0;  // bytes in the archive
  std::string why;                   // of others: why it is no file, "is a link"
};

struct TarListing {
  std::vector<TarMember> members;  // in their order; of one that is cut off nothing
  std::string damage;              // "" or what is wrong: where it is cut short or cannot be read on
};

// ".tar"; also as compressed: ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2", ...
bool is_tar(const std::filesystem::path& path);
bool is_packed_tar(const std::filesystem::path& path);

// Archives that stand one after the other in the file are one. Throws Error (input) for what is no regular
// file or cannot be opened.
TarListing list_tar(const std::filesystem::path& path);

// Writes what `from` ("" for standard input) holds, unpacked if it is compressed, to the new file `to`;
// `name` is for messages. Returns what is wrong with what was compressed, "" if nothing; what could be
// unpacked is there. Asks `stop` now and then. Throws Error (input), (output) if it cannot be written, and
// what `stop` throws.
std::string unpack_tar(const std::filesystem::path& from, const std::string& name,
                       const std::filesystem::path& to, const std::function<void()>& stop);

}  // namespace melgrad
