// What a sweep tries: some keys of a recipe, each with several values; a point has one of each.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/recipes/recipe.h"

namespace melgrad {

// A key and what it may be: `values`, or all from `least` to `most`.
struct SweepKey {
  std::string key, kind;            // as FieldInfo has it
  std::vector<std::string> values;  // empty for a range
  double least = 0, most = 0;
};
using SweepPoint = std::vector<std::string>;  // a value for each key

// "train.rate=1e-3,3e-4" each: values between commas, or of keys whose values are text (train.freeze) each
// with a ; behind it, but the last, where no value has a comma. "train.rate=1e-4..1e-2", for random points:
// from one to the other. Numbers are at their shortest, so that none comes twice. Throws Error (usage) for a
// key that comes twice, is none or cannot differ within a sweep, and for values that are missing, the same or
// not to be told apart.
std::vector<SweepKey> sweep_keys(const std::vector<std::string>& assignments);

// Every combination, the first key slowest. Throws Error (usage) for a range, and for more than kMostPoints.
std::vector<SweepPoint> grid_of(const std::vector<SweepKey>& keys);
// `count` different ones, a function of `seed`: of values each with the same chance; of a range of numbers
// uniformly, or where it is above 0 and spans a factor of ten or more uniformly in the logarithm, with three
// digits; of whole numbers as of numbers, both ends included. Throws Error (usage) where there are not so
// many.
std::vector<SweepPoint> random_points(const std::vector<SweepKey>& keys, std::int64_t count,
                                      std::uint64_t seed);
inline constexpr std::size_t kMostPoints = 100000;

// "train.rate=0.001" each, for set_recipe_fields.
std::vector<std::string> assignments_of(const std::vector<SweepKey>& keys, const SweepPoint& point);
// For run.json: {"train.rate": ["0.001", "0.0003"], "model.dropout": "0.1..0.5"}.
nlohmann::ordered_json as_json(const std::vector<SweepKey>& keys);

}  // namespace melgrad
