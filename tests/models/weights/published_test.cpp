// Networks that others have trained and published, in this engine: the probabilities that their own programs
// give.
#include <filesystem>
#include <gtest/gtest.h>

#include "io/arrays/npz.h"
#include "io/audio/audio.h"
#include "kernels/devices/feature_extractor.h"
#include "kernels/devices/make_device.h"
#include "models/training/evaluator.h"
#include "models/training/model_file.h"
#include "models/training/task.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

// The networks of Won et al. 2020, their weights renamed as models/weights/maps say; from the MP3 itself.
// Clip 1 lies at -100 dB in much of it, where the spectrum's own rounding shows. Measured: 2.6e-5 and 6.0e-7
// at most.
TEST(PublishedTaggers, GiveTheProbabilitiesOfTheirOriginals) {
  const std::filesystem::path folder = test::shared_data() / "published";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no published weights: set MELGRAD_DATA";
  const auto device = make_device("cpu");
  for (const std::string name : {"mtat-musicnn", "mtat-fcn", "jamendo-crnn", "jamendo-musicnn", "msd-fcn"}) {
    const LoadedModel loaded = load_model(*device, (folder / (name + ".safetensors")).string());
    const Recipe& recipe = loaded.recipe;
    FeatureExtractor features(*device, recipe.features);
    Evaluator evaluator(*device, *loaded.model, task_of(recipe), recipe.segment.frames, 1);
    for (const auto& [clip, limit] : {std::pair<std::string, double>{"clip1", 5e-5}, {"clip2", 1e-6}}) {
      const NpyArray want = read_npy((folder / ("ref-" + name + "-" + clip + ".npy")).string());
      std::vector<float> expected(static_cast<std::size_t>(want.numel()));
      want.to_float(0, want.numel(), expected.data());
      const Audio audio = read_audio(folder / (clip + ".mp3"), recipe.features.sample_rate);
      const Tensor rows = features.on_device(audio.samples);
      const TrackTable table(*device, rows, {{0, static_cast<std::int32_t>(rows.dim(0)), 0}});
      const std::vector<float> first = evaluator.probabilities(table, {0});  // the first segment
      ASSERT_EQ(first.size(), expected.size()) << name;
      for (std::size_t k = 0; k < first.size(); ++k)
        EXPECT_NEAR(first[k], expected[k], limit) << name << " " << clip << " " << loaded.classes[k];
    }
  }
}

}  // namespace
}  // namespace melgrad
