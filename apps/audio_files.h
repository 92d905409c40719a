// The audio files that a command is given by name, or by the folders that they lie in.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/terminal/cli.h"
#include "io/datasets/walk.h"

namespace melgrad {

// Folders are searched, in a fixed order (io/datasets/walk.h). Throws Error (input) for one without audio.
std::vector<std::filesystem::path> audio_files(const std::vector<std::string>& inputs, bool ffmpeg,
                                               std::vector<LeftOut>& left_out);
// Says what the folders hold that is not read, and adds it to `results`; of audio of other kinds only how
// much.
void tell_left_out(const std::vector<LeftOut>& left_out, Settings& settings, nlohmann::ordered_json& results);

}  // namespace melgrad
