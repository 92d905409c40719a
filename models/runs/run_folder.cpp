#include "models/runs/run_folder.h"

#include <charconv>
#include <ctime>

#include "io/files/atomic_file.h"
#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

std::string timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &local);
  return text;
}

// Whether all there is comes from before run.json, which says that a run has begun: features, split, recipe.
bool not_begun(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("features") && name != "splits.json" && name != "recipe.toml" &&
        !is_left_over(name))
      return false;
  }
  return !error;
}

fs::path path_of(const std::string& asked, const std::string& name) {
  if (!asked.empty()) return asked;
  const std::string base = "runs/" + name + "-" + timestamp();
  fs::path path = base;
  for (int n = 2; fs::exists(path); ++n) path = base + "-" + std::to_string(n);
  return path;
}

}  // namespace

RunFolder RunFolder::create(const std::string& asked, const std::string& name) {
  const fs::path path = path_of(asked, name);
  std::error_code error;
  if (fs::exists(path, error) && !(fs::is_directory(path, error) && not_begun(path))) {
    fail(ErrorKind::output, "{}: exists already; choose another --out, or continue it with --resume",
         path.string());
  }
  RunFolder folder = make(path);
  folder.lock();
  return folder;
}

RunFolder RunFolder::join(const std::string& asked, const std::string& name) {
  const fs::path path = path_of(asked, name);
  const auto begun = [&] { return fs::exists(path / "run.json"); };
  std::error_code error;
  // Asked again, as another may have begun meanwhile.
  if (fs::exists(path, error) && !begun() && !(fs::is_directory(path, error) && not_begun(path)) && !begun())
    fail(ErrorKind::output, "{}: exists already and is no run folder; choose another --out", path.string());
  RunFolder folder = make(path);
  folder.lock_ = std::make_shared<FolderLock>(path, path.string(), true);
  return folder;
}

RunFolder RunFolder::make(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(ErrorKind::output, "{}: cannot be created: {}", path.string(), error.message());
  return RunFolder(path);
}

RunFolder RunFolder::resume(const std::string& path) {
  RunFolder folder = open(path);
  folder.lock();
  return folder;
}

// Whose files these are is certain once the folder is locked: nobody is still writing a temporary one.
void RunFolder::lock() {
  lock_ = std::make_shared<FolderLock>(path_, path_.string());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    if (is_left_over(entry.path().filename().string())) fs::remove(entry.path(), error);
  }
}

RunFolder RunFolder::open(const std::string& path) {
  if (!fs::is_regular_file(fs::path(path) / "run.json")) {
    fail(ErrorKind::input, "{}: not a run folder (it has no run.json)", path);
  }
  return RunFolder(path);
}

void RunFolder::write_json(const std::string& name, const nlohmann::ordered_json& json) const {
  write_file_atomically(file(name), json_text(json, 2) + "\n");
}

nlohmann::ordered_json RunFolder::read_json(const std::string& name) const {
  const std::string text = read_text_file(file(name));
  return reading_json(file(name), [&] { return parse_json(text); });
}

std::string path_from_utf8(const std::string& text) {
  std::error_code error;
  if (fs::exists(text, error)) return text;
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = text.data() + i + 2;
    const bool written_out = text.compare(i, 2, "\\x") == 0 && i + 4 <= text.size() &&
                             std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2 && byte >= 0x80;
    path += written_out ? static_cast<char>(byte) : text[i];
    if (written_out) i += 3;
  }
  return fs::exists(path, error) ? path : text;
}

std::string digest_of_data(const RunFolder& folder) {
  return folder.read(
      "run.json", [](const nlohmann::ordered_json& run) { return run.value("data_digest", std::string()); });
}

RunOrigin origin_of(const RunFolder& folder) {
  return folder.read("run.json", [](const nlohmann::ordered_json& run) {
    return RunOrigin{path_from_utf8(run.at("cache")), run.at("device"), run.value("precision", "f32"),
                     seed_of(run.at("seed"))};
  });
}

}  // namespace melgrad
