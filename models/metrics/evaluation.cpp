#include "models/metrics/evaluation.h"

#include <algorithm>
#include <cmath>

#include "io/files/json.h"

namespace melgrad {

double Evaluation::accuracy() const {
  if (tracks.empty()) return 0;
  const auto right =
      std::count_if(tracks.begin(), tracks.end(), [](const Track& t) { return t.label == t.answer; });
  return static_cast<double>(right) / static_cast<double>(tracks.size());
}

std::pair<double, double> wilson_interval(double share, std::size_t count) {
  if (count == 0) return {0, 1};
  constexpr double kZ = 1.959964;
  const auto n = static_cast<double>(count);
  const double centre = share + kZ * kZ / (2 * n), scale = 1 + kZ * kZ / n;
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  // At the ends the two are equal, and what rounding leaves of them is no bound.
  return {share <= 0 ? 0 : (centre - half) / scale, share >= 1 ? 1 : (centre + half) / scale};
}

nlohmann::ordered_json as_json(const Evaluation& result, const std::vector<std::string>& classes,
                               const std::vector<std::string>& names) {
  const auto [low, high] = wilson_interval(result.accuracy(), result.tracks.size());
  nlohmann::ordered_json out = {{"tracks", result.tracks.size()},
                                {"accuracy", result.accuracy()},
                                {"accuracy_interval", {low, high}},
                                {"segment_accuracy", result.segment_accuracy},
                                {"classes", classes},
                                {"confusion", result.confusion}};
  auto& list = out["predictions"] = nlohmann::ordered_json::array();
  for (const auto& track : result.tracks) {
    list.push_back({{"track", names[static_cast<std::size_t>(track.index)]},
                    {"label", classes[static_cast<std::size_t>(track.label)]},
                    {"answer", classes[static_cast<std::size_t>(track.answer)]},
                    {"segments", track.segments},
                    {"probabilities", decimals(track.mean)}});
  }
  return out;
}

}  // namespace melgrad
