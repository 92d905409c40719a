// What read_audio (io/audio/audio.h) takes and refuses.
#pragma once

#include "kernels/mel.h"

namespace melgrad {

// A file beyond one of these is refused, not cut: half a track would be a silent change of the data.
struct AudioLimits {
  int max_channels = 64;
  int min_sample_rate = 1000;    // Hz, as the file states it
  int max_sample_rate = 384000;  // Hz
  double max_seconds = 7200;
};

struct AudioOptions {
  AudioLimits limits = {};
  ChannelMix mix = ChannelMix::mean;
  bool ffmpeg = false;          // whether the program ffmpeg decodes what else could not be
  double ffmpeg_seconds = 120;  // by the clock, for a file; then it is killed and the file refused
};

}  // namespace melgrad
