// Runs one command line inside the test, the way main() does, and keeps what it printed.
#pragma once

#include <cstdio>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "kernels/error.h"

namespace melgrad::test {

struct Outcome {
  int exit_code = 0;
  std::string out, err;
};

// The subcommand that `add` registers, with its arguments; a leading "--json" and the like are root options.
inline Outcome run_command(Register* add, std::vector<std::string> arguments) {
  Settings settings;
  CommandLine root("");
  root.add_option("--threads", settings.threads, "");
  root.add_flag("--json", settings.json, "");
  add(root, settings);
  Outcome outcome;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  try {
    const CommandLine::Answer answer = root.run(arguments);
    std::fputs(answer.help.c_str(), stdout);
    std::fputs(answer.wrong.c_str(), stderr);
    outcome.exit_code = answer.wrong.empty() ? settings.exit_code : static_cast<int>(ErrorKind::usage);
  } catch (const Error& e) {
    std::fprintf(stderr, "melgrad: %s\n", e.what());
    outcome.exit_code = static_cast<int>(e.kind());
  }
  std::fflush(stdout);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

}  // namespace melgrad::test
