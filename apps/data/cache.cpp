// melgrad cache: the features that runs on folders left for the next (io/arrays/feature_store.h).
#include <chrono>
#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

#include "apps/data/extract.h"
#include "apps/terminal/screen.h"
#include "apps/terminal/text_table.h"
#include "io/arrays/feature_store.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

std::string day_of(std::filesystem::file_time_type time) {
  const auto system = std::chrono::file_clock::to_sys(time);
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(system);
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

std::string size_text(std::uint64_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return megabytes < 1000 ? fmt::format("{:.1f} MB", megabytes) : fmt::format("{:.1f} GB", megabytes / 1000);
}

// A kept cache and what it says of itself; `damaged` says why it cannot be read.
struct Listed {
  FeatureStore::Kept kept;
  Cache cache;
  std::string damaged;
};

std::vector<Listed> list(const FeatureStore& store) {
  std::vector<Listed> out;
  for (const FeatureStore::Kept& kept : store.all()) {
    Listed one{kept, {}, ""};
    try {
      one.cache = read_cache(kept.path, {.features = false});
    } catch (const Error& e) {
      one.damaged = e.what();
    }
    out.push_back(std::move(one));
  }
  return out;
}

nlohmann::ordered_json as_json(const FeatureStore& store, const std::vector<Listed>& listed) {
  nlohmann::ordered_json out = {{"folder", store.folder().string()},
                                {"max_bytes", store.max_bytes()},
                                {"caches", nlohmann::json::array()}};
  for (const Listed& one : listed) {
    nlohmann::ordered_json entry = {
        {"file", one.kept.path}, {"bytes", one.kept.bytes}, {"last_used", day_of(one.kept.last_used)}};
    if (one.damaged.empty()) {
      entry.update({{"preset", one.cache.mel.preset},
                    {"sample_rate", one.cache.mel.sample_rate},
                    {"bands", one.cache.bands},
                    {"tracks", one.cache.items.size()},
                    {"classes", one.cache.classes}});
    } else {
      entry["damaged"] = one.damaged;
    }
    out["caches"].push_back(std::move(entry));
  }
  return out;
}

std::string as_text(const FeatureStore& store, const std::vector<Listed>& listed) {
  TextRows rows = {{"features", "rate", "bands", "tracks", "classes", "size", "last used"}};
  std::uint64_t bytes = 0;
  for (const Listed& one : listed) {
    const Cache& cache = one.cache;
    bytes += one.kept.bytes;
    if (one.damaged.empty()) {
      rows.push_back({cache.mel.preset, fmt::format("{} Hz", cache.mel.sample_rate),
                      std::to_string(cache.bands), std::to_string(cache.items.size()),
                      std::to_string(cache.classes.size()), size_text(one.kept.bytes),
                      day_of(one.kept.last_used)});
    } else {
      rows.push_back({"damaged", "", "", "", "", size_text(one.kept.bytes), day_of(one.kept.last_used)});
    }
  }
  return fmt::format("{}{}{} in {} caches, at most {}; the longest unused go first\n",
                     printable(store.folder().string()) + ": ", listed.empty() ? "" : "\n" + align(rows),
                     size_text(bytes), listed.size(), size_text(store.max_bytes()));
}

void cache(const Settings& settings, bool clear) {
  const auto store = FeatureStore::of_user();
  if (!store) {
    if (settings.json)
      print_json(nlohmann::ordered_json{{"folder", nullptr}, {"caches", nlohmann::json::array()}});
    else print("no features are kept: MELGRAD_CACHE is empty, or there is no HOME\n");
    return;
  }
  const std::vector<Listed> listed = list(*store);
  if (clear) store->clear();
  if (settings.json) print_json(as_json(*store, listed));
  else if (clear) print("{}: {} removed\n", store->folder().string(), listed.size());
  else print("{}", Lines{as_text(*store, listed)});
}

}  // namespace

void register_cache(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand(
      "cache",
      "the features of folders that train and reproduce keep (MELGRAD_CACHE names the folder, "
      "MELGRAD_CACHE_BYTES the most it may hold)");
  const auto clear = std::make_shared<bool>(false);
  command->add_flag("--clear", *clear, "remove them; run folders keep theirs");
  command->callback([clear, &settings] { cache(settings, *clear); });
}

}  // namespace melgrad
