#include "models/recipes/recipe_ranges.h"

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

struct Range {
  const char* key;
  double least, most;
};

constexpr double kCount = 1e9;  // epochs times the steps of 2^31 tracks stay below 2^63
constexpr double kLarge = 1e30;

// Ends that are excluded stand in validate() of recipe.cpp.
constexpr Range kRanges[] = {
    {"augment.gain_db", 0, 200},
    {"augment.shift", 0, kLarge},
    {"augment.noise", 0, kLarge},
    {"augment.time_masks", 0, 1000},
    {"augment.time_mask", 0, kCount},
    {"augment.band_masks", 0, 1000},
    {"augment.band_mask", 0, kCount},
    {"augment.mask_value", -kLarge, kLarge},
    {"augment.mixup", 0, 1},
    {"model.filters", 1, 4096},
    {"model.dropout", 0, 1},
    {"model.width", 0, 64},
    {"model.l2_conv", 0, kLarge},
    {"model.l2_dense", 0, kLarge},
    {"segment.frames", 1, kCount},
    {"segment.overlap", 0, 1},
    {"segment.test_crops", 0, 1e6},
    {"split.train", 0, 1},
    {"split.valid", 0, 1},
    {"split.test", 0, 1},
    {"train.batch", 1, kCount},
    {"train.drop_batches", 0, kCount},
    {"train.epochs", 1, kCount},
    {"train.stop_block", 0, kCount},
    {"train.stop_window", 1, kCount},
    {"train.stop_change", 0, kLarge},
    {"train.patience", 0, kCount},
    {"train.validate_every", 1, kCount},
    {"train.rate", 0, kLarge},
    {"train.decay", 0, kLarge},
    {"train.period", 1, kCount},
    {"train.final_fraction", 0, 1},
    {"train.warmup", 0, 1e15},
    {"train.momentum", 0, 1},
    {"train.beta1", 0, 1},
    {"train.beta2", 0, 1},
    {"train.rho", 0, 1},
    {"train.epsilon", 0, kLarge},
    {"train.weight_decay", 0, kLarge},
    {"train.l2", 0, kLarge},
    {"train.clip_norm", 0, kLarge},
    {"train.plateau_factor", 0, 1},
    {"train.plateau_patience", 0, kCount},
};

}  // namespace

void expect_in_range(const std::string& key, double value, const std::string& text) {
  for (const Range& range : kRanges) {
    if (key != range.key) continue;
    if (!(value >= range.least))
      fail(ErrorKind::usage, "{}: {} must be at least {}", key, text, shortest(range.least));
    if (!(value <= range.most))
      fail(ErrorKind::usage, "{}: {} must be at most {}", key, text,
           range.most >= 1e6 ? fmt::format("{:g}", range.most) : shortest(range.most));
  }
}

}  // namespace melgrad
