#include "kernels/devices/feature_extractor.h"

#include <cstring>

#include "kernels/cpu/log_mel.h"
#include "kernels/error.h"
#include "kernels/ops.h"

namespace melgrad {

class FeatureExtractor::Taken {
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
  Lane& operator*() const { return *lane_; }

 private:
  FeatureExtractor* from_;
  Lane* lane_ = nullptr;
};

FeatureExtractor::FeatureExtractor(Device& device, const MelOptions& options, int clips)
    : device_(&device), tables_(options), kept_(new_lane()) {
  require(clips > 0, "FeatureExtractor: {} clips at once; at least 1", clips);
  for (int clip = 0; !device.is_host() && clip < clips; ++clip) lanes_.push_back(new_lane());
  for (Lane& lane : lanes_) free_.push_back(&lane);
}

Tensor FeatureExtractor::start(Lane& lane, std::span<const float> pcm) {
  const auto samples = static_cast<std::int64_t>(pcm.size());
  const Shape shape = {tables_.frames(samples), tables_.bands()};
  const auto in_bytes = static_cast<std::int64_t>(pcm.size_bytes());
  {
    const std::lock_guard lock(device_mutex_);
    lane.pcm->reserve(in_bytes);
    lane.features->reserve(shape.numel() * size_of(DType::f32));
  }
  const Tensor features(lane.features->device(), shape);
  if (shape.numel() == 0) return features;
  lane.pcm->wait();
  std::memcpy(lane.pcm->host(), pcm.data(), pcm.size_bytes());
  const std::lock_guard lock(device_mutex_);
  lane.pcm->upload(in_bytes);
  device_->ops().log_mel({lane.pcm->device(), {samples}}, tables_, features);
  lane.pcm->used();
  return features;
}

std::vector<float> FeatureExtractor::operator()(std::span<const float> pcm) {
  const auto samples = static_cast<std::int64_t>(pcm.size());
  std::vector<float> out(static_cast<std::size_t>(tables_.frames(samples) * tables_.bands()));
  if (out.empty()) return out;
  if (device_->is_host()) {
    log_mel(pcm.data(), samples, tables_, out.data(), 1);
    return out;
  }
  const Taken taken(*this);
  Lane& lane = *taken;
  const Tensor features = start(lane, pcm);
  {
    const std::lock_guard lock(device_mutex_);
    lane.features->download(features.bytes());
  }
  lane.features->wait();
  std::memcpy(out.data(), lane.features->host(), out.size() * sizeof(float));
  return out;
}

Tensor FeatureExtractor::on_device(std::span<const float> pcm) {
  if (!device_->is_host()) return start(kept_, pcm);
  const auto samples = static_cast<std::int64_t>(pcm.size());
  const Shape shape = {tables_.frames(samples), tables_.bands()};
  kept_.features->reserve(shape.numel() * size_of(DType::f32));
  const Tensor features(kept_.features->device(), shape);
  if (shape.numel() > 0) log_mel(pcm.data(), samples, tables_, features.f32(), 1);
  return features;
}

}  // namespace melgrad
