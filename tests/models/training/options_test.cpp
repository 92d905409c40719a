// What a recipe may add to plain training: changes of the input, of the targets, of the weights in use, of
// the test.
#include <algorithm>
#include <cmath>

#include "io/arrays/checkpoint.h"
#include "models/training/model_file.h"
#include "models/training/soft_targets.h"
#include "models/training/task.h"
#include "tests/models/training/fixture.h"

namespace melgrad {
namespace {

// Scores for all tracks: .7 for the class of each, but for one that the teacher is unsure of.
std::string teacher_table() {
  std::string table = "track,class0,class1,class2,class3\n";
  for (int k = 0; k < Training::kTracks; ++k) {
    std::string row = fmt::format("track{},.1,.1,.1,.1", k);
    row.replace(row.find(",") + 1 + static_cast<std::size_t>(k % Training::kClasses) * 3, 2, ".7");
    table += (k == 2 ? "track2,.4,.1,.4,.1" : row) + "\n";
  }
  return table;
}

// What changes the input, the targets and the weights in use: the run is another, goes on to the same bits,
// wherever the features are, and is the same when it is done again.
TEST_F(Training, RecipesOfTodayResumeToTheSameBits) {
  write_bytes(scratch_ / "teacher.csv", teacher_table());
  recipe_.train.partial_batch = false;
  const Checkpoint plain = run(recipe_, nullptr, 0, Hold::device);
  const std::pair<const char*, std::vector<std::string>> options[] = {
      {"tempo",
       {"augment.tempo=0.25", "augment.band_scale=0.1", "augment.band_shift=2", "augment.reverse=0.5"}},
      {"equaliser", {"augment.equalise=0.5", "augment.equalise_knots=3"}},
      {"masks",
       {"augment.time_masks=1", "augment.time_mask=9", "augment.band_masks=2", "augment.band_mask=4",
        "augment.mask_with=mean"}},
      {"mixup", {"augment.mixup=0.4"}},
      {"smoothing", {"train.label_smoothing=0.1"}},
      {"smoothing and weights", {"train.label_smoothing=0.1", "train.class_weights=balanced"}},
      {"average", {"train.average=0.9"}},
      {"average of the last", {"train.average=1", "train.average_last=3"}},
      {"teacher", {"train.teacher=" + (scratch_ / "teacher.csv"), "train.teacher_share=0.7"}},
  };
  for (const auto& [what, set] : options) {
    SCOPED_TRACE(what);
    Recipe recipe = recipe_;
    set_recipe_fields(recipe, set);
    const Checkpoint straight = run(recipe, nullptr, 0, Hold::device);
    EXPECT_NE(straight.arrays, plain.arrays);
    EXPECT_EQ(run(recipe, nullptr, 0, Hold::file).arrays, straight.arrays);
    for (const std::int64_t stop : {1, 12, 14}) {
      const Checkpoint half = run(recipe, nullptr, stop, Hold::device);
      EXPECT_EQ(run(recipe, &half, 0, Hold::device).arrays, straight.arrays) << "stopped after " << stop;
    }
  }
}

// The running mean changes nothing of the training itself, and is the mean of what its steps leave.
TEST_F(Training, TheMeanOfTheWeightsIsTheirMean) {
  recipe_.train.epochs = 3;
  const auto floats = [](const Checkpoint& of, const std::string& name) {
    const auto values = of.arrays.at(name).as<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  std::vector<Checkpoint> steps;
  for (std::int64_t k = 1; k <= 12; ++k) steps.push_back(run(recipe_, nullptr, k));
  Recipe averaged = recipe_;
  averaged.train.average = 1;
  averaged.train.average_last = 2;
  const Checkpoint end = run(averaged, nullptr, 0);
  Recipe forgetting = recipe_;
  forgetting.train.average = 0.75;
  const Checkpoint other = run(forgetting, nullptr, 0);
  for (const char* name : {"conv1.weight", "dense2.bias"}) {
    const std::string param = std::string("param/") + name, average = std::string("average/") + name;
    EXPECT_EQ(floats(end, param), floats(steps.back(), param)) << name;
    const auto mean = floats(end, average), forgot = floats(other, average);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double plain = 0, exponential = 0;
      for (std::size_t k = 0; k < steps.size(); ++k) {
        const double w = static_cast<double>(floats(steps[k], param)[i]);
        if (k >= 4) plain += w / 8;
        exponential += std::max(0.25, 1 / static_cast<double>(k + 1)) * (w - exponential);
      }
      ASSERT_NEAR(static_cast<double>(mean[i]), plain, 1e-6) << name;
      ASSERT_NEAR(static_cast<double>(forgot[i]), exponential, 1e-6) << name;
    }
  }
}

// What is validated, kept and written for use is the mean.
TEST_F(Training, TheMeanIsWhatIsInUse) {
  recipe_.train.average = 0.9;
  const TrainingData data(*device_, path_, recipe_);
  TrainingRun run(*device_, data, data.random_split(recipe_.split, 1), recipe_, 7);
  run.run([](std::int64_t done) { return done != 6; }, [](const TrainingRun::Epoch&) { return true; });
  const Checkpoint state = run.state(), final = run.model(false);
  EXPECT_EQ(final.arrays.at("param/dense2.weight"), state.arrays.at("average/dense2.weight"));
  EXPECT_NE(final.arrays.at("param/dense2.weight"), state.arrays.at("param/dense2.weight"));
  run.run([](std::int64_t done) { return done % 4 != 0; }, [](const TrainingRun::Epoch&) { return true; });
  const Checkpoint validated = run.state();
  const char* in_use = run.best_epoch() == 2 ? "average/dense2.weight" : "best/dense2.weight";
  EXPECT_EQ(validated.arrays.at("best/dense2.weight"), validated.arrays.at(in_use));
  Recipe without = recipe_;
  without.train.average = 0;
  const Checkpoint plain = this->run(without, nullptr, 5);
  EXPECT_EQ(error_of(ErrorKind::input, [&] { this->run(recipe_, &plain, 0); }),
            "state: holds no running mean of the weights: the run began without train.average");
}

// (1 - s) label + s / classes, then (1 - a) of that + a score, for tracks that are trained on alone.
TEST_F(Training, TargetsAreSmoothedAndTaught) {
  write_bytes(scratch_ / "teacher.csv", teacher_table());
  recipe_.train.label_smoothing = 0.2;
  recipe_.train.teacher = scratch_ / "teacher.csv";
  recipe_.train.teacher_share = 0.25;
  const TrainingData data(*device_, path_, recipe_);
  const auto soft = smoothed_targets(data.labels(), kClasses, data.task(), recipe_);
  const auto taught = taught_targets(data, {2, 3}, recipe_);
  const auto row = [](const std::vector<float>& of, std::size_t track) {
    return std::vector<float>(of.begin() + static_cast<std::ptrdiff_t>(track * kClasses),
                              of.begin() + static_cast<std::ptrdiff_t>((track + 1) * kClasses));
  };
  const auto expect = [&](const std::vector<float>& found, const std::vector<double>& wanted) {
    for (std::size_t k = 0; k < kClasses; ++k)
      EXPECT_NEAR(static_cast<double>(found[k]), wanted[k], 1e-6) << k;
  };
  expect(row(soft, 2), {0.05, 0.05, 0.85, 0.05});
  expect(row(taught.targets, 2), {0.1375, 0.0625, 0.7375, 0.0625});  // its scores: .4 .1 .4 .1
  EXPECT_EQ(row(taught.targets, 4), row(soft, 4));
}

TEST_F(Training, TeachersThatDoNotFitAreRefused) {
  const std::string file = scratch_ / "teacher.csv";
  recipe_.train.teacher = file;
  const TrainingData data(*device_, path_, recipe_);
  const auto refusal = [&](const std::string& table) {
    write_bytes(file, table);
    return error_of(ErrorKind::input, [&] { taught_targets(data, {2, 3}, recipe_); }).substr(file.size());
  };
  const std::string head = "track,class0,class1,class2,class3\n", two = "track2,.4,.1,.4,.1\n";
  write_bytes(file, head + two + "other/track3.wav,0,0,0,1\n");
  EXPECT_NO_THROW(taught_targets(data, {2, 3}, recipe_));
  EXPECT_EQ(refusal(head + two), ": train.teacher lacks 1 of 2 training tracks: track3");
  EXPECT_EQ(refusal("track,class0,class1,class2,other\n" + two), ": train.teacher has no column 'class3'");
  EXPECT_EQ(refusal(head + two + "track3,.4,.1,.4,.4\n"),
            ": track 'track3': probabilities add up to 1.300, not to 1");
  EXPECT_EQ(refusal(head + two + "track3,.4,.1,1.4,-.9\n"), ": track 'track3': 1.4 is no probability");
  EXPECT_EQ(refusal(head + two + two), ": track \"track2\" is there twice");
  // Another teacher than the run began with.
  write_bytes(file, teacher_table());
  const Checkpoint half = run(recipe_, nullptr, 5);
  std::string changed = teacher_table();
  changed.replace(changed.find("class0,class1"), 13, "class1,class0");
  write_bytes(file, changed);
  EXPECT_EQ(error_of(ErrorKind::input, [&] { run(recipe_, &half, 0); }),
            file + ": train.teacher says something else than when the run began");
}

TEST_F(Training, ATempoNeedsLongerTracks) {
  recipe_.augment.tempo = 0.6;
  expect_contains(error_of(ErrorKind::usage, [&] { run(recipe_, nullptr, 1); }),
                  "augment.tempo: 0.6 cuts segments out of 64 frames; track 'track");
}

// Each test segment is heard both ways: the mean of its probabilities and of those of its mirror image.
TEST_F(Training, ATestSegmentIsHeardBackwardsToo) {
  const TrainingData data(*device_, path_, recipe_);
  TrainingRun run(*device_, data, data.random_split(recipe_.split, 1), recipe_, 7);
  run.run([](std::int64_t done) { return done != 6; }, [](const TrainingRun::Epoch&) { return true; });
  auto mirrored = testing::synthetic(kTracks, kClasses, kRows, kBands);
  const auto frames = static_cast<std::size_t>(recipe_.segment.frames);
  for (std::size_t t = 0; t < frames / 2; ++t)
    std::swap_ranges(mirrored.features.begin() + static_cast<std::ptrdiff_t>(t * kBands),
                     mirrored.features.begin() + static_cast<std::ptrdiff_t>((t + 1) * kBands),
                     mirrored.features.begin() + static_cast<std::ptrdiff_t>((frames - 1 - t) * kBands));
  const auto plain = testing::synthetic(kTracks, kClasses, kRows, kBands);
  const TrackTable there = plain.table(*device_, TrackTable::Place::host);
  const TrackTable back = mirrored.table(*device_, TrackTable::Place::host);
  save_checkpoint(scratch_ / "model.h5", run.model(false));
  const LoadedModel loaded = load_model(*device_, scratch_ / "model.h5");
  SegmentOptions segment = recipe_.segment;
  Evaluator one_way(*device_, *loaded.model, data.task(), segment);
  segment.test_reverse = true;
  Evaluator both(*device_, *loaded.model, data.task(), segment);
  const auto p = one_way.probabilities(there, {0}), q = one_way.probabilities(back, {0}),
             mean = both.probabilities(there, {0});
  EXPECT_NE(p, q);
  for (std::size_t k = 0; k < kClasses; ++k) EXPECT_FLOAT_EQ(mean[k], (p[k] + q[k]) / 2) << k;
}

}  // namespace
}  // namespace melgrad
