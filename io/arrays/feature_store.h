// Features kept between runs, so that the same sound is computed once: caches (io/arrays/cache.h) in one
// folder, found by how their features were made and then, file by file, by the content of the audio. Renamed,
// moved and shared files are known again; of a folder that grew only what is new is computed. A cache that a
// run keeps too is there once (hard link). Nothing here is needed: the folder may be removed at any time,
// also while in use.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/arrays/cache.h"

namespace melgrad {

class FeatureStore {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{10} << 30;

  explicit FeatureStore(std::filesystem::path folder, std::uint64_t max_bytes = kMaxBytes)
      : folder_(std::move(folder)), max_bytes_(max_bytes) {}

  // $MELGRAD_CACHE (empty: nothing is kept), else $XDG_CACHE_HOME/melgrad, else $HOME/.cache/melgrad; none
  // without any of them. At most $MELGRAD_CACHE_BYTES ("20G", "500M"; kMaxBytes without it) stay. Throws
  // Error (usage) for a size that is none.
  static std::optional<FeatureStore> of_user();

  const std::filesystem::path& folder() const { return folder_; }
  std::uint64_t max_bytes() const { return max_bytes_; }

  // The caches whose features were made as those of `head` on that device, last used first.
  std::vector<std::string> made_like(const Cache& head, const std::string& device) const;
  // Keeps the finished cache at `path`, made on that device. Caches that hold nothing else go, then, if there
  // are more than max_bytes, those that were not used for longest. Throws Error (output).
  void keep(const std::string& path, const std::string& device) const;

  struct Kept {
    std::string path;
    std::uint64_t bytes = 0;
    std::filesystem::file_time_type last_used;
  };
  // Last used first.
  std::vector<Kept> all() const;
  void clear() const;  // removes the caches and nothing else

 private:
  std::filesystem::path folder_;
  std::uint64_t max_bytes_;
};

}  // namespace melgrad
