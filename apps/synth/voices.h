// The sounds of synth_music: notes and drums that add themselves to a buffer. Times in seconds, pitch in Hz;
// what lies outside the buffer is dropped. All chance comes from Dice, so that a seed fixes every sample.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace melgrad {

// The standard fixes the engine's numbers but not its distributions; these are the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // 0 <= x < 1
  double between(double low, double high) { return low + (high - low) * unit(); }
  int below(int n) { return static_cast<int>(unit() * n); }  // 0 ... n - 1
  bool chance(double probability) { return unit() < probability; }

 private:
  std::mt19937_64 engine_;
};

struct Canvas {
  std::vector<float> samples;
  int rate = 0;  // Hz
};

enum class Timbre { sine, organ, saw, square, fm_bell, fm_reed, pluck, fuzz, struck, bowed };
enum class Drum { kick, snare, hat };

struct Note {
  double start = 0, length = 0;  // of the key; the sound may ring longer
  double pitch = 440;
  double level = 1;
  Timbre timbre = Timbre::sine;
  double brightness = 0.5;  // 0 dull ... 1 bright
  double attack = 0.005, release = 0.08;
};

void play(const Note& note, Dice& dice, Canvas& canvas);
void strike(Drum drum, double start, double level, double tuning, Dice& dice, Canvas& canvas);

// Feedback delay, a room of sorts: `wet` 0 ... 0.6 is how much of it is heard.
void add_echo(double delay, double wet, Canvas& canvas);

}  // namespace melgrad
