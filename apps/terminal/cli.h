// What every subcommand shares: the options that stand before or after any command, and what they print with
// (apps/terminal/screen.h). The commands themselves are listed in apps/commands.h.
#pragma once

#include <memory>
#include <string>

#include "apps/terminal/screen.h"

namespace melgrad {

class Device;

struct Settings {
  std::string device = "auto";
  std::string precision = "f32";
  int threads = 0;            // 0 = all cores
  bool json = false;          // results for machines on stdout; progress and messages stay on stderr
  bool ffmpeg = false;        // decodes what the libraries do not (io/audio/audio.h)
  bool keep_features = true;  // of folders, in the user's cache (io/arrays/feature_store.h)
  int exit_code = 0;          // a command that ends without an Error may still set one
};

// Beside the exit codes of ErrorKind.
constexpr int kExitProblemsFound =
    6;  // `check` or `verify` found something, `predict` or `extract` skipped files
constexpr int kExitInterrupted = 130;  // Ctrl-C; the state was saved where there is one

// The device that the options name.
std::unique_ptr<Device> open_device(const Settings& settings);

}  // namespace melgrad
