#include "io/datasets/folder.h"

#include <algorithm>

#include "io/datasets/tar_shards.h"

namespace melgrad {

namespace fs = std::filesystem;

Folder::Folder(std::shared_ptr<const TarShards> shards) : path_(shards->data()), shards_(std::move(shards)) {}

Folder Folder::operator/(const std::string& name) const {
  Folder out = *this;
  out.path_ /= name;
  if (shards_) out.prefix_ += name + "/";
  return out;
}

bool Folder::exists() const {
  std::error_code error;
  if (!shards_) return fs::is_directory(path_, error);
  const auto at = shards_->members.lower_bound(prefix_);
  return at != shards_->members.end() && at->first.starts_with(prefix_);
}

std::vector<Folder> Folder::folders() const {
  std::vector<Folder> out;
  if (!shards_) {
    for (fs::path& path : visible_folders(path_)) out.emplace_back(std::move(path));
    return out;
  }
  const auto& members = shards_->members;
  for (auto at = members.lower_bound(prefix_); at != members.end() && at->first.starts_with(prefix_);) {
    const std::size_t end = at->first.find('/', prefix_.size());
    if (end == std::string::npos) {
      ++at;
      continue;
    }
    out.push_back(*this / at->first.substr(prefix_.size(), end - prefix_.size()));
    at = members.lower_bound(at->first.substr(0, end) + static_cast<char>('/' + 1));  // behind all in it
  }
  return out;
}

std::vector<fs::path> Folder::files() const {
  std::vector<fs::path> out;
  if (!shards_) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path_))
      if (!is_hidden(entry.path()) && !entry.is_directory(error)) out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
  }
  const auto& members = shards_->members;
  for (auto at = members.lower_bound(prefix_); at != members.end() && at->first.starts_with(prefix_); ++at) {
    const std::string name = at->first.substr(prefix_.size());
    if (!name.empty() && name.find('/') == std::string::npos) out.push_back(path_ / name);
  }
  return out;
}

Walk Folder::walk(bool ffmpeg) const {
  if (!shards_) return melgrad::walk(path_, ffmpeg);
  Walk found;
  const auto& members = shards_->members;
  for (auto at = members.lower_bound(prefix_); at != members.end() && at->first.starts_with(prefix_); ++at)
    if (!at->first.ends_with('/')) add_file(path_ / at->first.substr(prefix_.size()), path_, ffmpeg, found);
  return found;
}

FilePart Folder::file(const fs::path& path) const {
  if (!shards_) return path;
  return shards_->file(prefix_ + path.lexically_relative(path_).generic_string());
}

}  // namespace melgrad
