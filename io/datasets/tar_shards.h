// Tar shards (WebDataset's layout) as one tree of files: a member is a range of bytes of its shard and is
// read from there. Compressed shards, and what comes on standard input, are unpacked once into a temporary
// folder, which goes when the last file of them does. Archives may come from anywhere: links, devices, sparse
// members, names that lead out of the tree and names that were there before are left out and told; hidden
// files are ignored, as in folders. Of a shard that is damaged or cut short what is whole is used.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/datasets/walk.h"
#include "io/files/file_part.h"

namespace melgrad {

class TemporaryFolder;

// Whether `data` is "-" (standard input), a tar by its name, a pattern (* ? [...] {a,b} {0000..0146}) that is
// no file, or a folder that holds tars and no audio.
bool names_shards(const std::string& data);

// What a shell made of a pattern as one text again: "shards/{0000..0146}.tar". Throws Error (input) for what
// is not there, (usage) for several that are not tars.
std::string shards_named(const std::vector<std::string>& paths);

class TarShards {
 public:
  // Throws Error (input) if there are none or none holds a file, (output) if there is no room to unpack one,
  // and what `stop`, which is asked meanwhile, throws.
  explicit TarShards(const std::string& data, const std::function<void()>& stop = {});

  const std::string& data() const { return data_; }  // as it was given
  FilePart file(const std::string& name) const;

  // Where files lie, by their names: "blues/a.wav". Folders end in '/'.
  struct Place {
    std::size_t archive = 0;
    std::int64_t begin = 0, size = 0;
  };
  std::map<std::string, Place> members;
  std::vector<LeftOut> left_out;
  std::vector<std::string> notes;

 private:
  void add(const std::string& path, const std::shared_ptr<const TemporaryFolder>& folder,
           const std::function<void()>& stop);
  void add_members(const std::filesystem::path& file, const std::string& shard);

  std::string data_;
  std::vector<std::shared_ptr<const Archive>> archives_;
  std::uintmax_t unpacked_bytes_ = 0;
};

}  // namespace melgrad
