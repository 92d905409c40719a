#include "io/datasets/manifest.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "io/datasets/csv.h"
#include "io/files/encoding.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

// What the columns are called, our own name first.
const Names kPath = {"path", "filepath",   "file_path", "filename",  "file_name",
                     "file", "audio_path", "audio",     "audio_file"};
const Names kLabel = {"label", "genre", "class", "category"};
const Names kLabels = {"labels", "tags", "tag", "genres", "classes", "categories"};

struct Columns {
  std::size_t path = 0, labels = 0;
  std::optional<std::size_t> split;
  std::vector<std::size_t> carried;  // as DataSet::columns
  bool single = false;               // the column is called "label" and the like: a row must have one
};

class HeaderReader {
 public:
  HeaderReader(CsvReader& table, const DataSetOptions& options, DataSet& set)
      : table_(table), options_(options), set_(set) {
    for (std::size_t i = 0; i < table.fields().size(); ++i) {
      names_.push_back(column_key(table.text(i)));
      if (!names_.back().empty() && !at_.emplace(names_.back(), i).second)
        fail(ErrorKind::input, "{}: column \"{}\" stands twice; remove one", table.where(), names_.back());
    }
  }

  Columns columns() {
    Columns c;
    const std::string path = first_of(kPath), labels = label_column();
    if (path.empty() || labels.empty()) {
      fail(ErrorKind::input,
           "{}: the header needs \"path\" and one of \"label\" and \"labels\"; separated by {} it has {}: "
           "rename what is meant",
           table_.where(), table_.separator(), some_names());
    }
    if (path != kPath[0] || (labels != kLabel[0] && labels != kLabels[0]))
      set_.notes.push_back(fmt::format("{}: \"{}\" is read as the path, \"{}\" as the {}", table_.where(),
                                       path, labels, contains(kLabel, labels) ? kLabel[0] : kLabels[0]));
    c.path = at_[path];
    c.labels = at_[labels];
    c.single = contains(kLabel, labels);
    if (at_.contains("split")) c.split = at_["split"];
    for (const auto& [name, position] : at_)
      if (name != path && name != labels && name != "split") add_other(name, position, c);
    if (!unused_.empty())
      set_.notes.push_back(fmt::format("{}: not used: {}", table_.where(), joined(unused_)));
    return c;
  }

 private:
  static bool contains(const Names& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  std::string first_of(const Names& names) const {
    const auto found = std::find_if(names.begin(), names.end(), [&](auto& n) { return at_.contains(n); });
    return found == names.end() ? "" : *found;
  }

  // "label" or "labels", else the one column with another name for it; "" if there is none, or both.
  std::string label_column() const {
    if (at_.contains("label") != at_.contains("labels")) return at_.contains("label") ? "label" : "labels";
    if (at_.contains("label")) return "";
    Names found;
    for (const Names* names : {&kLabel, &kLabels})
      for (const std::string& name : *names)
        if (at_.contains(name)) found.push_back(name);
    if (found.size() > 1)
      fail(ErrorKind::input,
           "{}: {} could all be the label; call the one that counts \"label\" or \"labels\"", table_.where(),
           joined(found));
    return found.empty() ? "" : found[0];
  }

  void add_other(const std::string& name, std::size_t position, Columns& c) {
    set_.ignored.push_back("column \"" + name + "\"");
    const bool carried = name == column_key(options_.group) ||
                         std::find(std::begin(kColumns), std::end(kColumns), name) != std::end(kColumns);
    if (carried) {
      set_.columns.push_back(name);
      c.carried.push_back(position);
    } else if (!name.empty()) {
      unused_.push_back("column \"" + name + "\"");
    }
  }

  std::string some_names() const {
    constexpr std::size_t kShown = 8;
    const std::string names = joined({names_.begin(), names_.begin() + std::min(names_.size(), kShown)});
    return names_.size() > kShown ? fmt::format("{} and {} more", names, names_.size() - kShown) : names;
  }

  CsvReader& table_;
  const DataSetOptions& options_;
  DataSet& set_;
  Names names_, unused_;
  std::map<std::string, std::size_t> at_;
};

// How the texts of the label column hold labels.
struct LabelStyle {
  char separator = ';';
  bool lists = false;  // ['a', 'b']
  std::string note;
};

LabelStyle label_style(const Names& texts, bool single) {
  constexpr std::string_view kOthers = "|,/";
  std::size_t labelled = 0, lists = 0;
  std::array<std::size_t, kOthers.size()> holding{};
  for (const std::string& text : texts) {
    if (text.find(';') != std::string::npos) return {};
    labelled += text.empty() ? 0 : 1;
    lists += text.starts_with('[') && text.ends_with(']') ? 1 : 0;
    for (std::size_t i = 0; i < kOthers.size(); ++i) holding[i] += text.find(kOthers[i]) != std::string::npos;
  }
  const bool several = !single;
  if (labelled == 0) return {};
  if (several && lists == labelled) return {',', true, "labels are read as lists, ['a', 'b']"};
  for (std::size_t i = 0; i < kOthers.size(); ++i) {
    if (holding[i] == 0) continue;
    // | stands in no label; the others do: "Folk, World, & Country", "R&B/Soul".
    const bool most = holding[i] * 2 > labelled;
    if (several && (kOthers[i] == '|' || (kOthers[i] == ',' && most)))
      return {kOthers[i], false,
              fmt::format("no label holds \";\", {} of {} hold \"{}\": they are read as several labels, "
                          "separated by \"{}\"",
                          holding[i], labelled, kOthers[i], kOthers[i])};
    if (most || kOthers[i] == '|' || (several && kOthers[i] == ','))
      return {
          ';', false,
          fmt::format("no label holds \";\", {} of {} hold \"{}\": each is read as one label; for several "
                      "separate them by \";\"{}",
                      holding[i], labelled, kOthers[i], single ? " in a column \"labels\"" : "")};
  }
  return {};
}

std::string_view stripped(std::string_view text, std::string_view of) {
  const std::size_t first = std::min(text.find_first_not_of(of), text.size());
  return text.substr(first, text.find_last_not_of(of) + 1 - first);
}

Names split_labels(std::string_view text, const LabelStyle& style) {
  if (style.lists) text = text.substr(1, text.size() - 2);
  Names labels;
  std::unordered_set<std::string_view> seen;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(style.separator, from), text.size());
    std::string_view label = stripped(text.substr(from, to - from), " ");
    if (style.lists) label = stripped(label, "'\"");
    if (!label.empty() && seen.insert(label).second) labels.emplace_back(label);
    from = to + 1;
  }
  return labels;
}

// The file that a row names: as it stands, or, where there is no such file, as it was meant: without blanks
// around it, with / for \, in another encoding.
fs::path file_of(const std::string& stated, const fs::path& root) {
  std::string text(stripped(stated, " \t"));
  const bool odd = text.size() != stated.size() || text.find('\\') != std::string::npos || !is_utf8(text);
  std::error_code error;
  if (!odd || fs::exists(root / stated, error)) return stated;
  std::replace(text.begin(), text.end(), '\\', '/');
  if (is_utf8(text) || fs::exists(root / text, error)) return text;
  const std::string converted = from_windows_1252(text);
  return fs::exists(root / converted, error) ? converted : text;
}

class ManifestReader {
 public:
  ManifestReader(const fs::path& path, const DataSetOptions& options) : table_(path) {
    set_.root = path.parent_path();
    if (!table_.next()) no_rows(path);
    columns_ = HeaderReader(table_, options, set_).columns();
    while (table_.next()) add_row();
    if (set_.tracks.empty()) no_rows(path);
    set_labels(path.string());
    if (std::string note = table_.encoding_note(); !note.empty()) set_.notes.push_back(std::move(note));
  }
  DataSet take() { return std::move(set_); }

 private:
  [[noreturn]] static void no_rows(const fs::path& path) {
    fail(ErrorKind::input, "{}: no rows; expected path,label,split", path.string());
  }

  void add_row() {
    const fs::path file = file_of(table_.fields()[columns_.path], set_.root).lexically_normal();
    if (file.empty()) fail(ErrorKind::input, "{}: the path is empty; name a file", table_.where());
    Track track{set_.root / file, file.generic_string(), {}, ""};
    if (columns_.split) track.split = split_stated(table_.text(*columns_.split), table_.where());
    for (const std::size_t c : columns_.carried) track.columns.push_back(table_.text(c));
    const auto [first, is_new] = line_of_.emplace(track.name, table_.line());
    if (!is_new)
      fail(ErrorKind::input, "{}: {} is listed before in line {}; remove one", table_.where(), track.name,
           first->second);
    labels_.push_back(table_.text(columns_.labels));
    if (columns_.single && stripped(labels_.back(), " ;").empty())
      fail(ErrorKind::input, "{}: no label; name one, or call the column \"labels\"", table_.where());
    set_.tracks.push_back(std::move(track));
  }

  void set_labels(const std::string& path) {
    const LabelStyle style = label_style(labels_, columns_.single);
    if (!style.note.empty()) set_.notes.push_back(path + ": " + style.note);
    std::set<std::string> classes;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      set_.tracks[i].labels = split_labels(labels_[i], style);
      classes.insert(set_.tracks[i].labels.begin(), set_.tracks[i].labels.end());
    }
    if (classes.empty()) fail(ErrorKind::input, "{}: no track has a label", path);
    set_.classes.assign(classes.begin(), classes.end());
  }

  CsvReader table_;
  DataSet set_;
  Columns columns_;
  Names labels_;  // as they stand, row by row
  std::unordered_map<std::string, std::size_t> line_of_;
};

}  // namespace

DataSet open_manifest(const fs::path& path, const DataSetOptions& options) {
  return ManifestReader(path, options).take();
}

const std::vector<std::string>& names_of_paths() { return kPath; }

std::string split_stated(const std::string& text, const std::string& where) {
  std::string split = split_called(text);
  // "dev" is what is trained on to some and what is validated on to others.
  if (text.empty() || (!split.empty() && !column_key(text).starts_with("dev"))) return split;
  fail(ErrorKind::input, "{}: split \"{}\"; it must be train, valid, test or empty", where, text);
}

}  // namespace melgrad
