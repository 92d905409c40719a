// libFuzzer over everything that reads files from strangers. One program; MELGRAD_FUZZ names the reader:
//   MELGRAD_FUZZ=checkpoint fuzz CORPUS        (tests/fuzz/run.sh does it for all, from valid files)
// A reader may refuse a file with an Error (input) or (usage) and nothing else; anything but that is a crash.
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/report/analysis.h"
#include "apps/report/sections.h"
#include "io/arrays/cache.h"
#include "io/arrays/checkpoint.h"
#include "io/arrays/npz.h"
#include "io/arrays/safetensors.h"
#include "io/audio/audio.h"
#include "io/datasets/dataset.h"
#include "io/datasets/mtat_tables.h"
#include "io/datasets/open_data_set.h"
#include "io/datasets/split.h"
#include "io/files/text_file.h"
#include "io/weights/tensor_bundle.h"
#include "io/weights/weight_source.h"
#include "models/recipes/recipe.h"

namespace {

using namespace melgrad;

constexpr std::int64_t kMostBytes = 1 << 26;  // a reader may ask for no more, whatever the file says

// A report's pictures of a run that has the file at `path` as `name`, up to where gnuplot would draw them.
void report_on(const std::string& path, const std::string& name) {
  static const std::string folder = path + "-run";
  if (std::filesystem::create_directory(folder)) {
    std::ofstream(folder + "/recipe.toml") << as_toml(load_recipe("dong2018"));
    std::ofstream(folder + "/run.json") << "{}";
    std::ofstream(folder + "/splits.json") << "{}";
    std::filesystem::create_symlink(path, folder + "/" + name);
  }
  std::vector<std::string> problems;
  const std::vector<ReportRun> runs = read_runs(folder, problems);
  const std::vector<RunGroup> groups = group_runs(runs);
  Page page("");
  add_overview(page, groups);
  add_genre_results(page, groups);
  add_tag_results(page, groups);
  add_comparisons(page, groups);
  add_learning_curves(page, groups);
  add_notes(page, runs);
}

// Every tensor that fits what a reader may ask for.
void read_all(const WeightSource& source) {
  for (std::size_t k = 0; k < source.tensors().size(); ++k) {
    std::int64_t numel = 1;
    for (const std::int64_t extent : source.tensors()[k].shape) numel *= extent;
    if (numel < kMostBytes / 4) source.read(k);
  }
}

const std::map<std::string, std::function<void(const std::string&)>> kReaders = {
    {"audio", [](const std::string& path) { read_audio(path, 22050, {.limits = {.max_seconds = 30}}); }},
    {"cache",
     [](const std::string& path) {
       const CacheFile file(path);
       if (file.rows() * file.description().bands < kMostBytes / 4) file.read_all();
     }},
    {"checkpoint", [](const std::string& path) { load_checkpoint(path, kMostBytes); }},
    {"safetensors", [](const std::string& path) { load_safetensors(path, kMostBytes); }},
    {"npz", [](const std::string& path) { read_npz(path, kMostBytes); }},
    {"npy", [](const std::string& path) { read_npy(path, kMostBytes); }},
    {"pth", [](const std::string& path) { read_all(*open_weights(path)); }},
    {"bundle",
     [](const std::string& path) {
       const std::string all = read_text_file(path);  // the index, what separates them, the data
       const std::size_t cut = std::min(all.find("|data|"), all.size());
       read_all(*open_tensor_bundle(path, all.substr(0, cut), [&](const std::string&) {
         return all.substr(std::min(cut + 6, all.size()));
       }));
     }},
    {"recipe",
     [](const std::string& path) {
       std::ifstream in(path);
       parse_recipe({std::istreambuf_iterator<char>(in), {}}, path);
     }},
    {"manifest", [](const std::string& path) { open_data_set(path); }},
    {"tar",
     [](const std::string& path) {
       for (const Track& track : open_data_set(path).tracks)
         if (track.path.begin + track.path.size > static_cast<std::int64_t>(std::filesystem::file_size(path)))
           std::abort();
     }},
    {"annotations", [](const std::string& path) { read_annotations(path); }},
    {"clip-info",
     [](const std::string& path) {
       std::vector<LeftOut> skipped;
       read_clip_info(path, skipped);
     }},
    {"split",
     [](const std::string& path) {
       read_split(path, {"a", "b", "c"});
     }},
    {"result", [](const std::string& path) { report_on(path, "result.json"); }},
    {"metrics", [](const std::string& path) { report_on(path, "metrics.jsonl"); }},
    {"analysis",
     [](const std::string& path) {
       Page page("");
       std::vector<std::string> problems;
       add_analyses(page, {read_analysis(path)}, problems);
     }},
};

const auto* reader = [] {
  const char* name = std::getenv("MELGRAD_FUZZ");
  const auto found = kReaders.find(name == nullptr ? "" : name);
  if (found == kReaders.end()) {
    std::fprintf(stderr, "MELGRAD_FUZZ must be one of:");
    for (const auto& [known, run] : kReaders) std::fprintf(stderr, " %s", known.c_str());
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
  return &found->second;
}();

// A file in memory whose name ends as the reader wants it.
std::string place() {
  const std::string name = std::getenv("MELGRAD_FUZZ");
  return "/dev/shm/melgrad-fuzz-" + std::to_string(::getpid()) +
         (name == "manifest" ? ".csv"
          : name == "pth"    ? ".pth"
          : name == "tar"    ? ".tar"
                             : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const std::string path = place();
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  const bool written = ::write(file, bytes, size) == static_cast<ssize_t>(size);
  ::close(file);
  if (!written) std::abort();
  try {
    (*reader)(path);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::input || error.kind() == ErrorKind::usage) return 0;
    std::fprintf(stderr, "not an input error: %s\n", error.what());
    std::abort();
  }
  return 0;
}
