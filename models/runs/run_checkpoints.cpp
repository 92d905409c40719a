#include "models/runs/run_checkpoints.h"

#include <algorithm>
#include <filesystem>

#include "io/files/atomic_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-", kSuffix = ".h5";

// The step in "checkpoint-<step>.h5".
std::optional<std::int64_t> step_in(const std::string& name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  if (name.size() < kPrefix.size() + kSuffix.size()) return std::nullopt;
  return number_in<std::int64_t>(
      std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
}

}  // namespace

std::int64_t steps_of(const Checkpoint& state, const std::string& path) {
  return state.need_scalar<std::int64_t>("state/counter", path);
}

std::vector<std::string> RunCheckpoints::by_age() const {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const auto& entry : fs::directory_iterator(folder_->path())) {
    if (const auto step = step_in(entry.path().filename().string())) found.emplace_back(*step, entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::optional<Checkpoint> RunCheckpoints::load(const Notes& notes) const {
  if (!fs::exists(newest())) return std::nullopt;
  std::string why;
  try {
    return load_checkpoint(newest());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    why = error.what();
  }
  std::vector<std::string> damaged;
  for (const std::string& path : by_age()) {
    try {
      Checkpoint state = load_checkpoint(path);
      fs::rename(newest(), folder_->file("checkpoint-damaged.h5"));
      link_or_copy(path, newest());
      for (const std::string& other : damaged) fs::remove(other);
      note(notes, "{}; put aside as checkpoint-damaged.h5; going on from {}", why, path);
      return state;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
      damaged.push_back(path);  // the newest's other name first
    }
  }
  fail(ErrorKind::input, "{}; no checkpoint before it is whole", why);
}

std::optional<std::int64_t> RunCheckpoints::step() const {
  std::error_code error;
  for (const std::string& path : by_age())
    if (fs::equivalent(path, newest(), error)) return step_in(fs::path(path).filename().string());
  try {
    if (fs::exists(newest())) return steps_of(load_checkpoint(newest()), newest());
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input) throw;
  }
  return std::nullopt;
}

void RunCheckpoints::save(const Checkpoint& state) const {
  if (keep_ > 1) {
    const std::string path =
        folder_->file(fmt::format("{}{}{}", kPrefix, steps_of(state, newest()), kSuffix));
    save_checkpoint(path, state);
    link_or_copy(path, newest());
  } else {
    save_checkpoint(newest(), state);
  }
  const std::vector<std::string> all = by_age();
  std::error_code error;
  for (auto i = static_cast<std::size_t>(keep_ > 1 ? keep_ : 0); i < all.size(); ++i)
    fs::remove(all[i], error);
}

}  // namespace melgrad
