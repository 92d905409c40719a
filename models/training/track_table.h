// TrackTable: the spectrograms of all tracks and the segments cut from them.
//
// The table lives on the device if it fits there, and a training step picks and cuts its own batch without
// the host. Otherwise segments are read from where the features are, host memory or a file, and sent as they
// are needed, the next batch while the device works on the last one.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "engine/memory.h"

namespace melgrad {

class TrackTable {
 public:
  struct Track {
    std::int64_t first_row = 0;
    std::int32_t rows = 0;
    std::int32_t label = 0;
  };
  enum class Place { automatic, device, host };

  // Copies rows first, first + 1, ... of the features to host memory.
  using Read = std::function<void(std::int64_t first, std::int64_t count, void* to)>;

  // `read` gives rows of `bands` values of `dtype` (f16 or f32), track after track; it is called for whole
  // tracks while they go to the device, or else for segments as long as the table lives. Automatic: the
  // device, if at least as much again stays free there for the model's work.
  TrackTable(Device& device, Read read, DType dtype, std::int64_t rows, std::int64_t bands,
             std::vector<Track> tracks, Place place = Place::automatic);
  // The same from host memory, which must outlive the table unless it goes to the device.
  TrackTable(Device& device, const void* features, DType dtype, std::int64_t rows, std::int64_t bands,
             std::vector<Track> tracks, Place place = Place::automatic);

  // From device memory [rows, bands], which must outlive the table.
  TrackTable(Device& device, Tensor features, std::vector<Track> tracks);

  const std::vector<Track>& tracks() const { return tracks_; }
  std::int64_t bands() const { return bands_; }
  std::int64_t bytes() const { return rows_in_all_ * bands_ * size_of(dtype_); }
  bool on_device() const { return on_device_; }

  // x [N, frames, bands, 1]: example n = the frames from row first[n] on. Returns before the device is done,
  // and keeps nothing of `first`.
  void cut(const std::vector<std::int64_t>& first, Tensor x) const;

 private:
  void hold(Device& device, Tensor* own);
  void fill(Device& device);

  Device* device_;
  Read read_;
  DType dtype_;
  std::int64_t rows_in_all_, bands_;
  std::vector<Track> tracks_;
  bool on_device_;  // decided before the slab takes memory
  std::optional<Slab> slab_;
  // Batches on their way, used in turn: where each segment begins, then its rows if the table is not on the
  // device.
  mutable std::array<std::unique_ptr<Staging>, 2> staging_;
  mutable std::size_t turn_ = 0;

 public:
  Tensor table;      // [rows, bands]; empty if the table is not on the device
  Tensor first_row;  // i64 [tracks]
  Tensor rows;       // i32 [tracks]
  Tensor labels;     // i32 [tracks]
};

}  // namespace melgrad
