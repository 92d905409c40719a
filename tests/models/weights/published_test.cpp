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
#include "models/weights/weight_map.h"
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
    Evaluator evaluator(*device, *loaded.model, task_of(recipe), recipe.segment, 1);
    float worst = 0;
    for (const auto& [clip, limit] : {std::pair<std::string, double>{"clip1", 5e-5}, {"clip2", 1e-6}}) {
      const NpyArray want = read_npy((folder / ("ref-" + name + "-" + clip + ".npy")).string());
      std::vector<float> expected(static_cast<std::size_t>(want.numel()));
      want.to_float(0, want.numel(), expected.data());
      const Audio audio = read_audio(folder / (clip + ".mp3"), recipe.features.sample_rate);
      const Tensor rows = features.on_device(audio.samples);
      const TrackTable table(*device, rows, {{0, static_cast<std::int32_t>(rows.dim(0)), 0}});
      const std::vector<float> first = evaluator.probabilities(table, {0});  // the first segment
      ASSERT_EQ(first.size(), expected.size()) << name;
      for (std::size_t k = 0; k < first.size(); ++k) {
        EXPECT_NEAR(first[k], expected[k], limit) << name << " " << clip << " " << loaded.classes[k];
        worst = std::max(worst, std::abs(first[k] - expected[k]));
      }
    }
    std::printf("%s: within %.1e of its original\n", name.c_str(), static_cast<double>(worst));
  }
}

// Musicnn and its VGG of the Python package musicnn 0.1.0, imported from its wheel, on 19 segments of the two
// clips; TensorFlow's answers to them. The file's answers of MSD_vgg are not those of the wheel's weights:
// TensorFlow 2.21 itself gives others.
TEST(PublishedTaggers, MusicnnsOwnWheel) {
  const std::filesystem::path folder = test::shared_data() / "published",
                              wheel = folder / "musicnn-0.1.0-py3-none-any.whl";
  if (!std::filesystem::exists(wheel))
    GTEST_SKIP() << "no " << wheel.string() << ": pip download --no-deps musicnn, and set MELGRAD_DATA";
  const auto gold = read_npz((folder / "tfgold.npz").string());
  const auto floats = [&](const std::string& name) {
    const NpyArray& array = gold.at(name);
    std::vector<float> values(static_cast<std::size_t>(array.numel()));
    array.to_float(0, array.numel(), values.data());
    return values;
  };
  constexpr std::int64_t kSegments = 19, kFrames = 187, kBands = 96;
  const std::vector<float> x = floats("x");
  ASSERT_EQ(x.size(), static_cast<std::size_t>(kSegments * kFrames * kBands));
  const auto device = make_device("cpu");
  const TrackTable table(*device, x.data(), DType::f32, kSegments * kFrames, kBands,
                         {{0, static_cast<std::int32_t>(kSegments * kFrames), 0}});
  for (const std::string name : {"MTT_musicnn", "MSD_musicnn", "MTT_vgg"}) {
    const Recipe recipe = load_recipe(name.ends_with("vgg") ? "mtat-vgg-2019" : "mtat-musicnn-2019");
    const auto classes = class_list(name.starts_with("MTT") ? "mtat50" : "msd50");
    const Checkpoint weights =
        import_weights(*open_weights(wheel.string(), name), wheel.string(), recipe, classes);
    const auto model = new_model(*device, recipe, kBands, classes.size());
    load_slab(*device, model->params(), nullptr, "param", weights, name);
    Evaluator evaluator(*device, *model, task_of(recipe), {.frames = kFrames}, 1);
    std::vector<std::int64_t> starts;
    for (std::int64_t k = 0; k < kSegments; ++k) starts.push_back(k * kFrames);
    const std::vector<float> got = evaluator.probabilities(table, starts), expected = floats(name);
    ASSERT_EQ(got.size(), expected.size()) << name;
    float worst = 0;
    for (std::size_t k = 0; k < got.size(); ++k) worst = std::max(worst, std::abs(got[k] - expected[k]));
    EXPECT_LE(worst, 1e-5F) << name;
    std::printf("%s: within %.1e of TensorFlow\n", name.c_str(), static_cast<double>(worst));
  }
}

}  // namespace
}  // namespace melgrad
