// What a trained network hears in audio files: the three most probable classes of each.
//   classify RUN FILE...     RUN is a run folder, or the model.h5 in it
#include <algorithm>
#include <cstdio>
#include <exception>

#include "io/audio/audio.h"
#include "io/audio/flaws.h"
#include "kernels/devices/make_device.h"
#include "models/runs/predictor.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::puts("usage: classify RUN FILE...");
    return 2;
  }
  try {
    const auto device = melgrad::make_device("auto");
    melgrad::Predictor predict(*device, argv[1]);
    const melgrad::MelOptions& features = predict.recipe().features;
    for (int i = 2; i < argc; ++i) {
      const melgrad::Audio audio = melgrad::read_audio(argv[i], features.sample_rate, {.mix = features.mix});
      for (const std::string& flaw : melgrad::notes_of(audio))
        std::fprintf(stderr, "%s: %s\n", argv[i], flaw.c_str());
      const melgrad::Prediction answer = predict(audio, argv[i]);
      std::printf("%s:", argv[i]);
      const std::vector<std::size_t> order = melgrad::most_probable_first(answer.mean);
      for (std::size_t k = 0; k < std::min<std::size_t>(3, order.size()); ++k)
        std::printf(" %s %.2f", predict.classes()[order[k]].c_str(), answer.mean[order[k]]);
      std::puts("");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
  }
  return 0;
}
