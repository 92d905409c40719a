// Log-mel features of an audio file, computed on the GPU if there is one: their shape, and the loudest band
// of every second.
//   features song.mp3 [PRESET]
#include <algorithm>
#include <cstdio>
#include <exception>

#include "io/audio/audio.h"
#include "io/audio/flaws.h"
#include "kernels/devices/feature_extractor.h"
#include "kernels/devices/make_device.h"
#include "kernels/mel.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::puts("usage: features FILE [PRESET]");
    return 2;
  }
  try {
    const auto device = melgrad::make_device("auto");
    const melgrad::MelOptions options = melgrad::mel_preset(argc > 2 ? argv[2] : "musicnn");
    melgrad::FeatureExtractor extract(*device, options);

    const melgrad::Audio audio = melgrad::read_audio(argv[1], options.sample_rate, {.mix = options.mix});
    for (const std::string& flaw : melgrad::notes_of(audio))
      std::fprintf(stderr, "%s: %s\n", argv[1], flaw.c_str());
    const std::vector<float> features = extract(audio.samples);  // [frames, bands]

    const std::int64_t bands = extract.tables().bands();
    const std::int64_t frames = std::ssize(features) / bands;
    std::printf("%s: %.1f s at %d Hz -> %ld frames of %ld bands on %s\n", argv[1], audio.seconds(),
                options.sample_rate, frames, bands, device->name().c_str());
    const std::int64_t second = options.sample_rate / options.hop_length;  // in frames
    for (std::int64_t frame = 0; frame < frames; frame += second) {
      const auto begin = features.begin() + frame * bands;
      std::printf("%4ld s: band %ld\n", frame / second, std::max_element(begin, begin + bands) - begin);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "features: %s\n", error.what());
    return 1;
  }
  return 0;
}
