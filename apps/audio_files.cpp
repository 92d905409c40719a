#include "apps/audio_files.h"

#include <nlohmann/json.hpp>

#include "io/files/json.h"
#include "kernels/text.h"

namespace melgrad {

namespace fs = std::filesystem;

std::vector<fs::path> audio_files(const std::vector<std::string>& inputs, bool ffmpeg,
                                  std::vector<LeftOut>& left_out) {
  std::vector<fs::path> files;
  for (const std::string& input : inputs) {
    if (!fs::is_directory(input)) {
      files.emplace_back(input);
      continue;
    }
    Walk found = walk(input, ffmpeg);
    if (found.audio.empty()) {
      const std::string unread = not_read(found.left_out);
      fail(ErrorKind::input, "{}: no audio files in this folder{}", input,
           unread.empty() ? "" : " that are read: " + unread);
    }
    files.insert(files.end(), found.audio.begin(), found.audio.end());
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
