// A folder of a data set, on disk or in tar shards: layouts are told and read the same way in both.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/datasets/walk.h"
#include "io/files/file_part.h"

namespace melgrad {

class TarShards;

class Folder {
 public:
  Folder(std::filesystem::path path) : path_(std::move(path)) {}  // on disk, implicitly
  explicit Folder(std::shared_ptr<const TarShards> shards);       // all that lies in them

  // What it is called; paths of what is in it begin with that. In shards it is none that can be opened.
  const std::filesystem::path& path() const { return path_; }
  std::string name() const { return path_.filename().string(); }
  const TarShards* shards() const { return shards_.get(); }

  Folder operator/(const std::string& name) const;
  bool exists() const;
  // In itself, visible ones, sorted.
  std::vector<Folder> folders() const;
  std::vector<std::filesystem::path> files() const;
  // All files below it, as walk() has them (io/datasets/walk.h).
  Walk walk(bool ffmpeg = false) const;
  // What to read of one of them.
  FilePart file(const std::filesystem::path& path) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const TarShards> shards_;
  std::string prefix_;  // of names in the shards: "" or "genres/blues/"
};

}  // namespace melgrad
