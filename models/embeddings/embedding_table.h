// Embeddings of a collection: a row of numbers for each track, or for each of its segments, with its name,
// the digest of the file it was made of, and what the data set says of it. As .h5 (a checkpoint,
// io/README.md: arrays "embeddings" [rows, width], "files" i64 [rows], "starts" f32 [rows] of segments,
// "labels" u8 [rows, classes]; texts "names", "classes", "columns" as JSON, "model" as below; of a part
// "part", and "places" i64 [rows]), or anybody's .npy [rows, width] beside a text file of names, one a line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/files/part.h"

namespace melgrad {

// Who made them.
struct EmbeddingModel {
  std::string name;          // run folder, file or name of the model, as the user wrote it; "" of a .npy
  std::uint64_t digest = 0;  // XXH3 of its file
  bool segments = false;     // a row for each segment
  std::string mix = "mean";  // how channels became one (kernels/mel.h, ChannelMix)

  bool operator==(const EmbeddingModel&) const = default;
};

struct EmbeddingTable {
  std::string path;
  EmbeddingModel model;
  std::int64_t width = 0;
  std::vector<float> values;  // [rows, width]
  std::vector<std::string> names;
  std::vector<std::uint64_t> files;  // XXH3 of each row's file, else of its features; 0: unknown
  std::vector<float> starts;         // seconds; of segments only
  std::vector<std::string> classes;
  std::vector<std::uint8_t> labels;                         // [rows, classes]; empty: none known
  std::map<std::string, std::vector<std::string>> columns;  // "artist", ...: [rows]
  std::optional<PartOf> part;                               // of a table that holds a part of the tracks,
  std::vector<std::int64_t> places;  // and of each row the place of its track among all

  std::int64_t rows() const { return std::ssize(names); }
  std::span<const float> row(std::int64_t i) const {
    return {values.data() + i * width, static_cast<std::size_t>(width)};
  }
};

// `names`: the text file beside a .npy; "": <stem>.names.txt. Where all names are as "a.wav@12.500", they are
// segments that begin there, in seconds. Throws Error (usage) for `names` beside an .h5, (input) naming the
// file and the row that holds a number which is not finite, or the name that is there twice.
EmbeddingTable read_embeddings(const std::string& path, const std::string& names = "");
// Writes the table that one process would have made, to the byte. Returns the number of its rows. Throws
// Error (input): a part is missing, there twice or of another whole.
std::int64_t merge_embeddings(const std::vector<std::string>& parts, const std::string& to);
// .h5; or .npy and <stem>.names.txt, which keep no more. Throws Error (output).
void write_embeddings(const std::string& path, const EmbeddingTable& table);

}  // namespace melgrad
