// What melgrad hears of each file: decode FILE.EXT... writes FILE.EXT.f32, mono samples at the file's own
// rate, and prints a line of rate, channels, seconds, 1 if it was cut short, and its notes.
// tests/hearing/run.py compares.
#include <fstream>

#include "io/audio/flaws.h"
#include "kernels/error.h"

int main(int argc, char** argv) {
  using namespace melgrad;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    try {
      const Audio audio = read_audio(path, 0);
      std::ofstream(path + ".f32", std::ios::binary)
          .write(reinterpret_cast<const char*>(audio.samples.data()),
                 static_cast<std::streamsize>(audio.samples.size() * sizeof(float)));
      fmt::print("{}\t{}\t{}\t{:.6f}\t{:d}\t{}\n", path, audio.file_rate, audio.channels, audio.seconds(),
                 audio.cut_short, fmt::join(notes_of(audio), "; "));
    } catch (const Error& e) {
      fmt::print("{}\t0\t0\t0\t0\trefused: {}\n", path, e.what());
    }
  }
}
