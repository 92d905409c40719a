// CudaOps on the simulator: its kernels run on the CPU, its libraries are plain loops. Slow, and the same
// source. Devices of several threads can join each other (sim_nccl.h).
#pragma once

#include <memory>

#include "kernels/device.h"
#include "tests/sim/simulator.h"

namespace melgrad {

std::unique_ptr<Device> make_sim_device(sim::Order order, Precision precision = Precision::f32);

}  // namespace melgrad
