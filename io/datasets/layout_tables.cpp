#include "io/datasets/layout_tables.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "io/datasets/csv.h"
#include "io/datasets/table_set.h"
#include "io/datasets/tsv.h"
#include "io/files/json.h"
#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

bool digits_only(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

fs::path first_file(const std::vector<fs::path>& candidates) {
  std::error_code error;
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const fs::path& file) { return fs::is_regular_file(file, error); });
  return found == candidates.end() ? fs::path() : *found;
}

std::vector<std::string> one_label(std::string label) {
  return label.empty() ? std::vector<std::string>{} : std::vector<std::string>{std::move(label)};
}

// ---- FMA --------------------------------------------------------------------------------------------------

// The folder with 000 to 155: this one, or one beside fma_metadata in it.
fs::path fma_audio(const fs::path& folder) {
  std::vector<fs::path> folders = visible_folders(folder);
  if (all_numbered(folders, 3)) return folder;
  if (first_file({folder / "fma_metadata" / "tracks.csv"}).empty()) return {};
  std::erase_if(folders, [](const fs::path& f) { return !all_numbered(visible_folders(f), 3); });
  if (folders.size() > 1)
    fail(ErrorKind::input, "{}: FMA's audio is in {}: give one of them", folder.string(),
         quoted_names(folders));
  return folders.empty() ? fs::path() : folders[0];
}

fs::path fma_table(const fs::path& audio) {
  const fs::path above = folder_above(audio), further = folder_above(above);
  const fs::path table = first_file({audio / "tracks.csv", audio / "fma_metadata" / "tracks.csv",
                                     above / "fma_metadata" / "tracks.csv", above / "tracks.csv",
                                     further / "fma_metadata" / "tracks.csv"});
  return !table.empty() && is_fma_table(table) ? table : fs::path();
}

// small, medium and large hold what is smaller too.
std::size_t subset_rank(const std::string& name) {
  static const std::vector<std::string> kSubsets = {"small", "medium", "large"};
  const auto has = [&](const std::string& subset) { return name.find(subset) != std::string::npos; };
  return static_cast<std::size_t>(std::find_if(kSubsets.begin(), kSubsets.end(), has) - kSubsets.begin());
}

// Position of the column that has these two names in the two rows of the header.
std::size_t fma_column(const CsvReader& table, const std::vector<std::string>& groups,
                       const std::string& group, const std::string& name) {
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (groups[i] == group && table.fields()[i] == name) return i;
  fail(ErrorKind::input, "{}: no column {}/{}; give FMA's own tracks.csv, of fma_metadata.zip", table.where(),
       group, name);
}

// ---- tables of clips: UrbanSound8K, ESC-50 ----------------------------------------------------------------

struct ClipTable {
  const char* layout;
  std::vector<const char*> places;  // of the table in the folder
  const char *file, *label, *group;
};
const ClipTable kUrbanSound8K = {
    "UrbanSound8K", {"metadata/UrbanSound8K.csv", "UrbanSound8K.csv"}, "slice_file_name", "class", "fsID"};
const ClipTable kEsc50 = {"ESC-50", {"meta/esc50.csv", "esc50.csv"}, "filename", "category", "src_file"};

fs::path place_of(const ClipTable& clips, const fs::path& folder) {
  std::vector<fs::path> places;
  for (const char* place : clips.places) places.push_back(folder / place);
  return first_file(places);
}

DataSet open_clips(const ClipTable& clips, const fs::path& folder, bool ffmpeg) {
  const fs::path path = place_of(clips, folder);
  CsvReader table(path);
  if (!table.next()) fail(ErrorKind::input, "{}: is empty", path.string());
  const std::size_t file = table.column(clips.file), label = table.column(clips.label),
                    fold = table.column("fold"), group = table.column(clips.group);
  TableSet set(clips.layout, path, folder, folder, {"fold", "group"}, ffmpeg);
  while (table.next())
    set.add({table.fields()[file], one_label(table.text(label)), "", {table.text(fold), table.text(group)}});
  return set.finish();
}

// ---- MTG-Jamendo ------------------------------------------------------------------------------------------

std::vector<fs::path> jamendo_tables(const fs::path& folder) {
  for (const fs::path& place : {folder, folder / "data"}) {
    std::vector<fs::path> tables;
    std::error_code error;
    for (fs::directory_iterator entry(place, error); !error && entry != fs::directory_iterator();
         entry.increment(error))
      if (is_jamendo_table(entry->path())) tables.push_back(entry->path());
    std::sort(tables.begin(), tables.end());
    if (!tables.empty()) return tables;
  }
  return {};
}

constexpr const char* kJamendoSplits[] = {"-train", "-validation", "-test"};

// "autotagging_genre" of "autotagging_genre-train.tsv"
std::string jamendo_stem(const fs::path& table) {
  const std::string stem = table.stem().string();
  for (const std::string ending : kJamendoSplits)
    if (stem.ends_with(ending)) return stem.substr(0, stem.size() - ending.size());
  return stem;
}

// Where the folders 00 to 99 are: near the table or above it.
fs::path jamendo_audio(const fs::path& table) {
  fs::path folder = table;
  for (int level = 0; level < 4; ++level) {
    folder = folder_above(folder);
    for (const char* place : {"", "audio", "audio-low", "mp3", "raw_30s/audio", "raw_30s/audio-low"}) {
      std::error_code error;
      const fs::path audio = *place == '\0' ? folder : folder / place;
      if (!fs::is_directory(audio, error)) continue;
      std::vector<fs::path> folders = visible_folders(audio);
      std::erase_if(folders, [](const fs::path& f) { return !all_numbered({f}, 2); });
      if (!folders.empty()) return audio;
    }
  }
  fail(ErrorKind::input, "{}: MTG-Jamendo: no audio: expected folders 00 to 99 beside it, or in audio/",
       table.string());
}

void add_jamendo_rows(const fs::path& path, const std::string& split, TableSet& set) {
  TsvReader table(path);
  if (!table.next()) fail(ErrorKind::input, "{}: is empty", path.string());
  const std::size_t file = table.column("PATH"), artist = table.column("ARTIST_ID"),
                    album = table.column("ALBUM_ID"), tags = table.column("TAGS");
  while (table.next()) {
    const auto& fields = table.fields();
    if (fields.size() < tags)
      fail(ErrorKind::input, "{}: {} fields, at least {} are needed", table.where(), fields.size(), tags);
    TableSet::Row row{std::string(fields.at(file)),
                      {},
                      split,
                      {std::string(fields.at(artist)), std::string(fields.at(album))}};
    for (std::size_t i = tags; i < fields.size(); ++i)
      if (!fields[i].empty()) row.labels.push_back(TsvReader::text_of(fields[i]));
    set.add(std::move(row));
  }
}

DataSet open_jamendo_tables(const std::vector<fs::path>& tables, bool ffmpeg) {
  const fs::path audio = jamendo_audio(tables[0]);
  TableSet set("MTG-Jamendo", tables[0], audio, audio, {"artist", "album"}, ffmpeg);
  for (const fs::path& table : tables) {
    const std::string stem = table.stem().string(), base = jamendo_stem(table);
    add_jamendo_rows(table, stem == base ? "" : split_called(stem.substr(base.size() + 1)), set);
  }
  return set.finish();
}

// ---- NSynth -----------------------------------------------------------------------------------------------

struct NSynthPart {
  fs::path table;
  std::string split;
};

std::vector<NSynthPart> nsynth_parts(const fs::path& folder) {
  constexpr const char* kTable = "examples.json";
  if (const fs::path table = first_file({folder / kTable}); !table.empty()) return {{table, ""}};
  std::vector<NSynthPart> parts;
  for (const fs::path& part : visible_folders(folder)) {
    const std::string name = part.filename().string();
    const fs::path table = first_file({part / kTable});
    if (name.starts_with("nsynth-") && !table.empty())
      parts.push_back({table, split_called(name.substr(std::string("nsynth-").size()))});
  }
  return parts;
}

// The notes of a table one by one: a million of them are never in memory.
void add_nsynth_notes(const NSynthPart& part, TableSet& set) {
  const std::string where = part.table.string(), text = read_text_file(part.table);
  std::string note;
  const auto take = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (depth == 1 && event == Event::key) note = parsed.get<std::string>();
    if (depth != 1 || event != Event::object_end) return true;
    set.add({note + ".wav",
             one_label(parsed.at("instrument_family_str").get<std::string>()),
             part.split,
             {parsed.at("instrument_str").get<std::string>()}});
    return false;
  };
  reading_json(where, [&] { return nlohmann::json::parse(text, take); });
}

}  // namespace

bool all_numbered(const std::vector<fs::path>& folders, std::size_t digits) {
  return !folders.empty() && std::all_of(folders.begin(), folders.end(), [&](const fs::path& folder) {
    const std::string name = folder.filename().string();
    return name.size() == digits && digits_only(name);
  });
}

fs::path folder_above(const fs::path& folder) {
  fs::path absolute = fs::absolute(folder).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  return absolute.parent_path();
}

std::string quoted_names(const std::vector<fs::path>& paths) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, paths.size()); ++i)
    text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", paths[i].filename().string());
  return paths.size() > kShown ? fmt::format("{} and {} more", text, paths.size() - kShown) : text;
}

bool is_fma_table(const fs::path& file) {
  std::error_code error;
  return fs::is_regular_file(file, error) && std::ifstream(file, std::ios::binary).get() == ',';
}

bool is_fma(const fs::path& folder) { return !fma_audio(folder).empty(); }

DataSet open_fma(const fs::path& folder, const DataSetOptions& options) {
  const fs::path audio = fma_audio(folder), path = fma_table(audio);
  if (path.empty())
    fail(ErrorKind::input,
         "{}: {} are numbers, no classes; FMA's genres are in tracks.csv of fma_metadata.zip: unpack it "
         "beside "
         "this folder; --classes-are-folders takes every folder as a class",
         audio.string(), quoted_names(visible_folders(audio)));
  CsvReader table(path);
  table.next();
  const std::vector<std::string> groups = table.fields();
  if (!table.next()) fail(ErrorKind::input, "{}: its header of two rows ends after one", path.string());
  const auto column = [&](const char* group, const char* name) {
    return fma_column(table, groups, group, name);
  };
  const std::size_t genre = column("track", "genre_top"), split = column("set", "split"),
                    subset = column("set", "subset"), artist = column("artist", "id"),
                    album = column("album", "id");
  TableSet set("FMA", path, audio, audio, {"artist", "album"}, options.ffmpeg);
  const std::size_t rank = subset_rank(audio.filename().string());
  while (table.next()) {
    const std::string id = table.text(0);
    if (!digits_only(id)) continue;  // the third row of the header: "track_id"
    const bool expected = subset_rank(table.text(subset)) <= rank && rank < subset_rank("");
    set.add({fmt::format("{:0>6}", id),
             one_label(table.text(genre)),
             split_called(table.text(split)),
             {table.text(artist), table.text(album)}},
            expected);
  }
  return set.finish();
}

bool is_urbansound8k(const fs::path& folder) { return !place_of(kUrbanSound8K, folder).empty(); }
DataSet open_urbansound8k(const fs::path& folder, const DataSetOptions& options) {
  return open_clips(kUrbanSound8K, folder, options.ffmpeg);
}

bool is_esc50(const fs::path& folder) { return !place_of(kEsc50, folder).empty(); }
DataSet open_esc50(const fs::path& folder, const DataSetOptions& options) {
  return open_clips(kEsc50, folder, options.ffmpeg);
}

bool is_jamendo_table(const fs::path& file) {
  return column_key(file.extension().string()) == ".tsv" &&
         file.filename().string().starts_with("autotagging");
}
bool is_jamendo(const fs::path& folder) { return !jamendo_tables(folder).empty(); }

DataSet open_jamendo(const fs::path& folder, const DataSetOptions& options) {
  const std::vector<fs::path> tables = jamendo_tables(folder);
  std::set<std::string> stems;
  for (const fs::path& table : tables) stems.insert(jamendo_stem(table));
  const bool whole_and_parts =
      tables.size() > 1 && first_file({tables[0].parent_path() / (*stems.begin() + ".tsv")}) != "";
  if (stems.size() > 1 || whole_and_parts)
    fail(ErrorKind::input, "{}: MTG-Jamendo has several tables here: {}; give one of them, as {}",
         folder.string(), quoted_names(tables), tables[0].string());
  return open_jamendo_tables(tables, options.ffmpeg);
}

DataSet open_jamendo_table(const fs::path& file, const DataSetOptions& options) {
  std::vector<fs::path> tables = {file};
  if (const std::string base = jamendo_stem(file); base != file.stem()) {
    tables.clear();
    for (const char* ending : kJamendoSplits)
      if (const fs::path part = first_file({file.parent_path() / (base + ending + ".tsv")}); !part.empty())
        tables.push_back(part);
  }
  return open_jamendo_tables(tables, options.ffmpeg);
}

bool is_nsynth(const fs::path& folder) { return !nsynth_parts(folder).empty(); }

DataSet open_nsynth(const fs::path& folder, const DataSetOptions& options) {
  const std::vector<NSynthPart> parts = nsynth_parts(folder);
  TableSet set("NSynth", parts[0].table, folder, folder, {"group"}, options.ffmpeg);
  for (const NSynthPart& part : parts) add_nsynth_notes(part, set);
  return set.finish();
}

}  // namespace melgrad
