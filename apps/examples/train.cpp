// Trains a network on a folder that holds a folder of audio files for each class, and tests it. What it
// leaves is a run folder, which `melgrad report`, `melgrad predict` and the example `classify` take, and
// beside it the features.
//   train MUSIC RUN
#include <cstdio>
#include <exception>

#include "io/datasets/open_data_set.h"
#include "io/files/json.h"
#include "kernels/devices/make_device.h"
#include "models/recipes/recipe.h"
#include "models/runs/run_training.h"
#include "models/training/extraction.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::puts("usage: train MUSIC RUN");
    return 2;
  }
  const std::string music = argv[1], where = argv[2];
  const melgrad::Notes note = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  try {
    const auto device = melgrad::make_device("auto");
    melgrad::Recipe recipe = melgrad::load_recipe("dong2018-fixed");
    melgrad::set_recipe_fields(recipe, {"train.epochs=20", "train.batch=20"});

    // Decoded once: the features of all tracks in one file.
    const std::string cache = where + "-features.h5";
    const melgrad::DataSet set = melgrad::open_data_set(music);
    for (const std::string& line : set.notes) note(line);
    for (const melgrad::LeftOut& file : set.skipped) note(file.name + ": " + file.reason);
    extract(set, recipe.features, melgrad::DType::f32, *device, 0, cache, nullptr, {.notes = note});

    const melgrad::TrainingData data(*device, cache, recipe, melgrad::TrainingData::Hold::automatic, note);
    const melgrad::Split split = data.random_split(recipe.split, 0);
    melgrad::TrainingRun run(*device, data, split, recipe, /*seed=*/0);
    const auto folder = melgrad::RunFolder::create(where, recipe.name);
    begin_in_folder(folder, recipe, data, music, split, /*seed=*/0, *device);

    melgrad::Watcher watcher;
    watcher.notes = note;
    watcher.epoch = [](const melgrad::TrainingRun::Epoch& e) {
      std::printf("epoch %ld: loss %.3f, accuracy %.2f\n", e.epoch, e.loss, e.accuracy);
    };
    train_in_folder(run, folder, "train", {}, watcher);
    std::puts(melgrad::json_text(test_in_folder(run, folder).at("test"), 2).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train: %s\n", error.what());
    return 1;
  }
  return 0;
}
