#include "models/metrics/score_table.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "io/arrays/npz.h"
#include "io/datasets/csv.h"
#include "io/files/encoding.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

bool is_npy(const std::string& path) { return std::filesystem::path(path).extension() == ".npy"; }

template <typename Number>
std::optional<Number> number(std::string_view text) {
  const auto first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string_view::npos ? std::nullopt
                                         : number_in<Number>(text.substr(first, last + 1 - first));
}

// What names the rows or columns: none twice.
void expect_distinct(const std::vector<std::string>& names, const std::string& path, const char* what) {
  std::unordered_set<std::string> seen;
  for (const std::string& name : names)
    if (!seen.insert(name).second) fail(ErrorKind::input, "{}: {} \"{}\" is there twice", path, what, name);
}

// Whether the first column names the tracks.
bool names_tracks(const std::vector<CsvRow>& rows) {
  std::unordered_set<std::int64_t> seen;
  for (const CsvRow& row : rows) {
    if (!number<double>(row.fields[0])) return true;
    const auto id = number<std::int64_t>(row.fields[0]);
    if (!id || !seen.insert(*id).second) seen.clear();  // a score: no set of ids any more
  }
  return seen.size() == rows.size() && rows[0].fields.size() > 1;
}

ScoreTable from_csv(const std::string& path) {
  std::vector<CsvRow> rows = read_csv(path);
  ScoreTable out;
  out.path = path;
  if (!rows.empty()) {
    const auto& first = rows[0].fields;
    if (column_key(first[0]) == "track" ||
        std::any_of(first.begin() + 1, first.end(), [](const auto& f) { return !number<float>(f); })) {
      out.tags.assign(first.begin(), first.end());
      rows.erase(rows.begin());
    }
  }
  if (rows.empty()) fail(ErrorKind::input, "{}: no track in it", path);
  const std::size_t begin = names_tracks(rows) ? 1 : 0;
  if (!out.tags.empty())
    out.tags.erase(out.tags.begin(), out.tags.begin() + static_cast<std::ptrdiff_t>(begin));
  for (const CsvRow& row : rows) {
    if (begin == 1) out.tracks.push_back(row.fields[0]);
    for (std::size_t i = begin; i < row.fields.size(); ++i) {
      const auto value = number<float>(row.fields[i]);
      if (!value) fail(ErrorKind::input, "{}:{}: \"{}\" is no number", path, row.line, row.fields[i]);
      out.values.push_back(*value);
    }
  }
  out.rows = std::ssize(rows);
  out.columns = std::ssize(rows[0].fields) - static_cast<std::int64_t>(begin);
  return out;
}

ScoreTable from_npy(const std::string& path) {
  const NpyArray array = read_npy(path);
  if (array.is_text() || array.shape.size() != 2 || array.numel() == 0)
    fail(ErrorKind::input, "{}: must hold numbers [tracks, tags], and holds {} of {} axes", path,
         array.dtype(), array.shape.size());
  ScoreTable out;
  out.path = path;
  out.rows = array.shape[0];
  out.columns = array.shape[1];
  out.values.resize(static_cast<std::size_t>(array.numel()));
  array.to_float(0, array.numel(), out.values.data());
  return out;
}

// Where each of `names` stands among `others`; by place where either has no names.
std::vector<std::int64_t> places(const std::vector<std::string>& names,
                                 const std::vector<std::string>& others, const ScoreTable& truth,
                                 const ScoreTable& scores, const char* what) {
  std::vector<std::int64_t> out(names.size());
  std::unordered_map<std::string, std::int64_t> at;
  for (std::size_t i = 0; i < others.size(); ++i) at[others[i]] = static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = at.find(names[i]);
    if (found == at.end())
      fail(ErrorKind::input, "{}: {} \"{}\" of {} is not there", scores.path, what, names[i], truth.path);
    out[i] = found->second;
    at.erase(found);
  }
  if (!at.empty())
    fail(ErrorKind::input, "{}: {} \"{}\" of {} is not there", truth.path, what, at.begin()->first,
         scores.path);
  return out;
}

std::vector<std::int64_t> in_order(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

std::vector<std::string> numbered(const char* what, std::int64_t n) {
  std::vector<std::string> out;
  for (std::int64_t i = 1; i <= n; ++i) out.push_back(fmt::format("{} {}", what, i));
  return out;
}

}  // namespace

ScoreTable read_score_table(const std::string& path) {
  ScoreTable out = is_npy(path) ? from_npy(path) : from_csv(path);
  expect_distinct(out.tracks, path, "track");
  expect_distinct(out.tags, path, "tag");
  return out;
}

std::string as_csv(const ScoreTable& table) {
  std::string text = "track";
  for (const std::string& tag : table.tags) text += "," + csv_exact(tag);
  text += '\n';
  const auto columns = static_cast<std::size_t>(table.columns);
  for (std::size_t r = 0; r < table.tracks.size(); ++r) {
    text += csv_exact(table.tracks[r]);
    for (std::size_t c = 0; c < columns; ++c) text += "," + shortest(table.values[r * columns + c]);
    text += '\n';
  }
  return text;
}

std::vector<std::string> read_names(const std::string& path) {
  if (!is_npy(path)) return names_in(decoded_text(read_text_file(path), path), path);
  const NpyArray array = read_npy(path);
  if (!array.is_text()) fail(ErrorKind::input, "{}: must hold texts, and holds {}", path, array.dtype());
  std::vector<std::string> names = array.to_text();
  expect_distinct(names, path, "name");
  return names;
}

std::vector<std::string> names_in(const std::string& text, const std::string& where) {
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  expect_distinct(names, where, "name");
  return names;
}

TagScores scores_beside(const ScoreTable& truth, const ScoreTable& scores,
                        const std::vector<std::string>& tags) {
  if (truth.rows != scores.rows || truth.columns != scores.columns)
    fail(ErrorKind::input, "{}: {} tracks x {} tags, but {} has {} x {}", scores.path, scores.rows,
         scores.columns, truth.path, truth.rows, truth.columns);
  if (!tags.empty() && (!truth.tags.empty() || !scores.tags.empty()))
    fail(ErrorKind::usage, "{}: names its tags itself; no other names go with it",
         truth.tags.empty() ? scores.path : truth.path);
  if (!tags.empty() && std::ssize(tags) != truth.columns)
    fail(ErrorKind::input, "{}: {} tags, but {} names are given", truth.path, truth.columns, tags.size());
  const bool by_track = !truth.tracks.empty() && !scores.tracks.empty(),
             by_tag = !truth.tags.empty() && !scores.tags.empty();
  const auto rows =
      by_track ? places(truth.tracks, scores.tracks, truth, scores, "track") : in_order(truth.rows);
  const auto columns =
      by_tag ? places(truth.tags, scores.tags, truth, scores, "tag") : in_order(truth.columns);
  TagScores out;
  const auto first_of = [](const auto& a, const auto& b, auto otherwise) {
    return !a.empty() ? a : !b.empty() ? b : otherwise;
  };
  out.tracks = first_of(truth.tracks, scores.tracks, numbered("track", truth.rows));
  out.tags = first_of(truth.tags, scores.tags, tags.empty() ? numbered("tag", truth.columns) : tags);
  out.scores.reserve(truth.values.size());
  out.targets.reserve(truth.values.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const float wanted = truth.values[r * columns.size() + c];
      if (wanted != 0 && wanted != 1)
        fail(ErrorKind::input, "{}: track {}, tag {}: a truth is 0 or 1, not {}", truth.path, out.tracks[r],
             out.tags[c], shortest(wanted));
      out.targets.push_back(wanted != 0 ? 1 : 0);
      out.scores.push_back(scores.values[static_cast<std::size_t>(rows[r] * scores.columns + columns[c])]);
    }
  }
  return out;
}

}  // namespace melgrad
