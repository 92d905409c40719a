// PCM in host memory to log-mel features in host memory, computed on a device.
#pragma once

#include <span>
#include <vector>

#include "engine/memory.h"
#include "kernels/mel.h"

namespace melgrad {

class FeatureExtractor {
 public:
  FeatureExtractor(Device& device, const MelOptions& options)
      : device_(&device), tables_(options), arena_(device) {}

  const MelTables& tables() const { return tables_; }
  // Mono samples at tables().options.sample_rate -> [frames, bands]. Not for several threads at once.
  std::vector<float> operator()(std::span<const float> pcm) {
    const auto samples = static_cast<std::int64_t>(pcm.size());
    const std::int64_t frames = tables_.frames(samples);
    std::vector<float> out(static_cast<std::size_t>(frames * tables_.bands()));
    if (out.empty()) return out;
    arena_.reset();
    const Tensor x = arena_.take({samples}), y = arena_.take({frames, tables_.bands()});
    device_->to_device(x, pcm.data());
    device_->ops().log_mel(x, tables_, y);
    device_->to_host(out.data(), y);
    return out;
  }

 private:
  Device* device_;
  MelTables tables_;
  Arena arena_;
};

}  // namespace melgrad
