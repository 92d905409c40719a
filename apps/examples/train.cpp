// Trains a network on a folder that holds a folder of audio files for each class, and tests it. What it
// leaves is a run folder, which `melgrad report`, `melgrad predict` and the example `classify` take.
//   train MUSIC RUN
#include <cstdio>
#include <exception>

#include "io/datasets/open_data_set.h"
#include "io/files/json.h"
#include "kernels/devices/make_device.h"
#include "models/runs/run_opening.h"
#include "models/runs/run_training.h"
#include "models/training/extraction.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::puts("usage: train MUSIC RUN");
    return 2;
  }
  const melgrad::Notes note = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  try {
    const auto device = melgrad::make_device("auto");
    melgrad::RunRequest request;
    request.data = argv[1];
    request.recipe = "dong2018-fixed";
    request.set = {"train.epochs=20", "train.batch=20"};

    const melgrad::DataSet music = melgrad::open_data_set(request.data);
    for (const std::string& line : music.notes) note(line);
    for (const melgrad::LeftOut& file : music.skipped) note(file.name + ": " + file.reason);
    // Decoded once: the features of all tracks in one file.
    const auto extract = [&](const std::string& cache, const melgrad::DataSet& set,
                             const melgrad::MelOptions& mel) {
      melgrad::extract(set, mel, melgrad::DType::f32, *device, 0, cache, nullptr, {.notes = note});
    };
    const melgrad::OpenedRun opened = open_new_run(request, /*out=*/argv[2], &music, extract, note);
    const melgrad::TrainingData data(*device, opened.cache, opened.recipe, request.hold, note);
    melgrad::TrainingRun run(*device, data, opened.split(data, request, note), opened.recipe, request.seed);
    opened.start(run, request, *device, note);

    melgrad::Watcher watcher;
    watcher.notes = note;
    watcher.epoch = [](const melgrad::TrainingRun::Epoch& e) {
      std::printf("epoch %ld: loss %.3f, accuracy %.2f\n", e.epoch, e.loss, e.accuracy);
    };
    train_in_folder(run, opened.folder, "train", {}, watcher);
    std::puts(melgrad::json_text(test_in_folder(run, opened.folder).at("test"), 2).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train: %s\n", error.what());
    return 1;
  }
  return 0;
}
