#include "models/embeddings/embedding_writer.h"

#include <cstring>
#include <span>

#include "io/files/atomic_file.h"
#include "io/files/hash.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// ---- a record: bytes and XXH3 of what follows them (both u64)

std::uint64_t digest_of(const std::string& text) { return xxh3(std::as_bytes(std::span(text))); }

void put(std::string& out, const void* from, std::size_t bytes) {
  out.append(static_cast<const char*>(from), bytes);
}

// Takes from the front of a record; false where it holds less.
bool take(std::string_view& from, void* to, std::size_t bytes) {
  if (from.size() < bytes) return false;
  std::memcpy(to, from.data(), bytes);
  from.remove_prefix(bytes);
  return true;
}

std::string head_of(const EmbeddingModel& model) {
  return fmt::format("{:016x} {} {}", model.digest, model.segments ? "segments" : "track", model.mix);
}

}  // namespace

EmbeddingWriter::EmbeddingWriter(std::string path, EmbeddingModel model)
    : path_(std::move(path)), folder_(path_ + ".partial"), model_(std::move(model)) {
  expect_replaceable(path_);
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::output, "{}: cannot be created ({})", folder_, error.message());
  lock_.emplace(folder_, path_);
  try {
    if (fs::exists(path_)) adopt_table();
    adopt_rows();
  } catch (...) {
    fs::remove(folder_, error);  // if nothing lies in it
    throw;
  }
}

EmbeddingWriter::~EmbeddingWriter() {
  if (rows_ != nullptr) std::fclose(rows_);
}

// A .npy does not say by which model it was made, so nothing of it is taken over.
void EmbeddingWriter::adopt_table() {
  if (path_.ends_with(".npy")) return;
  const EmbeddingTable table = read_embeddings(path_);
  if (head_of(table.model) != head_of(model_))
    fail(ErrorKind::input,
         "{}: was made by another model ({}), or over other parts ({}), or of another mix ({}); remove it or "
         "choose another name",
         path_, table.model.name, table.model.segments ? "segments" : "whole tracks", table.model.mix);
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    Track& track = done_[table.names[at]];
    track.file = table.files[at];
    track.starts.push_back(table.starts.empty() ? 0 : table.starts[at]);
    const auto row = table.row(i);
    track.values.insert(track.values.end(), row.begin(), row.end());
  }
}

// What a killed run was writing is cut off.
void EmbeddingWriter::adopt_rows() {
  const std::string file = (fs::path(folder_) / "rows").string();
  std::uint64_t whole = 0;
  bool begun = false;
  if (fs::exists(file)) {
    const RegularFile in(file);
    for (std::uint64_t head[2]; in.read(whole, head, sizeof head) == sizeof head;) {
      if (head[0] > in.size() - whole - sizeof head) break;
      std::string record(head[0], '\0');
      if (in.read(whole + sizeof head, record.data(), record.size()) < record.size()) break;
      if (digest_of(record) != head[1]) break;
      if (!begun && record != head_of(model_))
        fail(ErrorKind::input,
             "{}: was begun with another model, over other parts or of another mix; remove it", folder_);
      if (begun) {
        std::string_view rest = record;
        std::uint64_t digest = 0;
        std::uint32_t sizes[2] = {};
        Track track;
        if (!take(rest, &digest, sizeof digest) || !take(rest, sizes, sizeof sizes) || sizes[0] > rest.size())
          break;
        const std::string name(rest.substr(0, sizes[0]));
        rest.remove_prefix(sizes[0]);
        if (sizes[1] == 0 || sizes[1] > rest.size() / sizeof(float)) break;
        track.file = digest;
        track.starts.resize(sizes[1]);
        take(rest, track.starts.data(), sizes[1] * sizeof(float));
        track.values.resize(rest.size() / sizeof(float));
        take(rest, track.values.data(), track.values.size() * sizeof(float));
        done_.insert_or_assign(name, std::move(track));
      }
      begun = true;
      whole += sizeof head + record.size();
    }
  }
  rows_ = std::fopen(file.c_str(), "ab");
  if (rows_ == nullptr) fail(ErrorKind::output, "{}: {}", file, system_reason(errno));
  fs::resize_file(file, whole);
  if (!begun) {
    const std::string record = head_of(model_);
    const std::uint64_t head[2] = {record.size(), digest_of(record)};
    std::fwrite(head, sizeof head, 1, rows_);
    std::fwrite(record.data(), record.size(), 1, rows_);
  }
}

std::uint64_t EmbeddingWriter::made_of(const std::string& name) const {
  const auto at = done_.find(name);
  return at == done_.end() ? 0 : at->second.file;
}

void EmbeddingWriter::add(const std::string& name, std::uint64_t file, const std::vector<float>& starts,
                          const std::vector<float>& values) {
  std::string record;
  const std::uint32_t sizes[2] = {static_cast<std::uint32_t>(name.size()),
                                  static_cast<std::uint32_t>(starts.size())};
  put(record, &file, sizeof file);
  put(record, sizes, sizeof sizes);
  put(record, name.data(), name.size());
  put(record, starts.data(), starts.size() * sizeof(float));
  put(record, values.data(), values.size() * sizeof(float));
  const std::uint64_t head[2] = {record.size(), digest_of(record)};
  const bool written = std::fwrite(head, sizeof head, 1, rows_) == 1 &&
                       std::fwrite(record.data(), record.size(), 1, rows_) == 1 && std::fflush(rows_) == 0;
  if (!written) fail(ErrorKind::output, "{}/rows: {}", folder_, system_reason(errno));
  done_.insert_or_assign(name, Track{file, starts, values});
}

std::int64_t EmbeddingWriter::finish(const EmbeddingTable& describe, const std::optional<PartOf>& part) {
  EmbeddingTable table;
  table.path = path_;
  table.model = model_;
  table.classes = describe.classes;
  table.part = part;
  for (std::size_t i = 0; i < describe.names.size(); ++i) {
    const auto at = done_.find(describe.names[i]);
    if (at == done_.end() || (part && !part->part.has(i))) continue;
    const Track& track = at->second;
    const std::size_t rows = track.starts.size(), classes = describe.classes.size();
    table.width = std::ssize(track.values) / std::ssize(track.starts);
    table.values.insert(table.values.end(), track.values.begin(), track.values.end());
    for (std::size_t r = 0; r < rows; ++r) {
      table.names.push_back(describe.names[i]);
      if (part) table.places.push_back(static_cast<std::int64_t>(i));
      table.files.push_back(track.file);
      if (model_.segments) table.starts.push_back(track.starts[r]);
      if (!describe.labels.empty())
        table.labels.insert(table.labels.end(),
                            describe.labels.begin() + static_cast<std::ptrdiff_t>(i * classes),
                            describe.labels.begin() + static_cast<std::ptrdiff_t>((i + 1) * classes));
      for (const auto& [column, cells] : describe.columns) table.columns[column].push_back(cells[i]);
    }
  }
  if (table.names.empty() && !part) fail(ErrorKind::input, "{}: no track could be embedded", path_);
  write_embeddings(path_, table);
  std::fclose(rows_);
  rows_ = nullptr;
  fs::remove_all(folder_);
  lock_.reset();
  return table.rows();
}

}  // namespace melgrad
