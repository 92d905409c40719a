#include "io/datasets/column_table.h"

#include <algorithm>

#include "io/datasets/csv.h"
#include "io/datasets/manifest.h"
#include "io/datasets/split.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// Where the names, the split and all else stand in a row.
struct Places {
  std::size_t name = 0;
  std::optional<std::size_t> split;
  std::vector<std::size_t> others;
};

Places places_in(CsvReader& table, AttachedColumns& out) {
  std::vector<std::string> header;
  for (std::size_t i = 0; i < table.fields().size(); ++i) header.push_back(column_key(table.text(i)));
  std::vector<std::string> known = names_of_paths();
  known.insert(known.end(), {"name", "track", "track_id", "id"});
  std::string named;
  for (const std::string& name : known)
    if (named.empty() && std::find(header.begin(), header.end(), name) != header.end()) named = name;
  if (named.empty())
    fail(ErrorKind::input,
         "{}: no column names the tracks: one of \"path\" and \"name\" is needed, it has {}", table.where(),
         joined(header));
  Places places;
  places.name = static_cast<std::size_t>(std::find(header.begin(), header.end(), named) - header.begin());
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (i == places.name || header[i].empty()) continue;
    if (std::count(header.begin(), header.end(), header[i]) > 1)
      fail(ErrorKind::input, "{}: column \"{}\" stands twice; remove one", table.where(), header[i]);
    if (header[i] == "split") {
      places.split = i;
    } else {
      places.others.push_back(i);
      out.columns.push_back(header[i]);
    }
  }
  if (!places.split && places.others.empty())
    fail(ErrorKind::input, "{}: has no column beside \"{}\": nothing to attach", table.where(), named);
  return places;
}

}  // namespace

TrackNames::TrackNames(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    exact_.emplace(names[i], i);
    const auto [at, fresh] = bare_.emplace(name_in_lists(names[i]), i);
    if (!fresh) at->second.reset();  // of two tracks
  }
}

std::optional<std::size_t> TrackNames::find(const std::string& name) const {
  if (const auto exact = exact_.find(name); exact != exact_.end()) return exact->second;
  const auto bare = bare_.find(name_in_lists(name));
  return bare == bare_.end() ? std::nullopt : bare->second;
}

AttachedColumns attached_columns(const std::filesystem::path& path, const std::vector<std::string>& names) {
  CsvReader table(path);
  if (!table.next()) fail(ErrorKind::input, "{}: no rows; expected path and columns", path.string());
  AttachedColumns out;
  const Places places = places_in(table, out);
  out.values.assign(names.size(), std::vector<std::string>(out.columns.size()));
  if (places.split) out.splits.resize(names.size());
  const TrackNames tracks(names);
  std::vector<std::size_t> line_of(names.size());  // 0: no row yet
  std::size_t unknown = 0;
  std::string first_unknown;
  while (table.next()) {
    const std::string name = table.text(places.name);
    const auto track = tracks.find(name);
    if (!track) {
      if (unknown++ == 0) first_unknown = fmt::format("{} in line {}", name, table.line());
      continue;
    }
    if (line_of[*track] != 0)
      fail(ErrorKind::input, "{}: {} is named before in line {}; remove one", table.where(), names[*track],
           line_of[*track]);
    line_of[*track] = table.line();
    for (std::size_t i = 0; i < places.others.size(); ++i)
      out.values[*track][i] = table.text(places.others[i]);
    if (places.split) out.splits[*track] = split_stated(table.text(*places.split), table.where());
  }
  const auto without = static_cast<std::size_t>(std::count(line_of.begin(), line_of.end(), 0U));
  if (without == names.size())
    fail(ErrorKind::input, "{}: names none of the {} tracks, whose first is {}; its own first is {}",
         path.string(), names.size(), names.empty() ? "none" : names[0],
         first_unknown.empty() ? "none" : first_unknown);
  if (unknown > 0)
    out.notes.push_back(fmt::format("{}: {} of its tracks are not in the data (the first: {})", path.string(),
                                    unknown, first_unknown));
  if (without > 0)
    out.notes.push_back(fmt::format(
        "{}: has no row for {} of {} tracks (the first: {})", path.string(), without, names.size(),
        names[static_cast<std::size_t>(std::find(line_of.begin(), line_of.end(), 0U) - line_of.begin())]));
  if (std::string note = table.encoding_note(); !note.empty()) out.notes.push_back(std::move(note));
  return out;
}

void expect_new_columns(const std::vector<std::string>& there, bool has_splits, const AttachedColumns& more,
                        const std::filesystem::path& path) {
  if (has_splits && !more.splits.empty())
    fail(ErrorKind::usage, "{}: column \"split\": the data set has a split already; remove one",
         path.string());
  for (const std::string& column : more.columns)
    if (std::find(there.begin(), there.end(), column) != there.end())
      fail(ErrorKind::usage, "{}: column \"{}\" is in the data set already; remove or rename one",
           path.string(), column);
}

}  // namespace melgrad
