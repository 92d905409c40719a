// Bodies in kernels/math run on both devices: this is the one place that says how.
#pragma once

#ifdef __CUDACC__
#define MELGRAD_HD __host__ __device__
#else
#define MELGRAD_HD
#endif
