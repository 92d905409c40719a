// Step: a program of operations (models/training/step.cpp has that of training: forward, loss, backward,
// update) that runs again and again on the same memory.
//
// The first run grows the arena, the second runs on its final block; from then on the arena is sealed and
// every run must issue the same operations on the same addresses. So the third run is recorded, and it and
// all later ones are replayed as a whole (a CUDA graph), where the device can; kernels/decorators/trace.h
// lets a test check on any machine that it could. The program therefore reads nothing back, branches on no
// data, and keeps what changes (rate, counter, batch) in device memory.
#pragma once

#include <functional>

#include "engine/tape.h"

namespace melgrad {

class Step {
 public:
  Step(Device& device, std::function<void(Tape&)> program)
      : device_(&device), arena_(device), tape_(device, arena_), program_(std::move(program)) {}

  void run() {
    if (runs_ == 2) recording_ = device_->record([this] { issue(); });
    if (recording_) {
      recording_->replay();
    } else {
      issue();
    }
    ++runs_;
  }
  std::int64_t step_memory() const { return arena_.high_water(); }  // bytes

 private:
  void issue() {
    tape_.reset(true);
    if (runs_ == 1) arena_.seal();
    program_(tape_);
  }

  Device* device_;
  Arena arena_;
  Tape tape_;
  std::function<void(Tape&)> program_;
  std::int64_t runs_ = 0;
  std::unique_ptr<Recording> recording_;
};

}  // namespace melgrad
