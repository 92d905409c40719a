// The whole of training as another program calls it, without a command line: features of sound, a run in its
// folder, stopped and gone on with, tested, and asked.
#include "models/runs/run_training.h"

#include <cmath>
#include <gtest/gtest.h>

#include "io/audio/audio.h"
#include "io/datasets/open_data_set.h"
#include "models/runs/predictor.h"
#include "models/training/extraction.h"
#include "tests/devices.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

constexpr int kRate = 22050;

// A tone of its own for each class, 4 s.
std::vector<float> tone(int c, int k) {
  std::vector<float> samples(4 * kRate);
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = 0.3F * std::sin(6.2831853F * static_cast<float>(220 * (c + 1) + 5 * k) *
                                 static_cast<float>(i) / kRate);
  return samples;
}

class RunTraining : public ::testing::Test {
 protected:
  RunTraining() {
    for (int c = 0; c < 3; ++c) {
      std::filesystem::create_directories(scratch_ / fmt::format("music/tone{}", c));
      for (int k = 0; k < 6; ++k)
        write_audio(scratch_ / fmt::format("music/tone{}/{}.wav", c, k), tone(c, k), kRate, AudioFormat::wav);
    }
    recipe_.train.epochs = 6;
    recipe_.train.batch = 4;
    recipe_.model.filters = 4;
    recipe_.segment.frames = 60;
  }
  std::string cache() const { return scratch_ / "features.h5"; }
  ExtractResult extract_features(const ExtractWatcher& watcher = {}) {
    return extract(open_data_set(scratch_ / "music"), recipe_.features, DType::f32, *device_, 2, cache(),
                   nullptr, watcher);
  }

  const Scratch scratch_;
  Recipe recipe_ = load_recipe("dong2018-fixed");
  std::unique_ptr<Device> device_ = training_device();
};

TEST_F(RunTraining, FromSoundToAnAnswerWithoutAWord) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  std::int64_t files = 0;
  EXPECT_EQ(extract_features({[&](std::int64_t done) { files = done; }, {}, {}}).items, 18);
  EXPECT_EQ(files, 18);

  const TrainingData data(*device_, cache(), recipe_);
  const Split split = data.random_split(recipe_.split, 0);
  const auto train = [&](const std::string& name, std::int64_t stop_after) {
    const RunFolder folder = RunFolder::create(scratch_ / name, recipe_.name);
    begin_in_folder(folder, recipe_, data, scratch_ / "music", split, 1, *device_);
    TrainingRun run(*device_, data, split, recipe_, 1);
    std::int64_t steps = 0, epochs = 0;
    Watcher watcher;
    watcher.step = [&](std::int64_t done) { steps = done; };
    watcher.epoch = [&](const TrainingRun::Epoch&) { ++epochs; };
    watcher.stop = [&] { return steps == stop_after; };
    const bool finished = train_in_folder(run, folder, name, {}, watcher);
    EXPECT_EQ(steps, stop_after > 0 ? stop_after : run.total_steps());
    EXPECT_EQ(epochs, steps / run.steps_per_epoch());
    EXPECT_EQ(finished, stop_after < 0);
    return run.weights_digest();
  };
  const std::uint64_t straight = train("straight", -1);
  train("stopped", 4);
  {
    const RunFolder folder = RunFolder::resume(scratch_ / "stopped");
    TrainingRun run(*device_, data, split, recipe_, 1);
    resume_in_folder(run, folder);
    EXPECT_EQ(run.steps(), 4);
    EXPECT_TRUE(train_in_folder(run, folder, "stopped"));
    EXPECT_EQ(run.weights_digest(), straight);
    EXPECT_EQ(test_in_folder(run, folder).at("test").at("tracks"), std::ssize(split.test));
  }
  Predictor predictor(*device_, scratch_ / "stopped");
  const Prediction answer = predictor(read_audio(scratch_ / "music/tone1/0.wav", kRate), "tone1");
  EXPECT_EQ(answer.mean.size(), 3U);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(RunTraining, NotesAndTheWishToStopAreTheCallers) {
  write_bytes(scratch_ / "music/tone0/broken.wav", "RIFF");
  std::vector<std::string> notes;
  ExtractWatcher watcher;
  watcher.notes = [&](const std::string& line) { notes.push_back(line); };
  watcher.stop = [] { return true; };
  EXPECT_TRUE(extract_features(watcher).interrupted);
  watcher.stop = nullptr;
  const ExtractResult all = extract_features(watcher);
  EXPECT_EQ(all.items, 18);
  EXPECT_EQ(all.skipped, 1);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("broken.wav"), std::string::npos) << notes[0];
}

// Features that stay on the device give the bits of those that came back and went there again.
TEST_F(RunTraining, APredictionNeedsNoFeaturesOnTheHost) {
  extract_features();
  const TrainingData data(*device_, cache(), recipe_);
  const Split split = data.random_split(recipe_.split, 0);
  recipe_.train.epochs = 1;
  const RunFolder folder = RunFolder::create(scratch_ / "run", recipe_.name);
  begin_in_folder(folder, recipe_, data, scratch_ / "music", split, 1, *device_);
  TrainingRun run(*device_, data, split, recipe_, 1);
  ASSERT_TRUE(train_in_folder(run, folder, "run"));
  for (const DeviceParam& param : model_device_params()) {
    SCOPED_TRACE(param.name);
    const auto device = param.make();
    Predictor predictor(*device, scratch_ / "run");
    for (const int seconds : {4, 3, 4}) {
      Audio audio = read_audio(scratch_ / fmt::format("music/tone{}/1.wav", seconds % 3), kRate);
      audio.samples.resize(static_cast<std::size_t>(seconds * kRate));
      EXPECT_EQ(predictor(audio, "").segments, predictor.of_features(predictor.features(audio), "").segments);
    }
  }
}

}  // namespace
}  // namespace melgrad
