#include "io/datasets/walk.h"

#include <algorithm>

#include "io/audio/audio.h"
#include "io/datasets/csv.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 10'000'000;
constexpr std::size_t kDeepest = 100;

void visit(const fs::directory_entry& entry, const fs::path& root, bool ffmpeg, Walk& found) {
  std::error_code error;
  if (audio_kind(entry.path()) != AudioKind::none && !entry.is_regular_file(error))
    found.left_out.push_back({name_below(entry.path(), root), "is no regular file"});
  else add_file(entry.path(), root, ffmpeg, found);
}

}  // namespace

void add_file(const fs::path& path, const fs::path& root, bool ffmpeg, Walk& found) {
  const AudioKind kind = audio_kind(path);
  if (kind == AudioKind::none) {
    found.others.push_back(path);
  } else if (kind == AudioKind::readable || ffmpeg) {
    found.audio.push_back(path);
  } else {
    const std::string extension = column_key(as_utf8(path.extension().string().substr(1)));
    found.left_out.push_back(
        {name_below(path, root), extension + " is not read: --ffmpeg, or convert it", extension});
  }
}

bool is_hidden(const fs::path& path) {
  static const char* const kLeftBySystems[] = {"__macosx",  "thumbs.db",    "desktop.ini",
                                               "@eadir",    "$recycle.bin", "system volume information",
                                               "lost+found"};
  const std::string name = path.filename().string();
  return name.starts_with('.') || std::find(std::begin(kLeftBySystems), std::end(kLeftBySystems),
                                            column_key(name)) != std::end(kLeftBySystems);
}

Walk walk(const fs::path& root, bool ffmpeg) {
  struct Folder {
    fs::path path;
    std::size_t depth;
  };
  Walk found;
  std::vector<Folder> folders = {{root, 0}};
  while (!folders.empty()) {
    const Folder folder = std::move(folders.back());
    folders.pop_back();
    std::error_code error;
    fs::directory_iterator entry(folder.path, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      if (is_hidden(entry->path())) continue;
      std::error_code of_entry;
      if (!entry->is_directory(of_entry)) visit(*entry, root, ffmpeg, found);
      else if (entry->is_symlink(of_entry))
        found.left_out.push_back({name_below(entry->path(), root), "a link to a folder is not followed"});
      else if (folder.depth == kDeepest)
        found.left_out.push_back(
            {name_below(entry->path(), root), fmt::format("lies more than {} folders deep", kDeepest)});
      else folders.push_back({entry->path(), folder.depth + 1});
    }
    if (found.audio.size() + found.others.size() > kMostFiles)
      fail(ErrorKind::input, "{}: holds more than {} files; give a folder of audio", root.string(),
           kMostFiles);
    if (!error) continue;
    if (folder.depth == 0)
      fail(ErrorKind::input, "{}: {}; check the path and its permissions", root.string(), error.message());
    found.left_out.push_back({name_below(folder.path, root), "cannot be read: " + error.message()});
  }
  std::sort(found.audio.begin(), found.audio.end());
  std::sort(found.others.begin(), found.others.end());
  std::sort(found.left_out.begin(), found.left_out.end(),
            [](const LeftOut& a, const LeftOut& b) { return a.name < b.name; });
  return found;
}

std::vector<fs::path> visible_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root))
    if (!is_hidden(entry.path()) && entry.is_directory(error)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::string name_below(const fs::path& file, const fs::path& root) {
  return as_utf8(file.lexically_relative(root).generic_string());
}

std::map<std::string, std::size_t> kinds_not_read(const std::vector<LeftOut>& left_out) {
  std::map<std::string, std::size_t> kinds;
  for (const LeftOut& l : left_out)
    if (!l.kind.empty()) ++kinds[l.kind];
  return kinds;
}

std::string not_read(const std::vector<LeftOut>& left_out) {
  const auto kinds = kinds_not_read(left_out);
  std::size_t files = 0;
  std::string text;
  for (const auto& [kind, n] : kinds) {
    text += fmt::format("{}{} {}",
                        text.empty()                    ? ""
                        : kind == kinds.rbegin()->first ? " and "
                                                        : ", ",
                        n, kind);
    files += n;
  }
  if (files == 0) return "";
  return text + (files == 1 ? " file is not read: --ffmpeg, or convert it"
                            : " files are not read: --ffmpeg, or convert them");
}

}  // namespace melgrad
