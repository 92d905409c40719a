#include "apps/data/audio_files.h"

#include <nlohmann/json.hpp>

#include "apps/data/data_set.h"
#include "io/datasets/folder.h"
#include "io/datasets/tar_shards.h"
#include "io/files/json.h"
#include "kernels/text.h"

namespace melgrad {

namespace fs = std::filesystem;

namespace {

std::shared_ptr<const TarShards> open_shards(const std::string& data, std::vector<LeftOut>& left_out) {
  auto shards = std::make_shared<const TarShards>(data, stop_opening);
  for (const std::string& note : shards->notes) say("{}", note);
  left_out.insert(left_out.end(), shards->left_out.begin(), shards->left_out.end());
  return shards;
}

}  // namespace

std::vector<FilePart> audio_files(const std::vector<std::string>& inputs, bool ffmpeg,
                                  std::vector<LeftOut>& left_out) {
  std::vector<FilePart> files;
  for (const std::string& input : inputs) {
    const bool shards = names_shards(input);
    if (!shards && !fs::is_directory(input)) {
      files.emplace_back(input);
      continue;
    }
    const Folder folder = shards ? Folder(open_shards(input, left_out)) : Folder(input);
    Walk found = folder.walk(ffmpeg);
    if (found.audio.empty()) {
      const std::string unread = not_read(found.left_out);
      fail(ErrorKind::input, "{}: no audio files in {}{}", input, shards ? "these shards" : "this folder",
           unread.empty() ? "" : " that are read: " + unread);
    }
    for (const fs::path& file : found.audio) files.push_back(folder.file(file));
    for (LeftOut& l : found.left_out) {
      l.name = as_utf8((fs::path(input) / l.name).string());
      left_out.push_back(std::move(l));
    }
  }
  return files;
}

void tell_left_out(const std::vector<LeftOut>& left_out, Settings& settings,
                   nlohmann::ordered_json& results) {
  for (const LeftOut& l : left_out) {
    if (l.kind.empty()) say("skipped: {}: {}", l.name, l.reason);
    if (settings.json) results.push_back({{"file", l.name}, {"error", l.reason}});
    settings.exit_code = kExitProblemsFound;
  }
  if (const std::string unread = not_read(left_out); !unread.empty()) say("{}", unread);
}

}  // namespace melgrad
