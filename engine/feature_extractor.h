// PCM in host memory to log-mel features in host memory, computed on a device.
//
// Several threads may call at once, each with a clip of its own. On a GPU one clip is computed while the next
// is copied there and the last one back; memory for the computation in between does not grow with the clip.
// On the CPU each caller computes its own clip on its own thread, in place; the bits are the same for any
// number of threads.
#pragma once

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <span>
#include <vector>

#include "engine/memory.h"
#include "kernels/cpu/log_mel.h"
#include "kernels/mel.h"

namespace melgrad {

class FeatureExtractor {
 public:
  // At most `clips` are under way at once; further callers wait.
  FeatureExtractor(Device& device, const MelOptions& options, int clips = 3)
      : device_(&device),
        tables_(options),
        on_cpu_(device.name() == "cpu"),
        lanes_(static_cast<std::size_t>(on_cpu_ ? 0 : clips)) {
    for (Lane& lane : lanes_) {
      lane.pcm = device.make_staging();
      lane.features = device.make_staging();
      free_.push_back(&lane);
    }
  }

  const MelTables& tables() const { return tables_; }

  // Mono samples at tables().options.sample_rate -> [frames, bands]
  std::vector<float> operator()(std::span<const float> pcm) {
    const auto samples = static_cast<std::int64_t>(pcm.size());
    const std::int64_t frames = tables_.frames(samples);
    std::vector<float> out(static_cast<std::size_t>(frames * tables_.bands()));
    if (out.empty()) return out;
    if (on_cpu_) {
      log_mel(pcm.data(), samples, tables_, out.data(), 1);
      return out;
    }
    const Taken lane(*this);
    const auto in_bytes = static_cast<std::int64_t>(pcm.size_bytes()),
               out_bytes = static_cast<std::int64_t>(out.size() * sizeof(float));
    {
      const std::lock_guard lock(device_mutex_);
      lane->pcm->reserve(in_bytes);
      lane->features->reserve(out_bytes);
    }
    std::memcpy(lane->pcm->host(), pcm.data(), pcm.size_bytes());
    {
      const std::lock_guard lock(device_mutex_);
      lane->pcm->upload(in_bytes);
      device_->ops().log_mel({lane->pcm->device(), {samples}}, tables_,
                             Tensor(lane->features->device(), {frames, tables_.bands()}));
      lane->features->download(out_bytes);
    }
    lane->features->wait();
    std::memcpy(out.data(), lane->features->host(), out.size() * sizeof(float));
    return out;
  }

 private:
  struct Lane {
    std::unique_ptr<Staging> pcm, features;
  };

  // A lane for the length of one call.
  class Taken {
   public:
    explicit Taken(FeatureExtractor& from) : from_(&from) {
      std::unique_lock lock(from.lanes_mutex_);
      from.lane_free_.wait(lock, [&] { return !from.free_.empty(); });
      lane_ = from.free_.back();
      from.free_.pop_back();
    }
    ~Taken() {
      const std::lock_guard lock(from_->lanes_mutex_);
      from_->free_.push_back(lane_);
      from_->lane_free_.notify_one();
    }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;
    Lane* operator->() const { return lane_; }

   private:
    FeatureExtractor* from_;
    Lane* lane_ = nullptr;
  };

  Device* device_;
  MelTables tables_;
  bool on_cpu_;
  std::vector<Lane> lanes_;
  std::vector<Lane*> free_;
  std::mutex lanes_mutex_, device_mutex_;  // of free_; of the device, which takes one caller at a time
  std::condition_variable lane_free_;
};

}  // namespace melgrad
