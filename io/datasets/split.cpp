#include "io/datasets/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <unordered_map>

#include "io/audio/audio.h"
#include "io/files/atomic_file.h"
#include "io/files/json.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

void sort_all(Split& split) {
  for (auto* part : {&split.train, &split.valid, &split.test}) std::sort(part->begin(), part->end());
}

// Fisher-Yates with our own draw: std::shuffle differs between standard libraries.
template <typename T>
void shuffle(std::vector<T>& items, std::mt19937_64& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random() % i]);
}

using Groups = std::vector<std::vector<std::int32_t>>;

Groups members_of(const std::vector<std::int64_t>& group) {
  std::map<std::int64_t, std::vector<std::int32_t>> members;
  for (std::size_t i = 0; i < group.size(); ++i) members[group[i]].push_back(static_cast<std::int32_t>(i));
  Groups groups;
  for (auto& [id, tracks] : members) groups.push_back(std::move(tracks));
  return groups;
}

// Deals whole groups out: the part that lacks most of its share takes the next one.
void deal(const Groups& groups, const SplitFractions& fractions, Split& split) {
  std::int64_t total = 0;
  for (const auto& tracks : groups) total += static_cast<std::int64_t>(tracks.size());
  const auto share = [&](double fraction) { return std::llround(fraction * static_cast<double>(total)); };
  const bool all = fractions.train + fractions.valid + fractions.test > 1 - 1e-9;
  std::int64_t want[3] = {share(fractions.train), share(fractions.valid), 0};
  want[2] = all ? total - want[0] - want[1] : share(fractions.test);
  std::vector<std::int32_t>* parts[3] = {&split.train, &split.valid, &split.test};
  for (const auto& tracks : groups) {
    const auto lacking = std::max_element(std::begin(want), std::end(want)) - std::begin(want);
    if (want[lacking] <= 0) break;
    parts[lacking]->insert(parts[lacking]->end(), tracks.begin(), tracks.end());
    want[lacking] -= static_cast<std::int64_t>(tracks.size());
  }
}

std::optional<fs::path> list_file(const fs::path& folder, const std::string& part) {
  if (!fs::is_directory(folder)) return std::nullopt;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".txt" && name.find(part) != std::string::npos)
      found.push_back(entry.path());
  }
  if (found.size() > 1) {
    fail(ErrorKind::input, "{}: {} files named *{}*.txt; leave one list of each kind", folder.string(),
         found.size(), part);
  }
  return found.empty() ? std::nullopt : std::optional(found[0]);
}

}  // namespace

namespace {

// The groups of each class, that of their first member, in random order, but the larger ones first: they are
// the hardest to fit.
std::map<std::int32_t, Groups> drawn_by_class(const std::vector<std::int32_t>& label,
                                              const std::vector<std::int64_t>& group, std::uint64_t seed) {
  std::map<std::int32_t, Groups> by_class;
  for (auto& tracks : members_of(group))
    by_class[label[static_cast<std::size_t>(tracks[0])]].push_back(std::move(tracks));
  std::mt19937_64 random(seed);
  for (auto& [klass, groups] : by_class) {
    shuffle(groups, random);
    std::stable_sort(groups.begin(), groups.end(),
                     [](const auto& a, const auto& b) { return a.size() > b.size(); });
  }
  return by_class;
}

}  // namespace

Split stratified_split(const std::vector<std::int32_t>& label, const std::vector<std::int64_t>& group,
                       const SplitFractions& fractions, std::uint64_t seed) {
  Split split;
  for (const auto& [klass, groups] : drawn_by_class(label, group, seed)) deal(groups, fractions, split);
  sort_all(split);
  return split;
}

std::vector<std::int64_t> stratified_folds(const std::vector<std::int32_t>& label,
                                           const std::vector<std::int64_t>& group, std::int64_t folds,
                                           std::uint64_t seed) {
  const auto count = static_cast<std::size_t>(folds);
  std::vector<std::int64_t> fold(label.size()), size(count);
  for (const auto& [klass, groups] : drawn_by_class(label, group, seed)) {
    std::vector<std::int64_t> of_class(count);
    for (const auto& tracks : groups) {
      // Where the class has fewest; of those where there are fewest of all.
      std::size_t least = 0;
      for (std::size_t k = 1; k < count; ++k)
        if (std::pair(of_class[k], size[k]) < std::pair(of_class[least], size[least])) least = k;
      for (const std::int32_t track : tracks)
        fold[static_cast<std::size_t>(track)] = static_cast<std::int64_t>(least);
      of_class[least] += std::ssize(tracks);
      size[least] += std::ssize(tracks);
    }
  }
  return fold;
}

Split grouped_split(const std::vector<std::int64_t>& group, const SplitFractions& fractions,
                    std::uint64_t seed) {
  Groups groups = members_of(group);
  std::mt19937_64 random(seed);
  shuffle(groups, random);
  Split split;
  deal(groups, fractions, split);
  sort_all(split);
  return split;
}

void join_groups(std::vector<std::int64_t>& group, const std::vector<std::string>& names) {
  std::unordered_map<std::int64_t, std::int64_t> joined;  // group -> one it belongs to; the last to itself
  const auto top = [&](std::int64_t g) {
    std::int64_t at = g;
    for (auto next = joined.find(at); next != joined.end() && next->second != at; next = joined.find(at))
      at = next->second;
    return joined[g] = at;
  };
  std::unordered_map<std::string, std::int64_t> first;
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (names[i].empty()) continue;
    const std::int64_t mine = top(group[i]), other = top(first.emplace(names[i], mine).first->second);
    joined[std::max(mine, other)] = std::min(mine, other);
  }
  for (std::int64_t& g : group) g = top(g);
}

std::vector<std::string> folds_of(const std::vector<std::string>& fold) {
  const auto before = [](const std::string& a, const std::string& b) {
    // Of whole numbers the longer is the larger: "2" before "10".
    const auto number = [](const std::string& s) {
      return s.find_first_not_of("0123456789") == std::string::npos;
    };
    if (number(a) && number(b) && a.size() != b.size()) return a.size() < b.size();
    return a < b;
  };
  std::vector<std::string> folds(fold.begin(), fold.end());
  std::sort(folds.begin(), folds.end(), before);
  folds.erase(std::unique(folds.begin(), folds.end()), folds.end());
  std::erase(folds, "");
  return folds;
}

Split split_by_fold(const std::vector<std::string>& fold, const std::string& test, const std::string& where) {
  const std::vector<std::string> folds = folds_of(fold);
  const auto at = static_cast<std::size_t>(std::find(folds.begin(), folds.end(), test) - folds.begin());
  if (at == folds.size() || folds.size() < 3)
    fail(ErrorKind::input, "{}: {}; its folds are {}", where,
         at == folds.size() ? fmt::format("no fold \"{}\"", test)
                            : "one fold to test on, one to validate on and one to train on are needed",
         joined({folds.begin(), folds.begin() + std::min<std::ptrdiff_t>(20, std::ssize(folds))}));
  const std::string& valid = folds[(at + 1) % folds.size()];
  Split split;
  for (std::size_t i = 0; i < fold.size(); ++i) {
    if (fold[i].empty()) continue;
    auto& part = fold[i] == test ? split.test : fold[i] == valid ? split.valid : split.train;
    part.push_back(static_cast<std::int32_t>(i));
  }
  return split;
}

// "blues/blues.00012.wav" and "blues.00012" are the same track.
std::string name_in_lists(const std::string& name) {
  const fs::path path(name);
  return (has_audio_extension(path) || path.extension() == ".npy" ? path.stem() : path.filename()).string();
}

bool has_split_lists(const fs::path& folder) {
  return list_file(folder, "train") && list_file(folder, "valid") && list_file(folder, "test");
}

Split split_from_lists(const fs::path& folder, const std::vector<std::string>& names,
                       std::vector<std::string>* missing) {
  std::unordered_map<std::string, std::int32_t> index;
  for (std::size_t i = 0; i < names.size(); ++i)
    index[name_in_lists(names[i])] = static_cast<std::int32_t>(i);
  Split split;
  std::unordered_map<std::int32_t, std::string> seen;
  const std::pair<const char*, std::vector<std::int32_t>*> parts[] = {
      {"train", &split.train}, {"valid", &split.valid}, {"test", &split.test}};
  for (const auto& [part, tracks] : parts) {
    const auto path = list_file(folder, part);
    if (!path) fail(ErrorKind::input, "{}: no list named *{}*.txt", folder.string(), part);
    std::istringstream lines(read_text_file(*path));
    for (std::string line; std::getline(lines, line);) {
      line.erase(line.find_last_not_of(" \t\r") + 1);
      if (line.empty()) continue;
      const auto found = index.find(name_in_lists(line));
      if (found == index.end()) {
        if (missing != nullptr) missing->push_back(line);
        continue;
      }
      const auto [other, fresh] = seen.emplace(found->second, part);
      if (!fresh)
        fail(ErrorKind::input, "{}: {} is also in the list of {}", path->string(), line, other->second);
      tracks->push_back(found->second);
    }
  }
  sort_all(split);
  return split;
}

void write_split(const fs::path& path, const Split& split, const std::vector<std::string>& names) {
  nlohmann::ordered_json out;
  const std::pair<const char*, const std::vector<std::int32_t>*> parts[] = {
      {"train", &split.train}, {"valid", &split.valid}, {"test", &split.test}};
  for (const auto& [part, tracks] : parts) {
    out[part] = nlohmann::ordered_json::array();
    for (const std::int32_t i : *tracks) out[part].push_back(names[static_cast<std::size_t>(i)]);
  }
  write_file_atomically(path.string(), json_text(out, 1) + "\n");
}

Split read_split(const fs::path& path, const std::vector<std::string>& names) {
  const std::string text = read_text_file(path);
  std::unordered_map<std::string, std::int32_t> index;
  for (std::size_t i = 0; i < names.size(); ++i) index[as_utf8(names[i])] = static_cast<std::int32_t>(i);
  Split split;
  reading_json(path.string(), [&] {
    const auto json = parse_json(text);
    const std::pair<const char*, std::vector<std::int32_t>*> parts[] = {
        {"train", &split.train}, {"valid", &split.valid}, {"test", &split.test}};
    for (const auto& [part, tracks] : parts) {
      for (const std::string name : json.at(part)) {
        const auto found = index.find(name);
        if (found == index.end()) {
          fail(ErrorKind::input, "{}: track {} is not in the cache", path.string(), name);
        }
        tracks->push_back(found->second);
      }
    }
  });
  sort_all(split);
  return split;
}

}  // namespace melgrad
