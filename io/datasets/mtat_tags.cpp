#include "io/datasets/mtat_tags.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

const std::vector<std::vector<std::string>>& mtat_synonyms() {
  static const std::vector<std::vector<std::string>> groups = {
      {"beat", "beats"},
      {"chant", "chanting"},
      {"choir", "choral"},
      {"classical", "clasical", "classic"},
      {"drum", "drums"},
      {"electro", "electronic", "electronica", "electric"},
      {"fast", "fast beat", "quick"},
      {"female", "female singer", "female singing", "female vocals", "female vocal", "female voice", "woman",
       "woman singing", "women"},
      {"flute", "flutes"},
      {"guitar", "guitars"},
      {"hard", "hard rock"},
      {"harpsichord", "harpsicord"},
      {"heavy", "heavy metal", "metal"},
      {"horn", "horns"},
      {"india", "indian"},
      {"jazz", "jazzy"},
      {"male", "male singer", "male vocal", "male vocals", "male voice", "man", "man singing", "men"},
      {"no beat", "no drums"},
      {"no singer", "no singing", "no vocal", "no vocals", "no voice", "no voices", "instrumental"},
      {"opera", "operatic"},
      {"orchestra", "orchestral"},
      {"quiet", "silence"},
      {"singer", "singing"},
      {"space", "spacey"},
      {"string", "strings"},
      {"synth", "synthesizer"},
      {"violin", "violins"},
      {"vocal", "vocals", "voice", "voices"},
      {"strange", "weird"},
  };
  return groups;
}

void merge_synonyms(MtatTables& tables) {
  std::unordered_map<std::string, std::string> first_name;
  for (const auto& group : mtat_synonyms()) {
    for (const std::string& name : group) first_name[name] = group[0];
  }
  MtatTables merged;
  std::vector<std::size_t> target;  // of each tag
  std::unordered_map<std::string, std::size_t> at;
  for (const std::string& tag : tables.tags) {
    const auto synonym = first_name.find(tag);
    const std::string& name = synonym == first_name.end() ? tag : synonym->second;
    const auto [place, is_new] = at.emplace(name, merged.tags.size());
    if (is_new) merged.tags.push_back(name);
    target.push_back(place->second);
  }
  merged.positive.assign(tables.clips.size() * merged.tags.size(), 0);
  for (std::size_t c = 0; c < tables.clips.size(); ++c) {
    for (std::size_t t = 0; t < target.size(); ++t) {
      if (tables.has(c, t)) merged.positive[c * merged.tags.size() + target[t]] = 1;
    }
  }
  tables.tags = std::move(merged.tags);
  tables.positive = std::move(merged.positive);
}

std::vector<std::size_t> ranked_tags(const MtatTables& tables) {
  std::vector<std::size_t> order(tables.tags.size()), count(tables.tags.size(), 0);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (tables.ranked) return order;
  for (std::size_t c = 0; c < tables.clips.size(); ++c) {
    for (std::size_t t = 0; t < count.size(); ++t) count[t] += tables.has(c, t) ? 1 : 0;
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return count[a] != count[b] ? count[a] > count[b] : tables.tags[a] < tables.tags[b];
  });
  return order;
}

std::vector<std::size_t> choose_tags(const std::string& text, const MtatTables& tables,
                                     const std::vector<std::size_t>& ranked) {
  const std::size_t top =
      text.starts_with("top") ? number_in<std::size_t>(std::string_view(text).substr(3)).value_or(0) : 0;
  if (top > 0) {
    if (top > ranked.size()) {
      fail(ErrorKind::usage, "tags \"{}\": the data set has {} tags; ask for fewer", text, ranked.size());
    }
    return {ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(top)};
  }
  std::vector<std::size_t> chosen;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    std::string name = text.substr(from, to - from);
    name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
    name.erase(name.find_last_not_of(' ') + 1);
    const auto found = std::find(tables.tags.begin(), tables.tags.end(), name);
    if (found == tables.tags.end()) {
      fail(ErrorKind::usage, "tags: no tag \"{}\"; the nearest is \"{}\"", name, nearest(name, tables.tags));
    }
    const auto tag = static_cast<std::size_t>(found - tables.tags.begin());
    if (std::find(chosen.begin(), chosen.end(), tag) == chosen.end()) chosen.push_back(tag);
    from = to + 1;
  }
  return chosen;
}

}  // namespace melgrad
