#include "apps/synth/music.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "apps/synth/voices.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

const std::vector<int> kMajor = {0, 2, 4, 5, 7, 9, 11};
const std::vector<int> kMinor = {0, 2, 3, 5, 7, 8, 10};
const std::vector<int> kDorian = {0, 2, 3, 5, 7, 9, 10};
const std::vector<int> kPentatonic = {0, 2, 4, 7, 9};

// One part of the band. `steps` holds a character per sixteenth, repeated without end: x loud, o soft, .
// rest.
struct Part {
  std::string_view steps;
  std::array<Timbre, 2> timbre{};  // a track has one of the two
  int octave = 4;
  double hold = 1;  // sixteenths a note lasts
  double level = 0.5;
  double attack = 0.005, release = 0.1;
};

enum class Melody { walk, arpeggio };

struct Meter {
  double slow, fast;  // beats a minute
  int beats;          // in a bar, of four sixteenths
};

struct Harmony {
  const std::vector<int>* scale;  // semitones
  std::vector<int> roots;         // a chord's root per bar, as degrees of the scale
};

struct Style {
  const char* name;
  Meter meter;
  Harmony harmony;
  Melody melody;
  Part lead, chord, bass;
  std::array<std::string_view, 3> drums;  // steps of kick, snare, hat
  double echo;
  double drummed = 0.85;  // tracks with drums, of those that could have them
};

constexpr std::size_t kStyles = 10;  // of the table; behind them stand scores for scenes only

using T = Timbre;

// Sounds, tempi and scales overlap on purpose: no single one of them gives a style away.
const std::vector<Style>& styles() {  // NOLINT(readability-function-size): a table
  static const std::vector<Style> table = {
      {"ambient",
       {55, 90, 4},
       {&kMajor, {0, 3, 5, 4}},
       Melody::walk,
       {"x.......o.....o.", {T::sine, T::fm_bell}, 5, 6, 0.35, 0.2, 1.2},
       {"x...............", {T::organ, T::saw}, 3, 15, 0.3, 0.8, 1.5},
       {"x...............", {T::sine, T::organ}, 2, 14, 0.5, 0.5, 1},
       {"", "", ""},
       0.45},
      {"arpeggio",
       {95, 150, 4},
       {&kMinor, {0, 5, 2, 6}},
       Melody::arpeggio,
       {"xoxoxoxoxoxoxoxo", {T::saw, T::pluck}, 4, 1.2, 0.6},
       {"x...............", {T::organ, T::saw}, 3, 14, 0.15, 0.3, 0.4},
       {"x.......x.......", {T::saw, T::sine}, 2, 6, 0.5},
       {"", "", "..o...o...o...o."},
       0.3},
      {"march",
       {96, 132, 2},
       {&kMajor, {0, 0, 3, 4}},
       Melody::walk,
       {"x.oox.o.x.x.x...", {T::fm_reed, T::saw}, 5, 1.6, 0.5},
       {"..x...x.", {T::fm_reed, T::saw}, 4, 1, 0.35},
       {"x...x...", {T::fm_reed, T::saw}, 2, 1.5, 0.6},
       {"x...x...", "..x...xo..x.ooxo", ""},
       0.1},
      {"folk",
       {80, 130, 4},
       {&kMajor, {0, 4, 5, 3}},
       Melody::arpeggio,
       {"xoxoxoxoxoxoxoxo", {T::pluck, T::pluck}, 4, 3, 0.6},
       {"x.......x.......", {T::pluck, T::organ}, 3, 6, 0.3},
       {"x.......x.......", {T::pluck, T::sine}, 2, 6, 0.6},
       {"", "", ""},
       0.15},
      {"techno",
       {116, 140, 4},
       {&kMinor, {0, 0, 0, 6}},
       Melody::walk,
       {"..x..x....x..x..", {T::square, T::saw}, 4, 0.7, 0.25},
       {"...x..x....x..x.", {T::saw, T::organ}, 4, 0.8, 0.3},
       {"..xx..xx..xx..xx", {T::saw, T::square}, 2, 0.8, 0.5},
       {"x...x...x...x...", "....x.......x...", "..x...x...x...x."},
       0.25},
      {"waltz",
       {120, 186, 3},
       {&kMajor, {0, 4, 4, 0, 3, 0, 4, 0}},
       Melody::walk,
       {"x...o...x.o.", {T::organ, T::fm_reed}, 5, 3.5, 0.5},
       {"....x...x...", {T::organ, T::fm_reed}, 4, 2, 0.3},
       {"x...........", {T::organ, T::fm_reed}, 2, 3, 0.6},
       {"", "", "....o...o..."},
       0.2},
      {"bells",
       {60, 110, 4},
       {&kPentatonic, {0, 2, 0, 3}},
       Melody::walk,
       {"x..o..x...o.x...", {T::fm_bell, T::fm_bell}, 5, 8, 0.6, 0.002, 0.8},
       {"x.......", {T::fm_bell, T::sine}, 4, 12, 0.25, 0.01, 0.8},
       {"", {}, 2},
       {"", "", ""},
       0.35},
      {"chiptune",
       {118, 176, 4},
       {&kMajor, {0, 5, 3, 4}},
       Melody::walk,
       {"x.xox.xox.xxx.o.", {T::square, T::square}, 5, 0.9, 0.5, 0.002, 0.02},
       {"xoxoxoxoxoxoxoxo", {T::square, T::saw}, 4, 0.5, 0.15, 0.002, 0.02},
       {"x.x.x.x.x.x.x.x.", {T::square, T::saw}, 3, 0.9, 0.4, 0.002, 0.02},
       {"x.......x.......", "....x.......x...", ""},
       0.05},
      {"breakbeat",
       {140, 178, 4},
       {&kDorian, {0, 0, 3, 0}},
       Melody::walk,
       {"........x..o....", {T::sine, T::square}, 4, 3, 0.3},
       {"x...............", {T::saw, T::organ}, 4, 10, 0.15},
       {"x..x..x...x.....", {T::sine, T::saw}, 2, 2.5, 0.7},
       {"x.x.......xx....", "....x..o.o..x..o", "x.x.x.x.x.x.x.x."},
       0.15},
      {"drone",
       {50, 80, 4},
       {&kDorian, {0}},
       Melody::walk,
       {"........o.......", {T::fm_reed, T::sine}, 4, 12, 0.2, 1, 2},
       {"x...............", {T::saw, T::organ}, 2, 16, 0.35, 0.6, 1},
       {"x...............", {T::saw, T::fm_reed}, 2, 16, 0.5, 0.6, 1},
       {"", "", ""},
       0.3},
      {"rock",
       {90, 150, 4},
       {&kMinor, {0, 0, 5, 6}},
       Melody::walk,
       {"x...o.x...x.o...", {}, 5, 3, 0.35},
       {"x.x.x.x.x.x.x.x.", {}, 3, 1.8, 0.4},
       {"x.x.x.x.x.x.x.x.", {}, 2, 1.8, 0.6},
       {"x.....x.x.x.....", "....x.......x...", "x.x.x.x.x.x.x.x."},
       0.1},
      {"chamber",
       {60, 160, 4},
       {&kMajor, {0, 3, 4, 0, 5, 1, 4, 0}},
       Melody::walk,
       {"x...x.o.x...x.x.", {}, 5, 3.6, 0.5, 0.005, 0.2},
       {"x...o...x...o...", {}, 4, 3.8, 0.25, 0.005, 0.2},
       {"x.......x.......", {}, 3, 7.5, 0.4, 0.005, 0.3},
       {"", "", ""},
       0.3},
      {"ballad",
       {60, 160, 4},
       {&kMajor, {0, 5, 3, 4}},
       Melody::arpeggio,
       {"x.o.x.o.x.o.x.o.", {}, 4, 3, 0.5, 0.005, 0.2},
       {"x.......x.......", {}, 4, 7, 0.3, 0.005, 0.2},
       {"x.......x...x...", {}, 2, 3.5, 0.6},
       {"x.......x.x.....", "....x.......x...", "x.o.x.o.x.o.x.o."},
       0.2},
  };
  return table;
}

// One band playing one track.
class Band {
 public:
  Band(const Style& style, std::uint64_t seed, double seconds, int sample_rate)
      : style_(style), dice_(seed), seconds_(seconds) {
    canvas_.rate = sample_rate;
    canvas_.samples.resize(static_cast<std::size_t>(seconds * sample_rate));
    step_ = 60 / dice_.between(style.meter.slow, style.meter.fast) / 4;
    key_ = dice_.below(12);
    which_timbre_ = static_cast<std::size_t>(dice_.below(2));
    brightness_ = dice_.between(0.15, 0.85);
    missed_ = dice_.between(0, 0.2);
    tuning_ = dice_.between(0.8, 1.25);
    drums_ = dice_.chance(style.drummed) ? dice_.between(0.5, 1.1) : 0;
    swing_ = dice_.chance(0.3) ? dice_.between(0.05, 0.25) : 0;
  }

  // From here on another part of the same piece.
  void take_excerpt(std::uint64_t seed) { dice_ = Dice(seed); }

  std::vector<float> track() {
    const double bar = step_ * 4 * style_.meter.beats;
    const int skipped = dice_.below(8);
    // The recording starts anywhere in the piece, as an excerpt does.
    double start = -bar * dice_.unit() - bar;
    for (int b = skipped; start < seconds_; ++b) {
      play_bar(b, start);
      start += bar;
    }
    add_echo(step_ * 3, style_.echo * dice_.between(0.5, 1.2), canvas_);
    tilt();
    level();
    return std::move(canvas_.samples);
  }

 private:
  double pitch(int octave, int degree) const {
    const auto size = static_cast<int>(style_.harmony.scale->size());
    const int octaves = degree >= 0 ? degree / size : -((size - 1 - degree) / size);
    const int tone = (*style_.harmony.scale)[static_cast<std::size_t>(degree - octaves * size)];
    return 440 * std::pow(2, (12 * (octave + octaves - 4) + tone + key_ - 9) / 12.0);
  }

  // 0 for a rest (or a missed step), else how loud.
  double hit(std::string_view steps, int step) {
    if (steps.empty()) return 0;
    const char c = steps[static_cast<std::size_t>(step) % steps.size()];
    if (c == '.' || dice_.chance(missed_)) return 0;
    return (c == 'x' ? 1 : 0.55) * dice_.between(0.8, 1.1);
  }

  void note(const Part& part, double start, double level, int degree) {
    const double brightness = std::clamp(brightness_ + dice_.between(-0.1, 0.1), 0.0, 1.0);
    play({start, part.hold * step_, pitch(part.octave, degree), level * part.level,
          part.timbre[which_timbre_], brightness, part.attack, part.release},
         dice_, canvas_);
  }

  void play_bar(int bar, double start) {
    const int root = style_.harmony.roots[static_cast<std::size_t>(bar) % style_.harmony.roots.size()];
    const int steps = 4 * style_.meter.beats;
    for (int s = 0; s < steps; ++s) {
      const int position = bar * steps + s;
      const double t = start + step_ * (s + (s % 2 == 1 ? swing_ : 0));
      if (const double x = hit(style_.bass.steps, position); x > 0) note(style_.bass, t, x, root);
      if (const double x = hit(style_.chord.steps, position); x > 0) {
        for (const int third : {0, 2, 4}) note(style_.chord, t, x, root + third);
      }
      if (const double x = hit(style_.lead.steps, position); x > 0) note(style_.lead, t, x, melody(root));
      if (drums_ > 0) play_drums(position, t);
    }
  }

  void play_drums(int position, double t) {
    for (std::size_t d = 0; d < style_.drums.size(); ++d) {
      const double x = hit(style_.drums[d], position);
      if (x > 0) strike(static_cast<Drum>(d), t, drums_ * x, tuning_, dice_, canvas_);
    }
  }

  // The next note of the lead, as a degree.
  int melody(int root) {
    if (style_.melody == Melody::arpeggio) {
      constexpr std::array<int, 6> kUpAndDown = {0, 2, 4, 7, 4, 2};
      at_ = (at_ + 1) % static_cast<int>(kUpAndDown.size());
      return root + kUpAndDown[static_cast<std::size_t>(at_)];
    }
    at_ = std::clamp(at_ + dice_.below(5) - 2, -3, 8);
    return at_;
  }

  // Another microphone for every track: some highs more or less, and a little noise.
  void tilt() {
    const double highs = dice_.between(0.4, 1.6), noise = dice_.between(0.0002, 0.004);
    const double cut = 1 - std::exp(-6.283 * 1500 / canvas_.rate);
    double low = 0;
    for (float& x : canvas_.samples) {
      low += cut * (x - low);
      x = static_cast<float>(low + highs * (x - low) + noise * dice_.between(-1, 1));
    }
  }

  // The same loudness for every style, then up to 6 dB of chance; the rare peak beyond full scale is rounded
  // off.
  void level() {
    double sum = 0;
    for (const float x : canvas_.samples) sum += static_cast<double>(x) * x;
    const double rms = std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, canvas_.samples.size())));
    const double gain = 0.1 * std::pow(10, dice_.between(-6, 6) / 20) / std::max(rms, 1e-9);
    for (float& x : canvas_.samples) x = static_cast<float>(std::tanh(gain * x));
  }

  const Style& style_;
  Dice dice_;
  Canvas canvas_;
  double seconds_;
  double step_ = 0;  // seconds of a sixteenth
  int key_ = 0;      // semitones above C
  std::size_t which_timbre_ = 0;
  double brightness_ = 0, missed_ = 0, tuning_ = 1, drums_ = 1, swing_ = 0;
  int at_ = 0;  // where the melody is
};

}  // namespace

std::vector<std::string> synth_styles() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kStyles; ++i) names.emplace_back(styles()[i].name);
  return names;
}

std::vector<float> synth_track(std::size_t style, std::uint64_t seed, double seconds, int sample_rate) {
  require(style < kStyles, "synth_track: style {} of {}", style, kStyles);
  require(seconds > 0 && sample_rate >= 8000, "synth_track: {} s at {} Hz", seconds, sample_rate);
  return Band(styles()[style], seed, seconds, sample_rate).track();
}

std::vector<float> synth_scene(const Scene& scene, std::uint64_t seed, int excerpt, double seconds,
                               int sample_rate) {
  const auto found = std::find_if(styles().begin(), styles().end(),
                                  [&](const Style& style) { return style.name == scene.score; });
  require(found != styles().end(), "synth_scene: no score {}", scene.score);
  require(seconds > 0 && sample_rate >= 8000, "synth_scene: {} s at {} Hz", seconds, sample_rate);
  Style style = *found;
  style.meter.slow = style.meter.fast = scene.beats_per_minute;
  style.lead.timbre.fill(scene.lead);
  style.chord.timbre.fill(scene.chord);
  style.bass.timbre.fill(scene.bass);
  style.drummed = 1;
  if (!scene.drums) style.drums = {"", "", ""};
  Band band(style, seed, seconds, sample_rate);
  band.take_excerpt(seed + static_cast<std::uint64_t>(excerpt));
  return band.track();
}

}  // namespace melgrad
