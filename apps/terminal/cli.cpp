#include "apps/terminal/cli.h"

#include <mutex>

#include "kernels/devices/make_device.h"

namespace melgrad {

std::unique_ptr<Device> open_device(const Settings& settings) {
  static std::once_flag said;  // `auto` falls back to the CPU, but not in silence
  if (settings.device == "auto") {
    std::call_once(said, [] {
      const std::string why = why_auto_takes_cpu();
      if (!why.empty()) say("melgrad: computing on the CPU: {}", why);
    });
  }
  return make_device(settings.device, {settings.threads, precision_of(settings.precision)});
}

}  // namespace melgrad
