#include "apps/terminal/cli.h"

#include "kernels/devices/make_device.h"

namespace melgrad {

std::unique_ptr<Device> open_device(const Settings& settings) {
  return make_device(settings.device, {settings.threads, precision_of(settings.precision)});
}

}  // namespace melgrad
