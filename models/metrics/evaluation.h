// How often the answers to tracks with one class each are right. The probability vectors of a track's
// segments are summed, the largest sum is the answer.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace melgrad {

struct Evaluation {
  struct Track {
    std::int32_t index = 0;  // into the data set
    std::int32_t label = 0, answer = 0;
    std::vector<float> mean;  // [classes] mean probability over the segments
    std::int64_t segments = 0;
  };
  std::vector<Track> tracks;
  std::vector<std::vector<std::int64_t>> confusion;  // [true][answer] tracks
  double segment_accuracy = 0;

  double accuracy() const;  // of tracks
};

// Wilson's 95 % interval of a share of n; {0, 1} for n = 0.
std::pair<double, double> wilson_interval(double share, std::size_t n);

nlohmann::ordered_json as_json(const Evaluation& result, const std::vector<std::string>& classes,
                               const std::vector<std::string>& names);

}  // namespace melgrad
