// The specification as a device: an Ops on host memory that computes every operation with the loops of
// reference/ and reference/mel.h. Inputs are read as double and results rounded once, when they are stored as
// f32 or bf16. Slow.
#pragma once

#include <memory>

#include "kernels/device.h"

namespace melgrad {

std::unique_ptr<Ops> make_reference_ops();
std::unique_ptr<Device> make_reference_device();

}  // namespace melgrad
