#include "kernels/device.h"

#include <chrono>

#include "kernels/error.h"

namespace melgrad {

double Device::seconds_of(const std::function<void()>& work) {
  synchronise();
  const auto begin = std::chrono::steady_clock::now();
  work();
  synchronise();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string Device::meeting_point() {
  fail(ErrorKind::usage, "{}: is no GPU that could join others", name());
}

std::unique_ptr<Communicator> Device::join(const std::string& /*meeting_point*/, int /*rank*/, int /*size*/,
                                           std::function<void(double)> /*waiting*/) {
  fail(ErrorKind::usage, "{}: is no GPU that could join others", name());
}

Precision precision_of(const std::string& name) {
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16}) {
    if (name == name_of(p)) return p;
  }
  fail(ErrorKind::usage, "precision {}: unknown; there are f32, tf32 and bf16", name);
}

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "?";
}

}  // namespace melgrad
