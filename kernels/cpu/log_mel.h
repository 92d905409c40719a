// Log-mel features on the CPU: kernels/mel.h holds the maths. Blocks of kLanes frames run through gather,
// window, FFT, filters and log in one thread's cache; blocks are shared out among the threads.
#pragma once

#include <cstdint>

#include "kernels/mel.h"

namespace melgrad {

// pcm [samples] mono -> out [mel.frames(samples), mel.bands()]. The result is the same to the bit for any
// number of threads, and a frame's values before a clip-wide limit (top_db, whisper) depend on its samples
// alone.
void log_mel(const float* pcm, std::int64_t samples, const MelTables& mel, float* out, int threads);

}  // namespace melgrad
