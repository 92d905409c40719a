#include "io/datasets/mtat_tables.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "io/datasets/tsv.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Clips by id and by path, each once.
class ClipList {
 public:
  explicit ClipList(MtatTables& tables) : tables_(tables) {}

  // Adds the row's clip, or lists why not.
  bool add(std::string_view id, std::string path, const std::string& where) {
    const auto value = number_in<std::int64_t>(id);
    if (!value || *value < 0) return refuse(where, fmt::format("clip_id \"{}\" is no number", id));
    if (path.empty()) return refuse(where, fmt::format("clip {} has no mp3_path", id));
    if (!ids_.insert(*value).second) return refuse(where, fmt::format("clip {} is there twice", id));
    if (!paths_.insert(path).second) return refuse(where, fmt::format("{} is there twice", path));
    tables_.clips.push_back({*value, std::move(path)});
    return true;
  }
  bool refuse(const std::string& where, std::string reason) {
    tables_.skipped.push_back({where, std::move(reason)});
    return false;
  }

 private:
  MtatTables& tables_;
  std::unordered_set<std::int64_t> ids_;
  std::unordered_set<std::string> paths_;
};

// "annotations_final.csv:17", without the folder.
std::string short_place(const TsvReader& table) { return fs::path(table.where()).filename().string(); }

std::string wrong_width(std::size_t fields, std::size_t columns) {
  return fmt::format("{} fields, the header has {}", fields, columns);
}

// The columns that hold tags; their names go to `tags`.
std::vector<std::size_t> tag_columns(const TsvReader& table, std::size_t id, std::size_t path,
                                     std::vector<std::string>& tags) {
  std::vector<std::size_t> columns;
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < table.fields().size(); ++i) {
    if (i == id || i == path) continue;
    tags.push_back(TsvReader::text_of(table.fields()[i]));
    columns.push_back(i);
    if (!seen.insert(tags.back()).second) {
      fail(ErrorKind::input, "{}: column \"{}\" stands twice; remove one", table.where(), tags.back());
    }
  }
  if (tags.empty()) fail(ErrorKind::input, "{}: no column of a tag", table.where());
  return columns;
}

// One row of labels; the column of the first value that is neither 0 nor 1, if any.
std::optional<std::size_t> add_labels(const std::vector<std::string_view>& fields,
                                      const std::vector<std::size_t>& columns,
                                      std::vector<std::uint8_t>& positive) {
  for (const std::size_t c : columns) {
    if (fields[c] != "0" && fields[c] != "1") return c;
    positive.push_back(fields[c] == "1" ? 1 : 0);
  }
  return std::nullopt;
}

// "[0.0, 1.0]" -> 0, 1; nothing if a value is neither.
std::optional<std::vector<std::uint8_t>> label_row(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::uint8_t> labels;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    from = std::min(text.find_first_not_of(' ', from), to);
    const auto value = number_in<double>(text.substr(from, to - from));
    if (!value || (*value != 0 && *value != 1)) return std::nullopt;
    labels.push_back(*value == 1 ? 1 : 0);
    from = to + 1;
  }
  return labels;
}

std::vector<std::string> quoted_words(const fs::path& path) {
  if (!fs::exists(path))
    fail(ErrorKind::input, "{}: cannot be read; it names the tags of the label lists", path.string());
  const std::string text = read_text_file(path);
  std::vector<std::string> words;
  for (std::size_t at = text.find_first_of("'\""); at != std::string::npos;) {
    const std::size_t end = text.find(text[at], at + 1);
    if (end == std::string::npos || text.find('\n', at) < end) {
      fail(ErrorKind::input, "{}: a quote is not closed in its line; add the missing one", path.string());
    }
    words.push_back(text.substr(at + 1, end - at - 1));
    at = text.find_first_of("'\"", end + 1);
  }
  if (words.empty()) fail(ErrorKind::input, "{}: no tag names in quotes", path.string());
  return words;
}

using LabelRows = std::unordered_map<std::int64_t, std::vector<std::uint8_t>>;

LabelRows read_label_rows(const fs::path& folder, MtatTables& tables) {
  LabelRows rows;
  for (const char* name : {"train_gt_mtt.tsv", "val_gt_mtt.tsv", "test_gt_mtt.tsv"}) {
    if (!fs::exists(folder / name)) continue;
    for (TsvReader table(folder / name); table.next();) {
      const auto& fields = table.fields();
      const auto refuse = [&](const std::string& why) {
        tables.skipped.push_back({short_place(table), why});
      };
      const auto id = number_in<std::int64_t>(fields[0]);
      auto labels = fields.size() == 2 ? label_row(fields[1]) : std::nullopt;
      if (!id || !labels) {
        refuse("not a clip's number, a tab and [0.0, 1.0, ...]");
      } else if (labels->size() != tables.tags.size()) {
        refuse(fmt::format("{} values for {} tags", labels->size(), tables.tags.size()));
      } else if (!rows.emplace(*id, std::move(*labels)).second) {
        refuse(fmt::format("clip {} is there twice", *id));
      }
    }
  }
  if (rows.empty()) {
    fail(ErrorKind::input, "{}: no labels in train_gt_mtt.tsv, val_gt_mtt.tsv or test_gt_mtt.tsv",
         folder.string());
  }
  return rows;
}

// The two times in a clip's name: where they begin, and seconds.
struct Times {
  std::size_t at;
  double start, end;
};

std::optional<Times> times_in(std::string_view path) {
  const std::string_view stem = path.substr(0, path.rfind('.'));
  const std::size_t second = stem.rfind('-');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const std::size_t first = stem.rfind('-', second - 1);
  if (first == std::string_view::npos) return std::nullopt;
  const auto start = number_in<double>(stem.substr(first + 1, second - first - 1)),
             end = number_in<double>(stem.substr(second + 1));
  return start && end ? std::optional(Times{first, *start, *end}) : std::nullopt;
}

// Artist, or what stands in for it, and length.
MtatClipInfo info_of(std::string_view artist, std::string_view album, std::string_view url,
                     std::string_view start, std::string_view end) {
  MtatClipInfo info{TsvReader::text_of(artist)};
  info.has_artist = !info.group.empty();
  if (info.group.empty() && !album.empty()) info.group = "album: " + TsvReader::text_of(album);
  if (info.group.empty() && !url.empty()) info.group = "url: " + TsvReader::text_of(url);
  const auto from = number_in<double>(start), to = number_in<double>(end);
  if (from && to) info.seconds = std::max(0.0, *to - *from);
  return info;
}

}  // namespace

MtatTables read_annotations(const fs::path& path) {
  MtatTables tables;
  ClipList clips(tables);
  TsvReader table(path);
  if (!table.next()) fail(ErrorKind::input, "{}: no header; expected clip_id, tags, mp3_path", path.string());
  const std::size_t id = table.column("clip_id"), mp3 = table.column("mp3_path");
  const std::size_t width = table.fields().size();
  const std::vector<std::size_t> columns = tag_columns(table, id, mp3, tables.tags);
  while (table.next()) {
    const auto& fields = table.fields();
    const std::size_t before = tables.positive.size();
    if (fields.size() != width) {
      clips.refuse(short_place(table), wrong_width(fields.size(), width));
    } else if (const auto wrong = add_labels(fields, columns, tables.positive); wrong) {
      const auto tag = std::find(columns.begin(), columns.end(), *wrong) - columns.begin();
      clips.refuse(short_place(table),
                   fmt::format("\"{}\" in column \"{}\" is neither 0 nor 1", fields[*wrong],
                               tables.tags[static_cast<std::size_t>(tag)]));
      tables.positive.resize(before);
    } else if (!clips.add(fields[id], TsvReader::text_of(fields[mp3]), short_place(table))) {
      tables.positive.resize(before);
    }
  }
  if (tables.clips.empty()) fail(ErrorKind::input, "{}: no row that can be used", path.string());
  return tables;
}

MtatTables read_label_lists(const fs::path& folder) {
  MtatTables all, labelled;
  all.tags = quoted_words(folder / "output_labels_mtt.txt");
  ClipList clips(all);
  for (TsvReader table(folder / "index_mtt.tsv"); table.next();) {
    const auto& fields = table.fields();
    if (fields.size() != 2) {
      clips.refuse(short_place(table), "not a clip's number, a tab and its path");
    } else {
      clips.add(fields[0], TsvReader::text_of(fields[1]), short_place(table));
    }
  }
  LabelRows rows = read_label_rows(folder, all);
  labelled.tags = std::move(all.tags);
  labelled.ranked = true;
  std::string first;
  for (MtatClip& clip : all.clips) {
    const auto row = rows.find(clip.id);
    if (row == rows.end()) {
      if (first.empty()) first = clip.path;
      continue;
    }
    labelled.positive.insert(labelled.positive.end(), row->second.begin(), row->second.end());
    labelled.clips.push_back(std::move(clip));
    rows.erase(row);
  }
  labelled.skipped = std::move(all.skipped);
  for (const auto& [id, labels] : rows) {
    labelled.skipped.push_back({fmt::format("clip {}", id), "has labels but is not in index_mtt.tsv"});
  }
  if (const std::size_t without = all.clips.size() - labelled.clips.size(); without > 0) {
    labelled.notes.push_back(
        fmt::format("{} of {} clips have no row of labels and are left out (the first: {})", without,
                    all.clips.size(), first));
  }
  return labelled;
}

std::unordered_map<std::int64_t, MtatClipInfo> read_clip_info(const fs::path& path,
                                                              std::vector<LeftOut>& skipped) {
  TsvReader table(path);
  if (!table.next()) fail(ErrorKind::input, "{}: no header; expected clip_id, artist, ...", path.string());
  const std::size_t width = table.fields().size(), id = table.column("clip_id"),
                    artist = table.column("artist"), album = table.column("album"), url = table.column("url"),
                    start = table.column("segmentStart"), end = table.column("segmentEnd");
  std::unordered_map<std::int64_t, MtatClipInfo> info;
  while (table.next()) {
    const auto& f = table.fields();
    const auto refuse = [&](std::string why) { skipped.push_back({short_place(table), std::move(why)}); };
    if (f.size() != width) {
      refuse(wrong_width(f.size(), width));
    } else if (const auto clip = number_in<std::int64_t>(f[id]); !clip) {
      refuse(fmt::format("clip_id \"{}\" is no number", f[id]));
    } else if (!info.emplace(*clip, info_of(f[artist], f[album], f[url], f[start], f[end])).second) {
      refuse(fmt::format("clip {} is there twice", *clip));
    }
  }
  return info;
}

double seconds_in_name(const std::string& path) {
  const auto times = times_in(path);
  return times ? std::max(0.0, times->end - times->start) : 0;
}

std::string track_of(const std::string& path) {
  const auto times = times_in(path);
  return times ? path.substr(0, times->at) : path;
}

}  // namespace melgrad
