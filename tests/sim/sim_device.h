// CudaOps on the simulator: its kernels run on the CPU, its libraries are plain loops. Slow, and the same
// source.
#pragma once

#include <memory>

#include "kernels/device.h"
#include "tests/sim/simulator.h"

namespace melgrad {

std::unique_ptr<Device> make_sim_device(sim::Order order, Precision precision = Precision::f32);

}  // namespace melgrad
