// Features of raw audio, for the comparison scripts: float32 samples on standard input, float32 features
// [frames, bands] on standard output. Arguments: a preset, then field=value settings.
#include <cstdio>
#include <string>
#include <vector>

#include "kernels/cpu/log_mel.h"
#include "kernels/error.h"

int main(int argc, char** argv) {
  using namespace melgrad;
  try {
    if (argc < 2) fail(ErrorKind::usage, "mel_of_raw: name a preset, then field=value");
    MelOptions options = mel_preset(argv[1]);
    for (int i = 2; i < argc; ++i) {
      const std::string setting = argv[i];
      const std::size_t equals = setting.find('=');
      if (equals == std::string::npos) fail(ErrorKind::usage, "mel_of_raw: '{}' is not field=value", setting);
      set_mel_field(options, setting.substr(0, equals), setting.substr(equals + 1));
    }
    std::vector<float> pcm(1 << 16);
    std::size_t samples = 0;
    while (const std::size_t got =
               std::fread(pcm.data() + samples, sizeof(float), pcm.size() - samples, stdin)) {
      samples += got;
      if (samples == pcm.size()) pcm.resize(2 * pcm.size());
    }
    const MelTables mel(options);
    const auto count = static_cast<std::int64_t>(samples);
    std::vector<float> features(static_cast<std::size_t>(mel.frames(count) * mel.bands()));
    log_mel(pcm.data(), count, mel, features.data(), 1);
    if (std::fwrite(features.data(), sizeof(float), features.size(), stdout) != features.size()) {
      fail(ErrorKind::output, "mel_of_raw: standard output: cannot be written");
    }
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return static_cast<int>(e.kind());
  }
}
