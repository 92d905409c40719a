// Libraries by NVIDIA: cuBLASLt, cuDNN, cuFFT. All handles are made here and nowhere else, for the CUDA
// device that is current; plans are kept for the shapes, types and alignments seen, and never thrown away.
#pragma once

#include <cuda_runtime.h>
#include <memory>
#include <string>

#include "kernels/cuda/libraries.h"
#include "kernels/device.h"

namespace melgrad {

// Everything runs on `stream`. The workspace comes from `device`, which must outlive the result. Error
// (device) when there is no GPU or a library does not start.
std::unique_ptr<Libraries> make_nvidia_libraries(Device& device, cudaStream_t stream, Precision precision);

// What Libraries::versions answers; needs no GPU.
std::string nvidia_versions();

}  // namespace melgrad
