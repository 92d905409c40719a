// Columns that are attached to a data set's tracks from a table beside it: which recording, artist or fold
// they are of, or their split. A header row; one column names the tracks ("path", "file", "name", "track",
// ...), a column "split" is their split, all others are taken along. Names go together as they stand, else
// without folder and extension, where that is clear (TrackNames).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace melgrad {

// Tracks by their names, and by what lists of names compare (name_in_lists, io/datasets/split.h).
class TrackNames {
 public:
  explicit TrackNames(const std::vector<std::string>& names);
  // Its place; nothing where no track, or where two could be meant.
  std::optional<std::size_t> find(const std::string& name) const;

 private:
  std::map<std::string, std::size_t> exact_;
  std::map<std::string, std::optional<std::size_t>> bare_;
};

struct AttachedColumns {
  std::vector<std::string> columns;              // their names, in lower case
  std::vector<std::vector<std::string>> values;  // [tracks][columns], "" where the table has no row
  std::vector<std::string> splits;               // [tracks] "train", "valid", "test" or ""; empty: no column
  std::vector<std::string> notes;                // tracks that the table, or the data, lack
};

// For tracks of these names. Throws Error (input), the file and line first, for a table without a column of
// names or with nothing else, a split of another name, a track that two rows name, and where no row names a
// track.
AttachedColumns attached_columns(const std::filesystem::path& path, const std::vector<std::string>& names);

// The same to anything that has items with a name, a split and columns: a Cache, a DataSet. Throws Error
// (usage) for a column that is there already. Returns the notes.
template <class Set, class Items>
std::vector<std::string> attach_columns(Set& set, Items Set::*items, const std::filesystem::path& path);

void expect_new_columns(const std::vector<std::string>& there, bool has_splits, const AttachedColumns& more,
                        const std::filesystem::path& path);

template <class Set, class Items>
std::vector<std::string> attach_columns(Set& set, Items Set::*items, const std::filesystem::path& path) {
  std::vector<std::string> names;
  bool splits = false;
  for (const auto& item : set.*items) {
    names.push_back(item.name);
    splits = splits || !item.split.empty();
  }
  AttachedColumns more = attached_columns(path, names);
  expect_new_columns(set.columns, splits, more, path);
  set.columns.insert(set.columns.end(), more.columns.begin(), more.columns.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto& item = (set.*items)[i];
    item.columns.insert(item.columns.end(), more.values[i].begin(), more.values[i].end());
    if (!more.splits.empty()) item.split = more.splits[i];
  }
  return more.notes;
}

}  // namespace melgrad
