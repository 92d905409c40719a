// melgrad similar: which tracks of a table of embeddings are nearest to one, and a list from one to the next.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/screen.h"
#include "io/audio/flaws.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/embeddings/nearest.h"
#include "models/runs/predictor.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct SimilarArguments {
  std::string table, names, to, playlist;
  std::size_t top = 20, length = 30;
  bool centre = false, artist_filter = false;
};

// The first row of the track of that name, or of the only one that is called so without its folder, or
// without its ending too ("jazz.00054"); -1. Throws Error (input) if there are several.
std::int64_t row_called(const EmbeddingTable& table, const std::string& name) {
  const auto exact = std::find(table.names.begin(), table.names.end(), name);
  if (exact != table.names.end()) return exact - table.names.begin();
  std::int64_t found = -1;
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    const std::string& track = table.names[static_cast<std::size_t>(i)];
    const fs::path path = track;
    if (path.filename() != name && path.stem() != name) continue;
    if (found < 0) found = i;
    else if (table.names[static_cast<std::size_t>(found)] != track)
      fail(ErrorKind::input, "{}: {} may be {} or {}; give the whole name", table.path, name,
           table.names[static_cast<std::size_t>(found)], track);
  }
  return found;
}

// Of the track whose first row this is: the mean of its rows.
std::vector<float> vector_of(const EmbeddingTable& table, std::int64_t first) {
  SegmentEmbeddings own;
  for (std::int64_t i = first; i < table.rows(); ++i) {
    if (table.names[static_cast<std::size_t>(i)] != table.names[static_cast<std::size_t>(first)]) continue;
    own.starts.push_back(0);
    own.values.insert(own.values.end(), table.row(i).begin(), table.row(i).end());
  }
  return own.mean();
}

// An audio file as the model of the table hears it.
std::vector<float> embedded(const EmbeddingTable& table, const std::string& file, Device& device,
                            const Settings& settings) {
  if (table.model.name.empty())
    fail(ErrorKind::usage, "{}: does not say by which model it was made; --to must be one of its names",
         table.path);
  Predictor predictor(device, table.model.name);
  if (predictor.digest() != table.model.digest)
    fail(ErrorKind::input, "{}: {} is another model than the one it was made by", table.path,
         table.model.name);
  MelOptions features = predictor.recipe().features;
  set_mel_field(features, "mix", table.model.mix);
  const Audio audio =
      read_audio(file, features.sample_rate, {.mix = features.mix, .ffmpeg = settings.ffmpeg});
  if (const auto notes = notes_of(audio); !notes.empty()) say("{}: {}", file, joined(notes));
  return predictor.embed(audio, file).mean();
}

const std::vector<std::string>* artists_of(const EmbeddingTable& table, bool wanted) {
  if (!wanted) return nullptr;
  const auto column = table.columns.find("artist");
  if (column == table.columns.end())
    fail(ErrorKind::usage, "{}: has no column artist for --artist-filter", table.path);
  return &column->second;
}

std::string called(const EmbeddingTable& table, std::int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  return table.starts.empty() ? table.names[at]
                              : fmt::format("{} from {:.2f} s", table.names[at], table.starts[at]);
}

// The nearest that is not in the list yet, again and again; with artists, never two of one in sequence.
std::vector<Near> playlist(NearestRows& index, const EmbeddingTable& table, std::int64_t seed,
                           std::size_t length, const std::vector<std::string>* artists) {
  std::vector<Near> list = {{seed, 1}};
  std::set<std::string> played = {table.names[static_cast<std::size_t>(seed)]};
  while (list.size() < length) {
    const std::int64_t last = list.back().row;
    const auto next = index.nearest(table.row(last), 1, [&](std::int64_t row) {
      const auto at = static_cast<std::size_t>(row);
      return !played.contains(table.names[at]) &&
             (artists == nullptr || (*artists)[at].empty() ||
              (*artists)[at] != (*artists)[static_cast<std::size_t>(last)]);
    });
    if (next.empty()) break;
    list.push_back(next[0]);
    played.insert(table.names[static_cast<std::size_t>(next[0].row)]);
  }
  return list;
}

void similar(const Settings& settings, const SimilarArguments& args) {
  if (args.to.empty() == args.playlist.empty())
    fail(ErrorKind::usage, "similar: needs --to or --playlist, and one of them");
  const EmbeddingTable table = read_embeddings(args.table, args.names);
  const auto* artists = artists_of(table, args.artist_filter);
  const auto device = open_device(settings);
  NearestRows index(*device, table, args.centre);
  const std::string& to = args.to.empty() ? args.playlist : args.to;
  const std::int64_t row = row_called(table, to);
  if (row < 0 && (!fs::exists(to) || args.to.empty()))
    fail(ErrorKind::input, "{}: has no track {}{}", args.table, to, did_you_mean(to, table.names));

  std::vector<Near> found;
  if (!args.playlist.empty()) {
    found = playlist(index, table, row, args.length, artists);
  } else {
    const std::vector<float> vector =
        row >= 0 ? vector_of(table, row) : embedded(table, to, *device, settings);
    if (std::ssize(vector) != table.width)
      fail(ErrorKind::input, "{}: has vectors of {}, the model gives {}", args.table, table.width,
           vector.size());
    const std::string artist =
        artists != nullptr && row >= 0 ? (*artists)[static_cast<std::size_t>(row)] : "";
    found = index.nearest(vector, args.top, [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      const bool itself = row >= 0 && table.names[at] == table.names[static_cast<std::size_t>(row)];
      return !itself && (artist.empty() || (*artists)[at] != artist);
    });
  }
  auto json = nlohmann::ordered_json::array();
  for (const Near& near : found) {
    if (!settings.json) print("{:.3f}  {}\n", near.similarity, called(table, near.row));
    json.push_back({{"track", table.names[static_cast<std::size_t>(near.row)]},
                    {"similarity", decimal(near.similarity)}});
    if (!table.starts.empty())
      json.back()["start"] = decimal(table.starts[static_cast<std::size_t>(near.row)]);
  }
  if (settings.json) print_json(json);
}

}  // namespace

void register_similar(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("similar", "the tracks nearest to one, by their embeddings");
  auto args = std::make_shared<SimilarArguments>();
  command->add_option("table", args->table, "what melgrad embed wrote, or anybody's .npy [tracks, width]")
      ->required();
  command->add_option("--names", args->names,
                      "of a .npy: a text file with the name of each row (else <stem>.names.txt beside it)");
  auto* to = command->add_option("--to", args->to, "a track of the table by its name, or an audio file");
  command->add_option("--top", args->top, "how many")
      ->range(std::size_t{1}, std::size_t{1000000})
      ->capture_default_str();
  command
      ->add_option("--playlist", args->playlist,
                   "from this track of the table always on to the nearest that was not there yet")
      ->excludes(to);
  command->add_option("--length", args->length, "tracks of the playlist")
      ->range(std::size_t{1}, std::size_t{1000000})
      ->capture_default_str();
  command->add_flag("--centre", args->centre, "take the mean of all tracks away first: fewer hubs");
  command->add_flag("--artist-filter", args->artist_filter,
                    "no tracks of the same artist, as the data set's column has it");
  command->callback([=, &settings] { similar(settings, *args); });
}

}  // namespace melgrad
