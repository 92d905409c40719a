// What is wrong with sound that could be decoded: one judgement for `check`, which lists it, for extraction
// and training, which leave out what holds nothing, and for prediction, which notes it beside its answer.
#pragma once

#include <string>
#include <vector>

#include "io/audio/audio.h"

namespace melgrad {

enum class Problem {
  unreadable,  // cannot be decoded to its end
  empty,       // no byte, or no sample
  too_short,   // below ScanOptions::min_seconds or Track::min_seconds
  silent,      // no sample above kSilenceDb
  cancelled,   // there is sound in the channels, and next to none in their mean
  cut_short,   // the file ends before the sound in it does
  damaged,     // the decoder complained and went on
  not_finite,  // holds NaN or infinite samples, or such beyond 1e6, which are read as 0
  too_loud,    // far above full scale: integers in a file of floats
  duplicate,   // the same sound as a usable track earlier in the list
};
const char* name_of(Problem problem);  // "unreadable", "too short", ...

constexpr double kSilenceDb = -60;  // peak, relative to full scale

struct Flaw {
  Problem problem = Problem::silent;
  std::string reason;  // for a person
};

// Of silent, cancelled, cut_short, damaged, not_finite and too_loud those that hold, in that order.
std::vector<Flaw> flaws_of(const Audio& audio, double silence_db = kSilenceDb);

// Whether nothing can be learnt from such sound: silent or cancelled.
bool holds_nothing(Problem problem);

// "silent: every sample is 0"; "cut short: 3.6 of 6.0 s"
std::string text_of(const Flaw& flaw);
std::vector<std::string> notes_of(const Audio& audio);  // text_of all flaws_of it

}  // namespace melgrad
