// PCM in host memory to log-mel features, computed on a device.
//
// Several threads may call at once, each with a clip of its own. On a GPU one clip is computed while the next
// is copied there and the last one back; memory for the computation in between does not grow with the clip.
// On the host itself each caller computes its own clip on its own thread, in place; the bits are the same for
// any number of threads.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/device.h"
#include "kernels/mel.h"

namespace melgrad {

class FeatureExtractor {
 public:
  // At most `clips` (1 or more) are under way at once; further callers wait.
  FeatureExtractor(Device& device, const MelOptions& options, int clips = 3);

  const MelTables& tables() const { return tables_; }

  // Mono samples at tables().options.sample_rate -> [frames, bands] in host memory.
  std::vector<float> operator()(std::span<const float> pcm);
  // The same, left on the device until the next call of this function; for one caller, of whom the device is.
  Tensor on_device(std::span<const float> pcm);

 private:
  struct Lane {
    std::unique_ptr<Staging> pcm, features;
  };
  class Taken;  // a lane for the length of one call

  Lane new_lane() const { return {device_->make_staging(), device_->make_staging()}; }
  // Starts computing; features go to lane.features->device().
  Tensor start(Lane& lane, std::span<const float> pcm);

  Device* device_;
  MelTables tables_;
  std::vector<Lane> lanes_;
  Lane kept_;
  std::vector<Lane*> free_;
  std::mutex lanes_mutex_, device_mutex_;  // of free_; of the device, which takes one caller at a time
  std::condition_variable lane_free_;
};

}  // namespace melgrad
