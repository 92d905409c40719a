#include "models/embeddings/embedding_table.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "io/arrays/checkpoint.h"
#include "io/arrays/npz.h"
#include "io/files/atomic_file.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/metrics/score_table.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string names_beside(const std::string& path) {
  return fs::path(path).replace_extension(".names.txt").string();
}

// Segments stand in a list of names as "jazz/a.wav@12.500".
std::string with_start(const std::string& name, float start) { return fmt::format("{}@{:.3f}", name, start); }

// Where all names are so, rows are segments.
void take_starts_off(EmbeddingTable& table) {
  std::vector<std::string> names;
  std::vector<float> starts;
  for (const std::string& name : table.names) {
    const std::size_t at = name.rfind('@');
    const auto start = at == std::string::npos ? std::nullopt : number_in<float>(name.substr(at + 1));
    if (!start || with_start(name.substr(0, at), *start) != name) return;
    names.push_back(name.substr(0, at));
    starts.push_back(*start);
  }
  table.names = std::move(names);
  table.starts = std::move(starts);
  table.model.segments = true;
}

// Rows of one name are the segments of one track, each with another start.
void check(const EmbeddingTable& table) {
  if ((table.width < 1 && !(table.part && table.names.empty())) ||
      std::ssize(table.values) != table.rows() * table.width)
    fail(ErrorKind::input, "{}: has {} numbers for {} names", table.path, table.values.size(), table.rows());
  for (std::size_t i = 0; i < table.values.size(); ++i)
    if (!std::isfinite(table.values[i]))
      fail(ErrorKind::input, "{}: row {} ({}) holds a number that is not finite", table.path,
           static_cast<std::int64_t>(i) / table.width,
           table.names[i / static_cast<std::size_t>(table.width)]);
  std::set<std::pair<std::string, float>> seen;
  for (std::size_t i = 0; i < table.names.size(); ++i)
    if (!seen.emplace(table.names[i], table.starts.empty() ? 0 : table.starts[i]).second)
      fail(ErrorKind::input, "{}: {} is there twice", table.path, table.names[i]);
}

EmbeddingTable read_npy_table(const std::string& path, const std::string& names) {
  const NpyArray array = read_npy(path);
  if (array.shape.size() != 2 || array.is_text())
    fail(ErrorKind::input, "{}: must hold numbers [rows, width], holds {} {}", path, array.dtype(),
         fmt::format("[{}]", fmt::join(array.shape, ", ")));
  EmbeddingTable table;
  table.path = path;
  table.width = array.shape[1];
  table.values.resize(static_cast<std::size_t>(array.numel()));
  array.to_float(0, array.numel(), table.values.data());
  const std::string beside = names.empty() ? names_beside(path) : names;
  if (!fs::exists(beside))
    fail(ErrorKind::input, "{}: there is no {} with the names of its rows, one a line; or give --names", path,
         beside);
  table.names = read_names(beside);
  table.files.resize(table.names.size());
  take_starts_off(table);
  return table;
}

template <typename T>
std::vector<T> numbers(const Checkpoint& file, const std::string& path, const std::string& name,
                       std::int64_t count) {
  const HostArray& array = file.need_array(name, path);
  if (array.dtype != dtype_of<T>() || array.numel() != count)
    fail(ErrorKind::input, "{}: {} is {} {}, which does not fit its {} rows", path, name,
         name_of(array.dtype), shape_text(array.shape), count);
  return {array.as<T>().begin(), array.as<T>().end()};
}

}  // namespace

EmbeddingTable read_embeddings(const std::string& path, const std::string& names) {
  EmbeddingTable table;
  if (path.ends_with(".npy")) {
    table = read_npy_table(path, names);
  } else {
    if (!names.empty()) fail(ErrorKind::usage, "{}: has names of its own; --names is for a .npy", path);
    const Checkpoint file = load_checkpoint(path);
    table.path = path;
    const auto json = [&](const char* name, const auto& take) {
      reading_json(path + ": " + name, [&] { take(parse_json(file.need_text(name, path))); });
    };
    json("names", [&](const Json& j) { j.get_to(table.names); });
    json("classes", [&](const Json& j) { j.get_to(table.classes); });
    json("columns", [&](const Json& j) { j.get_to(table.columns); });
    json("model", [&](const Json& j) {
      table.model = {j.at("name"), j.at("digest"), j.at("over") == "segments", j.at("mix")};
    });
    const HostArray& values = file.need_array("embeddings", path);
    if (values.dtype != DType::f32 || values.shape.size() != 2 || values.shape[0] != table.rows())
      fail(ErrorKind::input, "{}: embeddings are {} {} for {} names", path, name_of(values.dtype),
           shape_text(values.shape), table.rows());
    table.width = values.shape[1];
    table.values.assign(values.as<float>().begin(), values.as<float>().end());
    for (const std::int64_t digest : numbers<std::int64_t>(file, path, "files", table.rows()))
      table.files.push_back(static_cast<std::uint64_t>(digest));
    if (table.model.segments) table.starts = numbers<float>(file, path, "starts", table.rows());
    if (file.text.contains("part")) {
      json("part", [&](const Json& j) { table.part = {{j.at("index"), j.at("count")}, j.at("whole")}; });
      table.places = numbers<std::int64_t>(file, path, "places", table.rows());
    }
    if (file.arrays.contains("labels"))
      table.labels = numbers<std::uint8_t>(file, path, "labels", table.rows() * std::ssize(table.classes));
    for (const auto& [column, cells] : table.columns)
      if (std::ssize(cells) != table.rows())
        fail(ErrorKind::input, "{}: column {} has {} cells for {} rows", path, column, cells.size(),
             table.rows());
  }
  check(table);
  return table;
}

std::int64_t merge_embeddings(const std::vector<std::string>& parts, const std::string& to) {
  std::vector<EmbeddingTable> tables;
  for (const std::string& part : parts) tables.push_back(read_embeddings(part));
  std::vector<const PartOf*> which;
  for (const EmbeddingTable& table : tables) which.push_back(table.part ? &*table.part : nullptr);
  expect_all_parts(parts, which);
  struct Row {
    std::int64_t place;
    const EmbeddingTable* of;
    std::int64_t at;
  };
  std::vector<Row> rows;
  EmbeddingTable all;
  all.path = to;
  all.model = tables.at(0).model;
  all.classes = tables[0].classes;
  for (const EmbeddingTable& table : tables) {
    if (!(table.model == all.model))
      fail(ErrorKind::input, "{}: was not made as {} was: another model, --over or --mix", table.path,
           parts[0]);
    if (table.rows() > 0) all.width = table.width;
    for (std::int64_t i = 0; i < table.rows(); ++i)
      rows.push_back({table.places[static_cast<std::size_t>(i)], &table, i});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.place < b.place; });
  for (const auto& [place, of, i] : rows) {
    if (of->width != all.width || of->classes != all.classes)
      fail(ErrorKind::input, "{}: has other columns than {}", of->path, parts[0]);
    const auto at = static_cast<std::size_t>(i);
    const auto row = of->row(i);
    all.values.insert(all.values.end(), row.begin(), row.end());
    all.names.push_back(of->names[at]);
    all.files.push_back(of->files[at]);
    if (all.model.segments) all.starts.push_back(of->starts[at]);
    if (!of->labels.empty()) {
      const auto labels = of->labels.begin() + i * std::ssize(of->classes);
      all.labels.insert(all.labels.end(), labels, labels + std::ssize(of->classes));
    }
    for (const auto& [column, cells] : of->columns) all.columns[column].push_back(cells[at]);
  }
  write_embeddings(to, all);
  return all.rows();
}

void write_embeddings(const std::string& path, const EmbeddingTable& table) {
  check(table);
  if (path.ends_with(".npy")) {
    std::string names;
    for (std::int64_t i = 0; i < table.rows(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      names +=
          (table.starts.empty() ? table.names[at] : with_start(table.names[at], table.starts[at])) + "\n";
    }
    write_file_atomically(names_beside(path), names);
    write_file_atomically(path, npy_bytes({table.rows(), table.width}, table.values));
    return;
  }
  Checkpoint file;
  const std::vector<std::int64_t> rows = {table.rows()};
  file.arrays["embeddings"] =
      HostArray::of<float>({table.rows(), table.width}, std::span<const float>(table.values));
  std::vector<std::int64_t> digests(table.files.begin(), table.files.end());
  file.arrays["files"] = HostArray::of<std::int64_t>(rows, std::span<const std::int64_t>(digests));
  if (table.model.segments)
    file.arrays["starts"] = HostArray::of<float>(rows, std::span<const float>(table.starts));
  if (!table.labels.empty())
    file.arrays["labels"] = HostArray::of<std::uint8_t>({table.rows(), std::ssize(table.classes)},
                                                        std::span<const std::uint8_t>(table.labels));
  if (table.part) {
    file.arrays["places"] = HostArray::of<std::int64_t>(rows, std::span<const std::int64_t>(table.places));
    file.text["part"] = json_text(Json{
        {"index", table.part->part.index}, {"count", table.part->part.count}, {"whole", table.part->whole}});
  }
  file.text["names"] = json_text(Json(table.names));
  file.text["classes"] = json_text(Json(table.classes));
  file.text["columns"] = json_text(Json(table.columns));
  file.text["model"] = json_text(Json{{"name", table.model.name},
                                      {"digest", table.model.digest},
                                      {"over", table.model.segments ? "segments" : "track"},
                                      {"mix", table.model.mix}});
  save_checkpoint(path, file);
}

}  // namespace melgrad
