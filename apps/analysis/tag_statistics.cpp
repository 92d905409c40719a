#include "apps/analysis/tag_statistics.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>

#include "apps/terminal/text_table.h"
#include "io/files/json.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

std::vector<TagPair> pairs_of(const TagStatistics& s) {
  const std::size_t tags = s.tags.size();
  const auto n = static_cast<double>(s.clips);
  std::vector<TagPair> pairs;
  for (std::size_t i = 0; i < tags; ++i) {
    for (std::size_t j = i + 1; j < tags; ++j) {
      const auto a = static_cast<double>(s.counts[i]), b = static_cast<double>(s.counts[j]);
      const std::int64_t both = s.together[i * tags + j];
      const double spread = std::sqrt(a * (n - a) * b * (n - b)), pairs_seen = n * static_cast<double>(both);
      if (spread > 0) pairs.push_back({i, j, both, pairs_seen / (a * b), (pairs_seen - a * b) / spread});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.phi > b.phi; });
  return pairs;
}

void count(const DataSet& set, TagStatistics& s) {
  const std::size_t tags = set.classes.size();
  s.counts.assign(tags, 0);
  s.together.assign(tags * tags, 0);
  std::vector<std::size_t> of_clip;
  const ClassIndex index(set.classes);
  for (const Track& track : set.tracks) {
    of_clip.clear();
    for (const std::string& label : track.labels) of_clip.push_back(index(label));
    if (of_clip.size() >= s.tags_per_clip.size()) s.tags_per_clip.resize(of_clip.size() + 1, 0);
    ++s.tags_per_clip[of_clip.size()];
    for (const std::size_t a : of_clip) {
      ++s.counts[a];
      for (const std::size_t b : of_clip) ++s.together[a * tags + b];
    }
  }
}

double mean_tags(const TagStatistics& s) {
  return static_cast<double>(std::accumulate(s.counts.begin(), s.counts.end(), std::int64_t{0})) /
         static_cast<double>(s.clips);
}

// Of pairs by falling phi: the first with phi > 0, the last with phi < 0.
std::vector<TagPair> attracting(const std::vector<TagPair>& pairs) {
  return {pairs.begin(), std::partition_point(pairs.begin(), pairs.end(), [](auto& p) { return p.phi > 0; })};
}
std::vector<TagPair> avoiding(const std::vector<TagPair>& pairs) {
  return {pairs.rbegin(), std::make_reverse_iterator(std::partition_point(
                              pairs.begin(), pairs.end(), [](auto& p) { return p.phi >= 0; }))};
}

std::string two_decimals(double value) { return std::isnan(value) ? "-" : fmt::format("{:.2f}", value); }

std::string tags_per_clip_line(const TagStatistics& s) {
  constexpr std::size_t kListed = 7;
  std::string out = "clips by number of tags:";
  const auto add = [&out](std::size_t tags, const char* more, std::int64_t clips) {
    if (clips > 0) out += fmt::format("  {}{}: {}", tags, more, clips);
  };
  std::int64_t rest = 0;
  for (std::size_t k = 0; k < s.tags_per_clip.size(); ++k) {
    if (k < kListed) add(k, "", s.tags_per_clip[k]);
    else rest += s.tags_per_clip[k];
  }
  add(kListed, " or more", rest);
  return out + "\n";
}

std::string tag_table(const TagStatistics& s, std::size_t top) {
  const auto order = s.by_count();
  TextRows rows = {{"tag", "clips", "share"}};
  for (std::size_t i = 0; i < std::min(top, order.size()); ++i) {
    rows.push_back({s.tags[order[i]], std::to_string(s.counts[order[i]]),
                    fmt::format("{:.1f} %", 100 * s.prevalence(order[i]))});
  }
  return align(rows) + more(order.size() - (rows.size() - 1), "tags");
}

std::string conditional_table(const TagStatistics& s, std::size_t top) {
  constexpr std::size_t kFit = 10;  // columns beside the name of a tag
  const auto order = s.by_count();
  const std::size_t shown = std::min({top, kFit, order.size()});
  TextRows rows = {{"P(column | row)"}};
  for (std::size_t c = 0; c < shown; ++c) rows[0].push_back(fmt::format("{:.6}", s.tags[order[c]]));
  for (std::size_t r = 0; r < shown; ++r) {
    rows.push_back({s.tags[order[r]]});
    for (std::size_t c = 0; c < shown; ++c)
      rows.back().push_back(r == c ? "·" : two_decimals(s.conditional(order[r], order[c])));
  }
  return align(rows) + more(order.size() - shown, "tags");
}

std::string pair_table(const TagStatistics& s, const char* title, const std::vector<TagPair>& pairs,
                       std::size_t top) {
  TextRows rows = {{title, "a", "b", "both", "P(b | a)", "P(a | b)", "lift", "phi"}};
  for (std::size_t i = 0; i < std::min(top, pairs.size()); ++i) {
    const TagPair& p = pairs[i];
    rows.push_back({fmt::format("{} + {}", s.tags[p.a], s.tags[p.b]), std::to_string(s.counts[p.a]),
                    std::to_string(s.counts[p.b]), std::to_string(p.both),
                    two_decimals(s.conditional(p.a, p.b)), two_decimals(s.conditional(p.b, p.a)),
                    two_decimals(p.lift), two_decimals(p.phi)});
  }
  return align(rows) + more(pairs.size() - (rows.size() - 1), "pairs");
}

nlohmann::ordered_json pairs_json(const TagStatistics& s, const std::vector<TagPair>& pairs,
                                  std::size_t top) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < std::min(top, pairs.size()); ++i) {
    const TagPair& p = pairs[i];
    list.push_back(
        {{"tags", {s.tags[p.a], s.tags[p.b]}}, {"clips", p.both}, {"lift", p.lift}, {"phi", p.phi}});
  }
  return {{"total", pairs.size()}, {"first", list}};
}

}  // namespace

double TagStatistics::conditional(std::size_t row, std::size_t column) const {
  if (counts[row] == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(together[row * tags.size() + column]) / static_cast<double>(counts[row]);
}

std::vector<std::size_t> TagStatistics::by_count() const {
  std::vector<std::size_t> order(tags.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return counts[a] > counts[b]; });
  return order;
}

TagStatistics tag_statistics(const DataSet& set) {
  constexpr std::size_t kMostTags = 5000;  // every two of them are counted: 25 million pairs take half a GB
  if (set.classes.size() > kMostTags)
    fail(ErrorKind::input, "{}: has {} tags; analyze compares every two and takes {} at most",
         set.root.string(), set.classes.size(), kMostTags);
  TagStatistics s;
  s.clips = static_cast<std::int64_t>(set.tracks.size());
  s.tags = set.classes;
  count(set, s);
  s.pairs = pairs_of(s);
  return s;
}

TagStatistics tag_statistics(const nlohmann::ordered_json& json) {
  TagStatistics s;
  s.clips = count_of(json.at("clips"));
  json.at("tags").get_to(s.tags);
  s.tags_per_clip = counts_of(json.at("tags_per_clip"));
  for (std::size_t r = 0; r < s.tags.size(); ++r) {
    s.counts.push_back(count_of(json.at("counts").at(r)));
    for (std::size_t c = 0; c < s.tags.size(); ++c)
      s.together.push_back(count_of(json.at("together").at(r).at(c)));
  }
  s.pairs = pairs_of(s);
  return s;
}

nlohmann::ordered_json as_json(const TagStatistics& s, std::size_t top) {
  const std::size_t tags = s.tags.size();
  nlohmann::ordered_json out = {{"clips", s.clips},
                                {"mean_tags_per_clip", mean_tags(s)},
                                {"tags_per_clip", s.tags_per_clip},
                                {"tags", s.tags},
                                {"counts", s.counts}};
  for (std::size_t r = 0; r < tags; ++r) {
    out["prevalence"].push_back(s.prevalence(r));
    auto &together = out["together"][r], &conditional = out["probability_of_column_given_row"][r];
    for (std::size_t c = 0; c < tags; ++c) {
      together.push_back(s.together[r * tags + c]);
      const double p = s.conditional(r, c);
      conditional.push_back(std::isnan(p) ? nlohmann::ordered_json() : nlohmann::ordered_json(p));
    }
  }
  out["attracting"] = pairs_json(s, attracting(s.pairs), top);
  out["avoiding"] = pairs_json(s, avoiding(s.pairs), top);
  return out;
}

std::string as_table(const TagStatistics& s, std::size_t top) {
  std::string out =
      fmt::format("{} clips, {} tags, {:.2f} tags a clip\n", s.clips, s.tags.size(), mean_tags(s));
  out += fmt::format("{}\n", tags_per_clip_line(s));
  out += tag_table(s, top);
  if (s.tags_per_clip.size() <= 2) return out;  // one tag a clip: nothing comes together
  out += fmt::format("\n{}", conditional_table(s, top));
  const auto close = attracting(s.pairs), far = avoiding(s.pairs);
  if (!close.empty()) out += fmt::format("\n{}", pair_table(s, "found together", close, top));
  if (!far.empty()) out += fmt::format("\n{}", pair_table(s, "found apart", far, top));
  return out;
}

}  // namespace melgrad
