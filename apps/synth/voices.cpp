#include "apps/synth/voices.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace melgrad {
namespace {

constexpr double kTau = 2 * std::numbers::pi;

// The canvas positions of a sound, cut to the canvas.
struct Span {
  std::size_t first = 0, last = 0;
  double start = 0;  // seconds; may lie before the canvas

  Span(double from, double length, const Canvas& canvas) : start(from) {
    const auto clip = [&](double t) {
      return static_cast<std::size_t>(
          std::clamp(t * canvas.rate, 0.0, static_cast<double>(canvas.samples.size())));
    };
    first = clip(from);
    last = std::max(first, clip(from + length));
  }
};

// sin(2 pi x) from a table: ten million of them are a track.
double sine(double cycles) {
  constexpr std::size_t kSize = 4096;
  static const auto table = [] {
    std::array<float, kSize + 1> t{};
    for (std::size_t i = 0; i <= kSize; ++i) {
      t[i] = static_cast<float>(std::sin(kTau * static_cast<double>(i) / kSize));
    }
    return t;
  }();
  const double x = (cycles - std::floor(cycles)) * kSize;
  const auto i = std::min(static_cast<std::size_t>(x), kSize - 1);
  return table[i] + (table[i + 1] - table[i]) * (x - static_cast<double>(i));
}

// Rise, hold while the key is down, fall.
double envelope(double t, const Note& note) {
  const double up = std::min(1.0, t / note.attack);
  const double down = t < note.length ? 1.0 : 1.0 - (t - note.length) / note.release;
  return up * std::max(0.0, down);
}

// Partials by number with an amplitude each, none above 0.45 of the sample rate: no aliasing.
void add_partials(const Note& note, const std::vector<double>& amplitude, double detune, const Span& span,
                  Canvas& canvas) {
  for (std::size_t k = 0; k < amplitude.size(); ++k) {
    const double hertz = note.pitch * static_cast<double>(k + 1) * (1 + detune);
    if (amplitude[k] == 0 || hertz > 0.45 * canvas.rate) continue;
    for (std::size_t i = span.first; i < span.last; ++i) {
      const double t = static_cast<double>(i) / canvas.rate - span.start;
      canvas.samples[i] +=
          static_cast<float>(note.level * amplitude[k] * envelope(t, note) * sine(hertz * t));
    }
  }
}

std::vector<double> partials_of(Timbre timbre, double brightness) {
  if (timbre == Timbre::sine) return {1, 0.1 * brightness};
  if (timbre == Timbre::organ)
    return {0.6, 0.5, 0.3 * brightness, 0.3, 0, 0.2 * brightness, 0, 0.25 * brightness};
  std::vector<double> amplitude(static_cast<std::size_t>(4 + 12 * brightness), 0.0);
  for (std::size_t k = 0; k < amplitude.size(); ++k) {
    const bool odd = k % 2 == 0;
    if (timbre == Timbre::saw || odd) amplitude[k] = 0.7 / static_cast<double>(k + 1);
  }
  return amplitude;
}

// Two sines, one shaking the phase of the other. A bell's ratio is no whole number and its shake dies away.
void add_fm(const Note& note, const Span& span, Canvas& canvas) {
  const bool bell = note.timbre == Timbre::fm_bell;
  const double ratio = bell ? 3.53 : 1,
               depth = bell ? 0.25 + 0.5 * note.brightness : 0.2 + 0.4 * note.brightness;
  if (note.pitch * (1 + ratio * (1 + depth)) > 0.45 * canvas.rate) return;
  for (std::size_t i = span.first; i < span.last; ++i) {
    const double t = static_cast<double>(i) / canvas.rate - span.start;
    const double fade = bell ? std::exp(-3 * t) : 1;
    const double shake = depth * fade * sine(note.pitch * ratio * t);
    canvas.samples[i] +=
        static_cast<float>(note.level * 0.8 * fade * envelope(t, note) * sine(note.pitch * t + shake));
  }
}

// A piano of sorts: a hammer, and stiff strings, whose partials lie a little high, and the higher the sooner
// they are gone.
void add_struck(Note note, const Span& span, Canvas& canvas) {
  constexpr int kPartials = 10;
  constexpr double kStiffness = 4e-4;
  note.attack = 0.002;
  for (int k = 1; k <= kPartials; ++k) {
    const double hertz = note.pitch * k * std::sqrt(1 + kStiffness * k * k);
    if (hertz > 0.45 * canvas.rate) break;
    const double step = std::exp(-(0.8 + 0.5 * k) * std::sqrt(note.pitch / 260) / canvas.rate);
    double level = 1.4 * note.level * std::pow(0.5 + 0.4 * note.brightness, k - 1);
    for (std::size_t i = span.first; i < span.last; ++i, level *= step) {
      const double t = static_cast<double>(i) / canvas.rate - span.start;
      canvas.samples[i] += static_cast<float>(level * envelope(t, note) * sine(hertz * t));
    }
  }
}

// Bowed strings: two players a little apart, each with a vibrato of its own, and no sudden start.
void add_bowed(Note note, const Span& span, Dice& dice, Canvas& canvas) {
  std::array<double, 10> amplitude;
  for (std::size_t k = 0; k < amplitude.size(); ++k) {
    const double number = static_cast<double>(k) + 1;
    const bool heard = note.pitch * number < 0.45 * canvas.rate;
    amplitude[k] = heard ? 0.4 * note.level * std::pow(number, -1.6 + 0.6 * note.brightness) : 0;
  }
  note.attack = std::max(note.attack, std::min(0.12, 0.5 * note.length));
  for (const double detune : {-0.002, 0.002}) {
    const double speed = dice.between(5, 6.5), depth = 0.005 * note.pitch / speed / kTau;
    for (std::size_t i = span.first; i < span.last; ++i) {
      const double t = static_cast<double>(i) / canvas.rate - span.start;
      const double cycles = note.pitch * (1 + detune) * t + depth * sine(speed * t);
      double x = 0;
      for (std::size_t k = 0; k < amplitude.size() && amplitude[k] > 0; ++k) {
        x += amplitude[k] * sine(static_cast<double>(k + 1) * cycles);
      }
      canvas.samples[i] += static_cast<float>(envelope(t, note) * x);
    }
  }
}

// Karplus and Strong's string: noise in a loop as long as a period, averaged at each pass. Fuzz is the same
// string through an amplifier that is driven too far.
void add_string(const Note& note, const Span& span, Dice& dice, Canvas& canvas) {
  const auto period = std::max<std::size_t>(2, static_cast<std::size_t>(canvas.rate / note.pitch - 0.5));
  std::vector<double> loop(period);
  double smooth = 0;
  for (double& x : loop) {
    smooth += (0.2 + 0.8 * note.brightness) * (dice.between(-1, 1) - smooth);
    x = smooth;
  }
  const double loss =
      std::pow(0.5, 1 / (note.pitch * 0.6));  // half as loud after 0.6 s, besides the averaging
  const bool fuzz = note.timbre == Timbre::fuzz;
  for (std::size_t i = span.first, at = 0; i < span.last; ++i, at = (at + 1) % period) {
    const double t = static_cast<double>(i) / canvas.rate - span.start;
    const double out = loop[at];
    loop[at] = loss * 0.5 * (out + loop[(at + 1) % period]);
    canvas.samples[i] += static_cast<float>(note.level * (fuzz ? 0.4 : 1.2) * envelope(t, note) *
                                            (fuzz ? std::tanh(12 * out) : out));
  }
}

}  // namespace

void play(const Note& note, Dice& dice, Canvas& canvas) {
  const Span span(note.start, note.length + note.release, canvas);
  switch (note.timbre) {
    case Timbre::struck:
      return add_struck(note, span, canvas);
    case Timbre::bowed:
      return add_bowed(note, span, dice, canvas);
    case Timbre::pluck:
    case Timbre::fuzz:
      return add_string(note, span, dice, canvas);
    case Timbre::fm_bell:
    case Timbre::fm_reed:
      return add_fm(note, span, canvas);
    default:
      return add_partials(note, partials_of(note.timbre, note.brightness), dice.between(-0.003, 0.003), span,
                          canvas);
  }
}

void strike(Drum drum, double start, double level, double tuning, Dice& dice, Canvas& canvas) {
  const Span span(start, drum == Drum::hat ? 0.08 : 0.3, canvas);
  double phase = 0, last_noise = 0;
  for (std::size_t i = span.first; i < span.last; ++i) {
    const double t = static_cast<double>(i) / canvas.rate - span.start;
    const double noise = dice.between(-1, 1);
    double x = 0;
    if (drum == Drum::kick) {
      phase += tuning * (50 + 110 * std::exp(-30 * t)) / canvas.rate;
      x = 1.3 * std::exp(-12 * t) * sine(phase);
    } else if (drum == Drum::snare) {
      x = 0.7 * std::exp(-16 * t) * noise + 0.4 * std::exp(-25 * t) * sine(185 * tuning * t);
    } else {
      x = 0.35 * std::exp(-55 * t / tuning) * (noise - last_noise);  // the difference keeps the high end
    }
    last_noise = noise;
    canvas.samples[i] += static_cast<float>(level * x);
  }
}

void add_echo(double delay, double wet, Canvas& canvas) {
  const auto back = static_cast<std::size_t>(delay * canvas.rate);
  for (std::size_t i = back; i < canvas.samples.size(); ++i) {
    canvas.samples[i] += static_cast<float>(wet) * canvas.samples[i - back];
  }
}

}  // namespace melgrad
