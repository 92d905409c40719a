// What every subcommand shares: the options that stand before or after any command, the list of commands, and
// what they print with (apps/screen.h).
// A subcommand lives in apps/<name>.cpp, which defines register_<name>: it adds its CLI11 subcommand to
// `root` and sets a callback that does the work. Failures are thrown as Error; `main` turns them into one
// line on stderr and the documented exit code (kernels/error.h).
#pragma once

#include <CLI/CLI.hpp>
#include <set>
#include <string>

#include "apps/screen.h"

namespace melgrad {

struct Settings {
  std::string device = "auto";
  std::string precision = "f32";
  int threads = 0;            // 0 = all cores
  bool json = false;          // results for machines on stdout; progress and messages stay on stderr
  bool keep_features = true;  // of folders, in the user's cache (io/feature_store.h)
  int exit_code = 0;          // a command that ends without an Error may still set one
};

// Beside the exit codes of ErrorKind.
constexpr int kExitProblemsFound =
    6;  // `check` or `verify` found something, `predict` or `extract` skipped files
constexpr int kExitInterrupted = 130;  // Ctrl-C; the state was saved where there is one

// What goes on takes all else from its folder: refuses `resume` beside every other option that `command` has
// so far, `besides` apart.
inline void goes_alone(CLI::App& command, CLI::Option& resume, const std::set<std::string>& besides = {}) {
  for (CLI::Option* option : command.get_options()) {
    if (option != &resume && option != command.get_help_ptr() && !besides.contains(option->get_name()))
      resume.excludes(option);
  }
}

void register_cache(CLI::App& root, Settings& settings);
void register_check(CLI::App& root, Settings& settings);
void register_analyze(CLI::App& root, Settings& settings);
void register_extract(CLI::App& root, Settings& settings);
void register_train(CLI::App& root, Settings& settings);
void register_evaluate(CLI::App& root, Settings& settings);
void register_verify(CLI::App& root, Settings& settings);
void register_export(CLI::App& root, Settings& settings);
void register_predict(CLI::App& root, Settings& settings);
void register_report(CLI::App& root, Settings& settings);
void register_reproduce(CLI::App& root, Settings& settings);
void register_import(CLI::App& root, Settings& settings);
void register_bench(CLI::App& root, Settings& settings);
void register_recipes(CLI::App& root, Settings& settings);
void register_info(CLI::App& root, Settings& settings);
void register_selftest(CLI::App& root, Settings& settings);
void register_synth(CLI::App& root, Settings& settings);

}  // namespace melgrad
