#include "io/datasets/scan.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <tuple>

#include "io/files/workers.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

// What one decode tells; the samples themselves are let go at once.
struct Facts {
  bool scanned = false, decoded = false;
  std::string refusal;
  double seconds = 0;
  std::size_t samples = 0;
  int rate = 0, channels = 0;
  std::vector<Flaw> flaws;
  std::uint64_t digest = 0;
};

Facts examine(const Track& track, const ScanOptions& options, bool ffmpeg) {
  Facts facts;
  facts.scanned = true;
  try {
    AudioOptions how = options.audio;
    how.ffmpeg |= ffmpeg;
    const Audio audio = read_audio(track.path, 0, how);
    facts.decoded = true;
    facts.seconds = audio.seconds();
    facts.samples = audio.samples.size();
    facts.rate = audio.file_rate;
    facts.channels = audio.channels;
    facts.flaws = flaws_of(audio, options.silence_db);
    facts.digest = content_digest(audio);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input) throw;
    facts.refusal = e.what();
    // In a list the path stands before it, and the advice at its end would be repeated on every line.
    const std::string prefix = track.path.string() + ": ";
    if (facts.refusal.starts_with(prefix)) facts.refusal.erase(0, prefix.size());
    facts.refusal.erase(std::min(facts.refusal.rfind("; "), facts.refusal.size()));
  } catch (const std::bad_alloc&) {
    facts.refusal = "not enough memory to decode it";
  }
  return facts;
}

// The first reason why the track cannot serve as an example, if any.
bool unusable(const Track& track, const Facts& facts, const ScanOptions& options, Finding& finding) {
  if (!facts.decoded) {
    const bool no_bytes = track.path.exists() && track.path.bytes() == 0;
    finding.problem = no_bytes ? Problem::empty : Problem::unreadable;
    finding.reason = facts.refusal;
  } else if (facts.samples == 0) {
    finding.problem = Problem::empty;
    finding.reason = "a header without audio";
  } else if (const double least = std::max(options.min_seconds, track.min_seconds); facts.seconds < least) {
    finding.problem = Problem::too_short;
    finding.reason = fmt::format("{:.3g} s, at least {:g} s are needed", facts.seconds, least);
  } else if (!facts.flaws.empty() && holds_nothing(facts.flaws[0].problem)) {
    finding.problem = facts.flaws[0].problem;
    finding.reason = facts.flaws[0].reason;
  } else {
    return false;
  }
  return true;
}

void count(const Track& track, const Facts& facts, bool usable, const ClassIndex& index, ScanReport& report) {
  const auto add = [&](ClassCount& c) {
    ++c.tracks;
    c.usable += usable ? 1 : 0;
    c.seconds += facts.seconds;
  };
  add(report.all);
  for (const std::string& label : track.labels) add(report.classes[index(label)]);
  ++report.scanned;
  if (facts.decoded) {
    ++report.rates[facts.rate];
    ++report.channels[facts.channels];
  }
}

}  // namespace

ScanReport scan(const DataSet& set, const ScanOptions& options, const std::function<void(std::size_t)>& done,
                const std::function<bool()>& stop) {
  std::vector<Facts> facts(set.tracks.size());
  std::atomic<std::size_t> finished = 0;
  const auto work = [&](std::size_t i) {
    facts[i] = examine(set.tracks[i], options, set.ffmpeg);
    const std::size_t n = ++finished;
    if (done) done(n);
  };
  parallel_for_each(set.tracks.size(), options.threads, work, stop);

  ScanReport report;
  report.classes.resize(set.classes.size());
  const ClassIndex index(set.classes);
  std::map<std::tuple<std::uint64_t, std::size_t, int>, std::size_t> first_with;  // content -> track
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const Facts& f = facts[i];
    if (!f.scanned) continue;
    Finding finding{i, Problem::unreadable, ""};
    const bool bad = unusable(set.tracks[i], f, options, finding);
    count(set.tracks[i], f, !bad, index, report);
    if (bad) report.findings.push_back(finding);
    for (const Flaw& flaw : f.flaws)
      if (!holds_nothing(flaw.problem)) report.findings.push_back({i, flaw.problem, flaw.reason});
    if (bad) continue;  // that silence equals silence says nothing
    const auto [first, is_new] = first_with.emplace(std::tuple(f.digest, f.samples, f.rate), i);
    if (!is_new) {
      report.findings.push_back({i, Problem::duplicate, "same sound as " + set.tracks[first->second].name});
    }
  }
  return report;
}

}  // namespace melgrad
