// melgrad info: what this binary is and what it runs on.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/processes/launch.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/training/train.h"
#include "kernels/devices/make_device.h"

namespace melgrad {
namespace {

void info(const Settings& settings) {
  const auto device = open_device(settings);
  if (settings.json) {
    const nlohmann::json out = {{"version", MELGRAD_VERSION},
                                {"device", device->name()},
                                {"description", device->description()},
                                {"cuda", cuda_report()},
                                {"ranks", launch_report()}};
    print_json(out);
    return;
  }
  print("melgrad {}\n{:8} {}\n{:8} {}\n{:8} {}\n", MELGRAD_VERSION, device->name(), device->description(),
        "CUDA", cuda_report(), "ranks", launch_report());
}

}  // namespace

void register_info(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("info", "version, device and libraries");
  command->callback([&settings] { info(settings); });
}

}  // namespace melgrad
