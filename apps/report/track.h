// One track as the network hears it (Dong 2018, figure 1): waveform, linear spectrogram and log-mel with one
// segment marked, and the answer of every segment over time.
#pragma once

#include <string>

#include "apps/report/page.h"
#include "apps/report/sections.h"
#include "kernels/device.h"

namespace melgrad {

// Throws Error (input) naming the file or the run, if it has no model for audio.
void add_track(Page& page, const RunGroup& group, Device& device, const std::string& audio);

}  // namespace melgrad
