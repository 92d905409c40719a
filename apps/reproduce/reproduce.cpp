// melgrad reproduce: published experiments, end to end.
#include "apps/reproduce/reproduce.h"

namespace melgrad {

void register_reproduce(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("reproduce", "repeat a published experiment");
  command->require_subcommand();
  register_reproduce_dong2018(*command, settings);
  register_reproduce_gtzan(*command, settings);
  register_reproduce_mtat(*command, settings);
}

}  // namespace melgrad
