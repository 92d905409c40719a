// Tar archives as bytes, also such as no program writes.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "io/datasets/dataset.h"
#include "tests/io/fixtures.h"

namespace melgrad::test {

struct TarEntry {
  std::string name, bytes;
  char type = '0';              // of ustar: 0 a file, 1 and 2 links, 3 a device, 5 a folder
  std::string link = "";        // where a link points
  std::string size_field = "";  // instead of the true size, as it stands in the header
};

inline std::string tar_header(const TarEntry& entry) {
  std::string h(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { h.replace(at, text.size(), text); };
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", entry.bytes.size());
  put(0, entry.name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, entry.size_field.empty() ? size : entry.size_field);
  put(136, "00000000000");
  put(148, "        ");
  h[156] = entry.type;
  put(157, entry.link);
  put(257, std::string("ustar\0\x30\x30", 8));
  unsigned sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string(text, 7));
  return h;
}

// `end`: the records of zeros behind the last member.
inline std::string tar_of(const std::vector<TarEntry>& entries, bool end = true) {
  std::string tar;
  for (const TarEntry& entry : entries) {
    tar += tar_header(entry) + entry.bytes;
    tar.resize((tar.size() + 511) / 512 * 512, '\0');
  }
  return tar + std::string(end ? 1024 : 0, '\0');
}

// What is left out, "name: reason", one a line.
inline std::string left_out_of(const DataSet& set) {
  std::string text;
  for (const LeftOut& l : set.skipped) text += l.name + ": " + l.reason + "\n";
  return text;
}

inline void write_shard(const TempFolder& folder, const std::string& name,
                        const std::vector<TarEntry>& entries) {
  write_bytes(folder / name, tar_of(entries));
}

inline std::vector<std::string> names_in(const DataSet& set) {
  std::vector<std::string> names;
  for (const Track& track : set.tracks) names.push_back(track.name);
  return names;
}

}  // namespace melgrad::test
