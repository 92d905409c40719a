// The list of commands. Each lives in a file named after it, in apps/ or at the head of its room, which
// defines register_<name>: it adds its subcommand to `root` and sets a callback that does the work.
// Failures are thrown as Error; `main` turns them into one line on stderr and the documented exit code
// (kernels/error.h).
#pragma once

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"

namespace melgrad {

using Register = void(CommandLine& root, Settings& settings);

Register register_check, register_analyze, register_extract, register_train, register_evaluate,
    register_verify, register_export, register_predict, register_report, register_reproduce, register_bench,
    register_metrics, register_recipes, register_info, register_selftest, register_synth, register_import,
    register_import_weights, register_models, register_embed, register_similar, register_probe,
    register_cache, register_merge, register_sweep, register_crossval;

struct Command {
  const char* name;
  Register* add;
  bool computes_long = false;  // see set_up_libraries in main.cpp
};

// In the order of the help.
inline constexpr Command kCommands[] = {
    {"check", register_check},
    {"analyze", register_analyze},
    {"extract", register_extract, true},
    {"merge", register_merge},
    {"train", register_train, true},
    {"sweep", register_sweep, true},
    {"crossval", register_crossval, true},
    {"evaluate", register_evaluate, true},
    {"verify", register_verify, true},
    {"export", register_export},
    {"predict", register_predict},
    {"embed", register_embed, true},
    {"similar", register_similar},
    {"probe", register_probe, true},
    {"metrics", register_metrics, true},
    {"report", register_report},
    {"reproduce", register_reproduce, true},
    {"bench", register_bench},
    {"recipes", register_recipes},
    {"info", register_info},
    {"selftest", register_selftest, true},
    {"synth", register_synth},
    {"import", register_import},
    {"import-weights", register_import_weights},
    {"models", register_models},
    {"cache", register_cache},
};

}  // namespace melgrad
