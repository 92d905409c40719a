// Collects embeddings while files are being decoded: each track is appended to <path>.partial/rows as soon as
// it is done, so that a run that was killed goes on where it was. What the table at `path` itself holds is
// done too, so a collection that grew costs its new files only.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/files/folder_lock.h"
#include "models/embeddings/embedding_table.h"

namespace melgrad {

class EmbeddingWriter {
 public:
  // Throws Error (input) where rows of another model lie at `path` or in its folder, Error (output) where
  // another process is at work on it.
  EmbeddingWriter(std::string path, EmbeddingModel model);
  ~EmbeddingWriter();
  EmbeddingWriter(const EmbeddingWriter&) = delete;
  EmbeddingWriter& operator=(const EmbeddingWriter&) = delete;

  // The XXH3 of the file that the track's row was made of; 0: it has none, or of a file without a digest.
  std::uint64_t made_of(const std::string& name) const;
  // values [starts, width]; of a whole track one row that starts at 0.
  void add(const std::string& name, std::uint64_t file, const std::vector<float>& starts,
           const std::vector<float>& values);
  // The track has no row from now on.
  void forget(const std::string& name) { done_.erase(name); }
  // Writes the table: these tracks in this order, where they are done; `describe` has its classes and
  // columns, one row a name. Of a part it says which. Removes the folder. Returns the number of rows.
  std::int64_t finish(const EmbeddingTable& describe, const std::optional<PartOf>& part = {});

 private:
  struct Track {
    std::uint64_t file = 0;
    std::vector<float> starts, values;
  };
  void adopt_table();
  void adopt_rows();

  std::string path_, folder_;
  EmbeddingModel model_;
  std::optional<FolderLock> lock_;
  std::unordered_map<std::string, Track> done_;
  std::FILE* rows_ = nullptr;
};

}  // namespace melgrad
