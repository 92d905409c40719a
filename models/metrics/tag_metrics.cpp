#include "models/metrics/tag_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "io/files/workers.h"
#include "kernels/error.h"
#include "kernels/math/philox.h"
#include "models/metrics/statistics.h"

namespace melgrad {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

using Values = std::array<double, kTagFigures.size()>;  // in the order of kTagFigures
constexpr std::size_t kAccuracy = kTagFigures.size() - 1;
static_assert(kTagFigures.size() == 6, "figures_of and baseline_of list all six, accuracy last");

// The tracks in descending order of one tag's scores. A resample is a count per track, so one pass over this
// order gives all figures of any resample, and nothing is sorted again.
struct Ranking {
  struct Entry {
    std::uint32_t track : 30, positive : 1, ends_tie : 1;
  };
  std::vector<Entry> entries;
  std::size_t predicted = 0;  // entries at or above the threshold, which come first
};

Ranking rank(const TagScores& s, std::size_t tag, double threshold) {
  const std::size_t n = s.tracks.size(), tags = s.tags.size();
  const auto score = [&](std::uint32_t track) { return s.scores[track * tags + tag]; };
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return score(a) > score(b); });
  Ranking ranking;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t track = order[i];
    const bool ends = i + 1 == n || score(order[i + 1]) != score(track);
    ranking.entries.push_back({track, s.targets[track * tags + tag], ends ? 1U : 0U});
    ranking.predicted += score(track) >= threshold ? 1 : 0;
  }
  return ranking;
}

struct Pass {
  std::int64_t positives = 0, negatives = 0;            // all
  std::int64_t predicted_positives = 0, predicted = 0;  // at or above the threshold
  std::int64_t half_pairs = 0;                          // 2 for each pair in order, 1 for each tie
  double precision_sum = 0;                             // of average precision, times positives
};

// `copies` [tracks]: how often each track is in the sample.
Pass pass_over(const Ranking& ranking, const std::vector<std::uint32_t>& copies) {
  Pass p;
  std::int64_t tie_positives = 0, tie_all = 0;
  for (std::size_t i = 0; i < ranking.entries.size(); ++i) {
    if (i == ranking.predicted) {
      p.predicted_positives = p.positives;
      p.predicted = p.positives + p.negatives;
    }
    const Ranking::Entry e = ranking.entries[i];
    const std::int64_t count = copies[e.track];
    tie_all += count;
    tie_positives += e.positive * count;
    if (e.ends_tie == 0) continue;
    const std::int64_t tie_negatives = tie_all - tie_positives;
    p.half_pairs += (2 * p.positives + tie_positives) * tie_negatives;
    p.positives += tie_positives;
    p.negatives += tie_negatives;
    if (tie_positives > 0) {
      p.precision_sum += static_cast<double>(tie_positives) * static_cast<double>(p.positives) /
                         static_cast<double>(p.positives + p.negatives);
    }
    tie_positives = tie_all = 0;
  }
  if (ranking.predicted == ranking.entries.size()) {
    p.predicted_positives = p.positives;
    p.predicted = p.positives + p.negatives;
  }
  return p;
}

Values figures_of(const Pass& p) {
  const auto ratio = [](std::int64_t a, std::int64_t b) {
    return static_cast<double>(a) / static_cast<double>(b);
  };
  const std::int64_t tp = p.predicted_positives, fp = p.predicted - tp, fn = p.positives - tp;
  const double accuracy = ratio(tp + p.negatives - fp, p.positives + p.negatives);
  Values values;
  values.fill(kUndefined);
  if (p.positives > 0 && p.negatives > 0) {
    values = {p.predicted > 0 ? ratio(tp, p.predicted) : 0,
              ratio(tp, p.positives),
              ratio(2 * tp, 2 * tp + fp + fn),
              ratio(p.half_pairs, 2 * p.positives * p.negatives),
              p.precision_sum / static_cast<double>(p.positives),
              accuracy};
  }
  values[kAccuracy] = accuracy;
  return values;
}

Values baseline_of(double prevalence) {
  if (prevalence > 0 && prevalence < 1) return {0, 0, 0, 0.5, prevalence, 1 - prevalence};
  Values values;
  values.fill(kUndefined);
  values[kAccuracy] = 1 - prevalence;
  return values;
}

// Over the rows where a figure is defined; NaN if there is none.
Values mean_of(const std::vector<Values>& rows) {
  Values mean;
  for (std::size_t f = 0; f < mean.size(); ++f) {
    double sum = 0, count = 0;
    for (const Values& row : rows) {
      if (std::isnan(row[f])) continue;
      sum += row[f];
      count += 1;
    }
    mean[f] = count > 0 ? sum / count : kUndefined;
  }
  return mean;
}

std::vector<std::uint32_t> resample(std::size_t n, std::uint64_t seed, std::size_t index) {
  std::vector<std::uint32_t> copies(n, 0);
  for (std::size_t i = 0; i < n; i += 4) {
    const Philox4 draw = philox(seed, 0, index, i / 4);
    for (std::size_t j = 0; j < std::min<std::size_t>(4, n - i); ++j) {
      ++copies[static_cast<std::size_t>(uniform_below(draw.word[j], static_cast<std::int64_t>(n)))];
    }
  }
  return copies;
}

// Sets the intervals of one row of figures from its column of the resamples; returns how many of them were
// undefined.
std::int64_t set_intervals(const std::vector<std::vector<Values>>& resamples, std::size_t column,
                           TagFigures& figures) {
  std::int64_t left_out = 0;
  for (std::size_t f = 0; f < kTagFigures.size(); ++f) {
    std::vector<double> values;
    for (const auto& row : resamples) {
      if (!std::isnan(row[column][f])) values.push_back(row[column][f]);
    }
    std::sort(values.begin(), values.end());
    Figure& figure = figures.*kTagFigures[f].member;
    const bool defined = !values.empty() && !std::isnan(figure.value);
    figure.low = defined ? quantile(values, 0.025) : kUndefined;
    figure.high = defined ? quantile(values, 0.975) : kUndefined;
    left_out = std::max(left_out, static_cast<std::int64_t>(resamples.size() - values.size()));
  }
  return left_out;
}

void set_values(TagFigures& figures, const Values& values, const Values& baseline) {
  for (std::size_t f = 0; f < kTagFigures.size(); ++f) {
    figures.*kTagFigures[f].member = {values[f], baseline[f], kUndefined, kUndefined};
  }
}

void check(const TagScores& s) {
  const std::size_t n = s.tracks.size(), tags = s.tags.size();
  require(n > 0 && tags > 0 && n < (std::size_t{1} << 30), "tag_metrics: {} tracks and {} tags", n, tags);
  require(s.scores.size() == n * tags && s.targets.size() == n * tags,
          "tag_metrics: {} scores and {} targets for {} tracks of {} tags", s.scores.size(), s.targets.size(),
          n, tags);
  for (std::size_t i = 0; i < n * tags; ++i) {
    const auto& track = s.tracks[i / tags];
    const auto& tag = s.tags[i % tags];
    if (!std::isfinite(s.scores[i]))
      fail(ErrorKind::input, "{}: the score of tag \"{}\" is {}; scores must be finite", track, tag,
           s.scores[i]);
    if (s.targets[i] > 1)
      fail(ErrorKind::input, "{}: the target of tag \"{}\" is {}; it must be 0 or 1", track, tag,
           s.targets[i]);
  }
}

}  // namespace

TagMetrics tag_metrics(const TagScores& scores, const TagMetricsOptions& options) {
  check(scores);
  const std::size_t n = scores.tracks.size(), tags = scores.tags.size();
  std::vector<Ranking> rankings(tags);
  parallel_for_each(tags, options.threads,
                    [&](std::size_t t) { rankings[t] = rank(scores, t, options.threshold); });

  TagMetrics out;
  out.options = options;
  out.tracks = static_cast<std::int64_t>(n);
  std::vector<Values> values, baselines;
  const std::vector<std::uint32_t> once(n, 1);
  for (std::size_t t = 0; t < tags; ++t) {
    const Pass pass = pass_over(rankings[t], once);
    TagResult tag{scores.tags[t], pass.positives, pass.predicted, 0, 0, {}};
    tag.prevalence = static_cast<double>(pass.positives) / static_cast<double>(n);
    values.push_back(figures_of(pass));
    baselines.push_back(baseline_of(tag.prevalence));
    set_values(tag.figures, values.back(), baselines.back());
    if (pass.positives == 0 || pass.negatives == 0) out.one_class.push_back(tag.tag);
    else if (pass.predicted == 0) out.no_predictions.push_back(tag.tag);
    out.tags.push_back(std::move(tag));
  }
  set_values(out.macro, mean_of(values), mean_of(baselines));

  // [resample][tag], the macro figures after the last tag.
  std::vector<std::vector<Values>> resamples(static_cast<std::size_t>(std::max(0, options.resamples)));
  parallel_for_each(resamples.size(), options.threads, [&](std::size_t r) {
    const auto copies = resample(n, options.seed, r);
    for (const Ranking& ranking : rankings) resamples[r].push_back(figures_of(pass_over(ranking, copies)));
    resamples[r].push_back(mean_of(resamples[r]));
  });
  for (std::size_t t = 0; t < tags; ++t) {
    out.tags[t].resamples_left_out = set_intervals(resamples, t, out.tags[t].figures);
  }
  set_intervals(resamples, tags, out.macro);
  return out;
}

double binary_cross_entropy(const TagScores& scores) {
  double sum = 0;
  for (std::size_t i = 0; i < scores.scores.size(); ++i) {
    const double p = std::clamp(static_cast<double>(scores.scores[i]), 1e-7, 1 - 1e-7);
    sum -= scores.targets[i] != 0 ? std::log(p) : std::log1p(-p);
  }
  return scores.scores.empty() ? 0 : sum / static_cast<double>(scores.scores.size());
}

}  // namespace melgrad
