// Rows of MagnaTagATune's tables as the real ones are written: tabs between, every field in quotes.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/io/fixtures.h"

namespace melgrad::test {

inline bool has(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

inline std::string row(const std::vector<std::string>& fields) {
  return fmt::format("\"{}\"\n", fmt::join(fields, "\"\t\""));
}

inline const std::string kInfoHeader = row({"clip_id", "track_number", "title", "artist", "album", "url",
                                            "segmentStart", "segmentEnd", "original_url", "mp3_path"});

inline std::string info_row(const std::string& id, const std::string& artist,
                            const std::string& album = "An album", const std::string& end = "29") {
  return row({id, "1", "A \"\"title\"\"", artist, album, "http://there", "0", end, "", ""});
}

}  // namespace melgrad::test
