// What lies in a folder, the same for every command that is given one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace melgrad {

// A row or file that cannot be used, and why; `name` is a track's or a place in a table.
struct LeftOut {
  std::string name, reason;
  std::string kind = "";  // of audio that only other programs read: its extension, "m4a"
};

struct Walk {
  std::vector<std::filesystem::path> audio, others;  // that can be read; that is no audio by its name; sorted
  std::vector<LeftOut> left_out;                     // named by their paths below the root, as UTF-8
};

// Hidden files and what systems leave in folders: .x, ._x, .DS_Store, __MACOSX, Thumbs.db, ... They are never
// looked at.
bool is_hidden(const std::filesystem::path& path);

// All files below `root`, which may be a link. Links to folders below it are not followed, as they could lead
// in a circle, and listed as left out; so is what is named like audio and is no file, and folders that cannot
// be read. With `ffmpeg` what it can decode is read, too (io/audio/audio.h). Throws Error (input) if `root`
// cannot be read, or holds more than ten million files.
Walk walk(const std::filesystem::path& root, bool ffmpeg = false);
// Adds one file to what was found below `root`, by its name.
void add_file(const std::filesystem::path& path, const std::filesystem::path& root, bool ffmpeg, Walk& found);
// The folders in `root` itself, links to folders too; sorted.
std::vector<std::filesystem::path> visible_folders(const std::filesystem::path& root);

// The path below `root`, with '/' between, as UTF-8.
std::string name_below(const std::filesystem::path& file, const std::filesystem::path& root);

// "m4a" -> 6
std::map<std::string, std::size_t> kinds_not_read(const std::vector<LeftOut>& left_out);
// "6 m4a and 1 wma files are not read: --ffmpeg, or convert them"; "" if nothing was left out for its kind.
std::string not_read(const std::vector<LeftOut>& left_out);

}  // namespace melgrad
