// The audio files that a command is given by name, or by the folders and tar shards that they lie in.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/terminal/cli.h"
#include "io/datasets/walk.h"
#include "io/files/file_part.h"

namespace melgrad {

// Folders are searched, in a fixed order (io/datasets/walk.h), and so are shards (io/datasets/tar_shards.h),
// which are named by their own names. Throws Error (input) for one without audio.
std::vector<FilePart> audio_files(const std::vector<std::string>& inputs, bool ffmpeg,
                                  std::vector<LeftOut>& left_out);
// Says what the folders hold that is not read, and adds it to `results`; of audio of other kinds only how
// much.
void tell_left_out(const std::vector<LeftOut>& left_out, Settings& settings, nlohmann::ordered_json& results);

}  // namespace melgrad
