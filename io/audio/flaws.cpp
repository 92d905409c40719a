#include "io/audio/flaws.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace melgrad {
namespace {

constexpr double kCancelled = 1e-4;  // of the channels' power in their mean: 40 dB down
constexpr float kFarAbove = 8;       // times full scale

// Seconds, with as many places as tell the two apart.
std::string cut_text(const Audio& audio) {
  const double there = audio.seconds(), promised = audio.promised_seconds;
  if (promised <= there) return fmt::format("{:.1f} s, and then the file breaks off", there);
  for (int places = 1; places < 4; ++places) {
    const auto a = fmt::format("{:.{}f}", there, places), b = fmt::format("{:.{}f}", promised, places);
    if (a != b) return fmt::format("{} of {} s", a, b);
  }
  return fmt::format("{:.4f} of {:.4f} s", there, promised);
}

}  // namespace

const char* name_of(Problem problem) {
  switch (problem) {
    case Problem::unreadable:
      return "unreadable";
    case Problem::empty:
      return "empty";
    case Problem::too_short:
      return "too short";
    case Problem::silent:
      return "silent";
    case Problem::cancelled:
      return "cancelled";
    case Problem::cut_short:
      return "cut short";
    case Problem::damaged:
      return "damaged";
    case Problem::not_finite:
      return "not finite";
    case Problem::too_loud:
      return "too loud";
    case Problem::duplicate:
      return "duplicate";
  }
  return "?";
}

std::vector<Flaw> flaws_of(const Audio& audio, double silence_db) {
  std::vector<Flaw> flaws;
  float peak = 0;  // of what is heard
  for (const float x : audio.samples) peak = std::max(peak, std::abs(x));
  const double peak_db = 20 * std::log10(static_cast<double>(peak));  // -inf for digital silence
  const double channel_db = 10 * std::log10(audio.channel_power);
  if (!audio.samples.empty() && audio.mixed_power < kCancelled * audio.channel_power &&
      channel_db > silence_db) {
    flaws.push_back(
        {Problem::cancelled,
         audio.mixed_power > 0
             ? fmt::format("the mix is {:.0f} dB below the channels; --mix louder takes one of them",
                           10 * std::log10(audio.channel_power / audio.mixed_power))
             : "the mix is silent, the channels are not; --mix louder takes one of them"});
  } else if (!audio.samples.empty() && peak_db < silence_db) {
    flaws.push_back(
        {Problem::silent, peak > 0 ? fmt::format("peak {:.1f} dBFS", peak_db) : "every sample is 0"});
  }
  if (audio.cut_short) flaws.push_back({Problem::cut_short, cut_text(audio)});
  if (!audio.complaint.empty()) flaws.push_back({Problem::damaged, audio.complaint});
  if (audio.scrubbed > 0)
    flaws.push_back({Problem::not_finite, fmt::format("{} samples read as 0", audio.scrubbed)});
  if (audio.peak > kFarAbove) {
    flaws.push_back({Problem::too_loud,
                     fmt::format("{:.3g} times full scale; integers in a file of floats?", audio.peak)});
  }
  return flaws;
}

bool holds_nothing(Problem problem) { return problem == Problem::silent || problem == Problem::cancelled; }

std::string text_of(const Flaw& flaw) { return std::string(name_of(flaw.problem)) + ": " + flaw.reason; }

std::vector<std::string> notes_of(const Audio& audio) {
  std::vector<std::string> notes;
  for (const Flaw& flaw : flaws_of(audio)) notes.push_back(text_of(flaw));
  return notes;
}

}  // namespace melgrad
