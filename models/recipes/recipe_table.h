// The table of a recipe's keys: what each is, may be and means. Whatever reads, checks or prints a recipe
// goes over it; the keys of the features have theirs in kernels/mel.cpp.
#pragma once

#include <limits>

#include "models/recipes/recipe.h"

namespace melgrad {

// What a number can mean or the program can count: steps, bytes and rows are products of these.
struct Range {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  enum class Without { neither, least, most } without = Without::neither;  // an end that is excluded
};

inline constexpr double kCount = 1e9;  // epochs times the steps of 2^31 tracks stay below 2^63
inline constexpr double kLarge = 1e30;
inline constexpr Range kShare = {0, 1}, kNotNegative = {0, kLarge}, kCounted = {0, kCount},
                       kAtLeastOne = {1, kCount}, kBelowOne = {0, 1, Range::Without::most};

struct RecipeKey {
  const char* name;
  const char* meaning;
  const char* unit = "";
  Range range = {};  // of a number
};

// visit(RecipeKey, member) for every key but the features', in the order in which they are printed. R is
// Recipe, const or not.
template <typename R, typename Visit>
void visit_keys(R& r, const Visit& visit) {  // NOLINT(readability-function-size): a table
  using Key = RecipeKey;
  visit(Key{"name", "of the recipe, and of run folders"}, r.name);
  visit(Key{"title", "what the recipe is, in a line"}, r.title);
  visit(Key{"task", "genres: one class a track; tags: any number of them"}, r.task);

  visit(Key{"input.standardise", "bands: each to mean 0 and deviation 1 over the training tracks"},
        r.input.standardise);

  // Of the training input, off by default; the formulas stand at AugmentSettings in kernels/ops.h.
  visit(Key{"augment.gain_db", "largest gain of a segment of samples, either way", "dB", {0, 200}},
        r.augment.gain_db);
  visit(Key{"augment.shift", "largest value added to a segment, either way", "", kNotNegative},
        r.augment.shift);
  visit(Key{"augment.equalise",
            "deviation of a random curve over the bands that is added to a segment: a random equaliser", "",
            kNotNegative},
        r.augment.equalise);
  visit(Key{"augment.equalise_knots", "values the curve runs through, evenly over the bands", "", {1, 1000}},
        r.augment.equalise_knots);
  visit(Key{"augment.tempo", "largest relative change of a segment's tempo, either way", "", kShare},
        r.augment.tempo);
  visit(Key{"augment.band_scale", "largest relative change of its extent over the bands", "", kShare},
        r.augment.band_scale);
  visit(Key{"augment.band_shift", "largest shift over the bands, either way", "bands", kNotNegative},
        r.augment.band_shift);
  visit(Key{"augment.reverse", "probability that a segment runs backwards", "", kShare}, r.augment.reverse);
  visit(Key{"augment.noise", "deviation of normal noise added to each value", "", kNotNegative},
        r.augment.noise);
  visit(Key{"augment.time_masks", "stretches of time of a segment that are set to mask_value", "", {0, 1000}},
        r.augment.time_masks);
  visit(Key{"augment.time_mask", "frames of the longest", "frames", kCounted}, r.augment.time_mask);
  visit(
      Key{"augment.band_masks", "stretches of bands of a segment that are set to mask_value", "", {0, 1000}},
      r.augment.band_masks);
  visit(Key{"augment.band_mask", "bands of the widest", "bands", kCounted}, r.augment.band_mask);
  visit(Key{"augment.mask_value", "what masks hold", "", {-kLarge, kLarge}}, r.augment.mask_value);
  visit(Key{"augment.mask_with", "mask_value, or the mean of each band over the training tracks"},
        r.augment.mask_with);
  visit(Key{"augment.mixup", "alpha of mixup's Beta distribution; needs whole batches", "", kShare},
        r.augment.mixup);

  visit(Key{"model.architecture", "the network"}, r.model.architecture);
  visit(Key{"model.filters", "of the first convolution of dong2018", "filters", {1, 4096}}, r.model.filters);
  visit(Key{"model.dropout",
            "share of zeros, of dong2018, resnet-se, modulation and mlp; the others have what was published",
            "", kBelowOne},
        r.model.dropout);
  visit(Key{"model.width",
            "multiplies the channels of the networks but dong2018 and modulation",
            "",
            {0, 64, Range::Without::least}},
        r.model.width);
  visit(Key{"model.pooling", "over time, of the networks that pool over it; own: as published"},
        r.model.pooling);
  visit(
      Key{"model.relative", "hear each band beside what it is above its mean over the segment, of resnet-se"},
      r.model.relative);
  visit(Key{"model.modulation", "hear at which rates the bands rise and fall, too, of resnet-se"},
        r.model.modulation);
  visit(Key{"model.l2_conv", "penalty l2 sum w^2 on convolution kernels of dong2018", "", kNotNegative},
        r.model.l2_conv);
  visit(Key{"model.l2_dense", "penalty l2 sum w^2 on its hidden dense kernels", "", kNotNegative},
        r.model.l2_dense);

  visit(Key{"segment.frames", "frames of a segment", "frames", kAtLeastOne}, r.segment.frames);
  visit(Key{"segment.overlap", "share that a test segment has in common with the next", "", kBelowOne},
        r.segment.overlap);
  visit(Key{"segment.test_crops",
            "test segments of a track, evenly over it; 0: by overlap",
            "segments",
            {0, 1e6}},
        r.segment.test_crops);
  visit(Key{"segment.test_reverse", "hear each test segment backwards too, and take the mean"},
        r.segment.test_reverse);
  visit(Key{"segment.skip_last_start", "neither train nor test on the last possible segment"},
        r.segment.skip_last_start);

  visit(Key{"split.train", "share of the tracks that is trained on; above 0", "", kShare}, r.split.train);
  visit(Key{"split.valid", "share that is validated on", "", kShare}, r.split.valid);
  visit(Key{"split.test", "share that is tested on; all three: at most 1", "", kShare}, r.split.test);
  visit(Key{"split.keep_identical_together", "tracks with identical audio never straddle a split"},
        r.split.keep_identical_together);

  visit(Key{"train.batch", "tracks of a step", "tracks", kAtLeastOne}, r.train.batch);
  visit(Key{"train.shards",
            "parts of a batch, a power of two, that go through the network one by one or on several ranks; "
            "batch norm is over each",
            "", kAtLeastOne},
        r.train.shards);
  visit(Key{"train.own_crop", "a random start for each track; false: one for the batch"}, r.train.own_crop);
  visit(Key{"train.partial_batch", "train on the rest that fills no batch, padded"}, r.train.partial_batch);
  visit(Key{"train.drop_batches", "batches left out at the end of each epoch", "batches", kCounted},
        r.train.drop_batches);
  visit(Key{"train.epochs", "epochs of training, at most", "epochs", kAtLeastOne}, r.train.epochs);
  visit(Key{"train.stop_block", "epochs of a block of the stopping rule; 0: no rule", "epochs", kCounted},
        r.train.stop_block);
  visit(Key{"train.stop_window", "compares mean validation accuracy of a block's first and last epochs",
            "epochs", kAtLeastOne},
        r.train.stop_window);
  visit(Key{"train.stop_change", "stops when they differ by less", "", kNotNegative}, r.train.stop_change);
  visit(Key{"train.patience", "ends after so many epochs without a better validation; 0: never", "epochs",
            kCounted},
        r.train.patience);
  visit(Key{"train.validation", "vote of all segments of a track, or one crop at the last batch's start"},
        r.train.validation);
  visit(Key{"train.validate_every", "epochs from one validation to the next", "epochs", kAtLeastOne},
        r.train.validate_every);
  visit(Key{"train.best_by", "what validation compares: accuracy for genres, the others for tags"},
        r.train.best_by);
  visit(Key{"train.weights", "of the finished model: best on validation, or final"}, r.train.weights);
  visit(Key{"train.tag_weights", "weight of a tag's positives in the loss; balanced: negatives / positives"},
        r.train.tag_weights);
  visit(
      Key{"train.class_weights", "weight of a genre in the loss; balanced: tracks / (classes * its tracks)"},
      r.train.class_weights);
  visit(
      Key{"train.sampling", "order of the tracks; balanced: as many of each genre an epoch, repeated if few"},
      r.train.sampling);
  visit(Key{"train.optimizer", "what updates the weights; adam with weight_decay is AdamW"},
        r.train.optimizer);
  visit(Key{"train.rate", "learning rate", "", kNotNegative}, r.train.rate);
  visit(Key{"train.schedule", "course of the learning rate"}, r.train.schedule);
  visit(Key{"train.decay", "of schedule inverse_time, per step; of schedule step: the factor", "",
            kNotNegative},
        r.train.decay);
  visit(Key{"train.period", "epochs from one step of schedule step to the next", "epochs", kAtLeastOne},
        r.train.period);
  visit(
      Key{"train.final_fraction", "share of the rate that is left at the end of schedule cosine", "", kShare},
      r.train.final_fraction);
  visit(Key{"train.warmup", "steps in which the rate rises to the schedule's", "steps", {0, 1e15}},
        r.train.warmup);
  visit(Key{"train.momentum", "of sgd", "", kShare}, r.train.momentum);
  visit(Key{"train.nesterov", "Nesterov's momentum, of sgd"}, r.train.nesterov);
  visit(Key{"train.beta1", "of adam's mean of the gradient", "", kShare}, r.train.beta1);
  visit(Key{"train.beta2", "of adam's mean of its square", "", kShare}, r.train.beta2);
  visit(Key{"train.rho", "of adadelta's mean squares", "", kShare}, r.train.rho);
  visit(Key{"train.epsilon", "of adam and adadelta", "", kNotNegative}, r.train.epsilon);
  visit(Key{"train.weight_decay", "decoupled, of adam", "", kNotNegative}, r.train.weight_decay);
  visit(Key{"train.l2", "coupled decay of adam and sgd: PyTorch's weight_decay", "", kNotNegative},
        r.train.l2);
  visit(Key{"train.clip_norm", "largest norm of the gradient; 0: any", "", kNotNegative}, r.train.clip_norm);
  visit(
      Key{"train.label_smoothing",
          "share of a target that is spread: of genres over all, of tags between yes and no", "", kBelowOne},
      r.train.label_smoothing);
  visit(Key{"train.teacher", "file of scores, a row a track, that targets are mixed with (distillation)"},
        r.train.teacher);
  visit(Key{"train.teacher_share", "what they have of the targets", "", kShare}, r.train.teacher_share);
  visit(
      Key{"train.average",
          "the weights in use are a running mean: share of the mean that each step keeps; 1: the plain mean; "
          "0: none",
          "", kShare},
      r.train.average);
  visit(Key{"train.average_last", "epochs at the end that the mean is over; 0: all", "epochs", kCounted},
        r.train.average_last);
  visit(Key{"train.on_nan", "a step whose gradient is no number: stop there, or skip it"}, r.train.on_nan);
  visit(Key{"train.plateau_factor", "the rate is multiplied by it after plateau_patience", "", kShare},
        r.train.plateau_factor);
  visit(Key{"train.plateau_patience", "epochs without a better validation; 0: never", "epochs", kCounted},
        r.train.plateau_patience);
  visit(Key{"train.phases", "epochs, optimizer and rate, one after another: \"80 adam 1e-4, 20 sgd 1e-3\""},
        r.train.phases);
  visit(Key{"train.freeze", "patterns of parameters that stay as they are: \"block1.*, front.*\""},
        r.train.freeze);
  visit(Key{"train.rates", "patterns and factors of their learning rate: \"block* 0.1, dense.* 10\""},
        r.train.rates);
}

}  // namespace melgrad
