// What TensorBoard shows of a run while it trains: an event file in the run folder. A record is its length
// (u64), the masked CRC-32C of that, the event and the masked CRC-32C of the event, little endian (TFRecord).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/arrays/checkpoint.h"
#include "io/files/atomic_file.h"

namespace melgrad {

class EventFile {
 public:
  // Events of steps after `step`; those that an earlier file of `folder` has of later steps are void for
  // TensorBoard. Throws Error (output).
  EventFile(const std::string& folder, std::int64_t step);

  void scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);
  // A histogram of each parameter, and the kernels of a convolution of one channel as an image.
  void weights(std::int64_t step, const Checkpoint& model);

 private:
  void write(const std::string& event);

  AppendedFile file_;
};

}  // namespace melgrad
