#include "models/training/track_table.h"

#include <cstring>

#include "kernels/ops.h"

namespace melgrad {
namespace {

bool goes_to_device(const Device& device, std::int64_t bytes, TrackTable::Place place) {
  if (place != TrackTable::Place::automatic) return place == TrackTable::Place::device;
  return bytes <= device.free_memory() / 2;
}

template <typename Value, typename Field>
void send(Device& device, Tensor to, const std::vector<TrackTable::Track>& tracks, Field field) {
  std::vector<Value> host;
  for (const auto& track : tracks) host.push_back(track.*field);
  device.to_device(to, host.data());
}

}  // namespace

TrackTable::TrackTable(Device& device, const void* features, DType dtype, std::int64_t rows_in_all,
                       std::int64_t bands, std::vector<Track> tracks, Place place)
    : TrackTable(
          device,
          [from = static_cast<const char*>(features), row = bands * size_of(dtype)](
              std::int64_t first, std::int64_t count, void* to) {
            std::memcpy(to, from + first * row, static_cast<std::size_t>(count * row));
          },
          dtype, rows_in_all, bands, std::move(tracks), place) {}

TrackTable::TrackTable(Device& device, Read read, DType dtype, std::int64_t rows_in_all, std::int64_t bands,
                       std::vector<Track> tracks, Place place)
    : device_(&device),
      read_(std::move(read)),
      dtype_(dtype),
      rows_in_all_(rows_in_all),
      bands_(bands),
      tracks_(std::move(tracks)),
      on_device_(goes_to_device(device, bytes(), place)) {
  hold(device, on_device_ ? &table : nullptr);
  if (!on_device_) return;
  fill(device);
  read_ = nullptr;
}

TrackTable::TrackTable(Device& device, Tensor features, std::vector<Track> tracks)
    : device_(&device),
      dtype_(features.dtype),
      rows_in_all_(features.dim(0)),
      bands_(features.dim(1)),
      tracks_(std::move(tracks)),
      on_device_(true),
      table(features) {
  hold(device, nullptr);
}

// Memory for what describes the tracks, and for the features if the table has its own.
void TrackTable::hold(Device& device, Tensor* own) {
  const auto n = static_cast<std::int64_t>(tracks_.size());
  std::vector<Slab::Part> parts = {
      {&first_row, {n}, DType::i64}, {&rows, {n}, DType::i32}, {&labels, {n}, DType::i32}};
  if (own != nullptr) parts.push_back({own, {rows_in_all_, bands_}, dtype_});
  slab_.emplace(device, parts);
  send<std::int64_t>(device, first_row, tracks_, &Track::first_row);
  send<std::int32_t>(device, rows, tracks_, &Track::rows);
  send<std::int32_t>(device, labels, tracks_, &Track::label);
  for (auto& staging : staging_) staging = device.make_staging();
}

// Track by track, so that no second copy of them all is ever in host memory.
void TrackTable::fill(Device& device) {
  std::vector<char> track;
  for (const Track& t : tracks_) {
    const std::int64_t row = bands_ * size_of(dtype_);
    track.resize(static_cast<std::size_t>(t.rows * row));
    read_(t.first_row, t.rows, track.data());
    device.to_device({static_cast<char*>(table.data) + t.first_row * row, {t.rows, bands_}, dtype_},
                     track.data());
  }
}

void TrackTable::cut(const std::vector<std::int64_t>& first, Tensor x) const {
  const auto n = static_cast<std::int64_t>(first.size());
  const std::int64_t frames = x.dim(1), segment = frames * bands_ * size_of(dtype_);
  const std::int64_t index_bytes = aligned_bytes(n * 8),
                     total = index_bytes + (on_device() ? 0 : n * segment);
  Staging& staging = *staging_[turn_++ % staging_.size()];
  staging.wait();
  staging.reserve(total);

  auto* index = static_cast<std::int64_t*>(staging.host());
  auto* segments = static_cast<char*>(staging.host()) + index_bytes;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t row = first[static_cast<std::size_t>(i)];
    require(row >= 0 && row + frames <= rows_in_all_, "cut: {} rows from {} of {}", frames, row,
            rows_in_all_);
    index[i] = on_device() ? row : i * frames;
    if (on_device()) continue;
    read_(row, frames, segments + i * segment);
  }
  staging.upload(total);
  const Tensor sent(static_cast<char*>(staging.device()) + index_bytes, {n * frames, bands_}, dtype_);
  device_->ops().gather_segments(on_device() ? table : sent, {staging.device(), {n}, DType::i64}, x);
  staging.used();
}

}  // namespace melgrad
