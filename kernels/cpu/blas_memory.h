// OpenBLAS takes a buffer of address space for each of its threads, some while it is loaded, before main(),
// the others when it is first told or used; where there is no room it asks for ever, at full speed
// (OpenMathLib/OpenBLAS#5289, mended in 0.3.30). So melgrad asks first.
#pragma once

namespace melgrad {

// How many of `wanted` buffers there is room for. Uses nothing that must have been initialised.
int blas_buffers_with_room(int wanted);
// How many OpenBLAS takes while it is loaded, on this machine, with this value of OMP_NUM_THREADS (or null).
int blas_buffers_at_load(const char* omp_num_threads);

// Lets OpenBLAS and OpenMP have `threads` threads and all they need, now. Throws Error (device) if address
// space or threads are short.
void start_blas_threads(int threads);

// The same for who calls OpenBLAS without a device, on its own thread alone; nothing to do beside a device.
void start_blas();

}  // namespace melgrad
