#include "apps/synth/tags.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <map>

namespace melgrad {
namespace {

using T = Timbre;
using Words = std::vector<std::string>;

// Who plays which score, and the instruments one would name.
struct Ensemble {
  std::string_view score;
  Timbre lead, chord, bass;
  bool drums;
  Words tags;
};

struct Tempo {
  double from, to;  // beats a minute
  const char* tag;  // "" for one that nobody would mention
};
constexpr Tempo kSlow = {50, 66, "slow"}, kMedium = {92, 116, ""}, kFast = {148, 180, "fast"};

struct Kind {
  Words tags;
  std::vector<Tempo> tempi;
  std::vector<Ensemble> ensembles;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> table = {
      {{"techno", "electronic"},
       {kMedium, kFast},
       {{"techno", T::square, T::saw, T::saw, true, {}}, {"techno", T::saw, T::organ, T::square, true, {}}}},
      {{"rock", "guitar"},
       {kSlow, kMedium, kFast},
       {{"rock", T::fuzz, T::fuzz, T::sine, true, {}}, {"rock", T::pluck, T::fuzz, T::pluck, true, {}}}},
      {{"classical", "strings"},
       {kSlow, kMedium, kFast},
       {{"chamber", T::bowed, T::bowed, T::bowed, false, {}},
        {"chamber", T::bowed, T::bowed, T::bowed, false, {}},
        {"chamber", T::struck, T::bowed, T::bowed, false, {"piano"}}}},
      {{"classical"},
       {kSlow, kMedium, kFast},
       {{"chamber", T::struck, T::struck, T::struck, false, {"piano"}},
        {"chamber", T::pluck, T::pluck, T::pluck, false, {"guitar"}}}},
      {{},
       {kSlow, kMedium, kFast},
       {{"ballad", T::pluck, T::pluck, T::pluck, true, {"guitar"}},
        {"folk", T::pluck, T::fm_reed, T::pluck, false, {"guitar"}}}},
      {{"electronic"},
       {kSlow},
       {{"ambient", T::sine, T::organ, T::sine, false, {}},
        {"ambient", T::fm_bell, T::saw, T::organ, false, {}},
        {"ambient", T::struck, T::saw, T::sine, false, {"piano"}},
        {"ambient", T::sine, T::bowed, T::organ, false, {"strings"}}}},
      {{},
       {kSlow, kMedium, kFast},
       {{"ballad", T::struck, T::struck, T::sine, true, {"piano"}},
        {"ballad", T::struck, T::bowed, T::sine, true, {"piano", "strings"}},
        {"ballad", T::square, T::saw, T::saw, true, {"electronic"}}}},
  };
  return table;
}

// The tags to be learned; each with words for nearly the same, which are given rarely and beside it.
const std::map<std::string, Words>& words_for() {
  static const std::map<std::string, Words> words = {
      {"guitar", {"guitars"}},   {"classical", {"classic", "clasical"}}, {"slow", {"soft", "quiet"}},
      {"techno", {"dance"}},     {"strings", {"string", "violin"}},      {"drums", {"drum", "beat", "beats"}},
      {"electronic", {"synth"}}, {"rock", {"hard rock", "loud"}},        {"fast", {"quick", "fast beat"}},
      {"piano", {"solo"}}};
  return words;
}

Words true_tags(const Kind& kind, const Ensemble& ensemble, const Tempo& tempo) {
  Words tags = kind.tags;
  tags.insert(tags.end(), ensemble.tags.begin(), ensemble.tags.end());
  if (ensemble.drums) tags.emplace_back("drums");
  if (*tempo.tag != 0) tags.emplace_back(tempo.tag);
  return tags;
}

Words given_tags(const Words& heard, Dice& dice) {
  Words tags;
  const bool nobody_cared = dice.chance(0.05);
  for (const auto& [tag, others] : words_for()) {
    const bool is_heard = std::find(heard.begin(), heard.end(), tag) != heard.end();
    const bool given = dice.chance(is_heard ? 0.96 : 0.01);
    const auto& other = others[static_cast<std::size_t>(dice.below(static_cast<int>(others.size())))];
    const bool in_other_words = dice.chance(0.12) && is_heard;
    if (given) tags.push_back(tag);
    if (in_other_words) tags.push_back(other);
  }
  if (std::find(heard.begin(), heard.end(), "drums") == heard.end() && dice.chance(0.08)) {
    tags.emplace_back("no drums");
  }
  return nobody_cared ? Words{} : tags;
}

// "Quiet Harbour", "Amber River", ...: as many as are asked for, all different.
std::string name_number(std::size_t n, const Words& first, const Words& second) {
  const std::size_t all = first.size() * second.size(), i = n % all;
  const std::string name = first[i % first.size()] + " " + second[(i + i / first.size()) % second.size()];
  return n < all ? name : fmt::format("{} {}", name, n / all + 1);
}

std::string artist_name(std::size_t n) {
  return name_number(n, {"Quiet", "Amber", "Northern", "Paper", "Hollow", "Silver", "Distant", "Marble"},
                     {"Harbour", "Quartet", "Circuit", "Lanterns", "Meadow", "Players", "Engine", "Choir"});
}

std::string album_name(std::size_t n) {
  return name_number(n, {"First", "Winter", "Broken", "Open", "Late", "Secret", "Plain", "Seventh", "Long"},
                     {"Light", "Letters", "Rooms", "Fields", "Hours", "Signals", "Songs"});
}

// One in five has quotes in it, to be doubled in the tables.
std::string title_name(std::size_t n) {
  const std::string name = name_number(n, {"Slow", "Little", "Red", "Fallen", "Old", "Blue", "Last"},
                                       {"Bridge", "Mill", "Orchard", "Tide", "Window"});
  return n % 5 == 0 ? fmt::format("\"{}\"", name) : name;
}

// As in the real file names: lower case, blanks to underscores, no other marks.
std::string plain(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (c == ' ') {
      out += '_';
    }
  }
  return out;
}

std::string row(const Words& fields) {
  std::string line;
  for (const std::string& field : fields) {
    line.append(line.empty() ? "\"" : "\t\"");
    for (const char c : field) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }
  return line += '\n';
}

Words tag_columns() {
  Words columns = {"no drums", "opera"};  // nobody sings opera here: a tag without a clip
  for (const auto& [tag, others] : words_for()) {
    columns.push_back(tag);
    columns.insert(columns.end(), others.begin(), others.end());
  }
  return columns;
}

template <typename T>
const T& any_of(const std::vector<T>& items, Dice& dice) {
  return items[static_cast<std::size_t>(dice.below(static_cast<int>(items.size())))];
}

// Fills a list of clips, track by track.
class Planner {
 public:
  Planner(std::size_t clips, int seconds, std::uint64_t seed)
      : wanted_(clips), seconds_(seconds), seed_(seed), dice_(mixed_seed(seed, 0, 0)) {}

  std::vector<SynthClip> plan() {
    for (std::size_t artist = 0; clips_.size() < wanted_; ++artist) {
      const std::size_t kind = artist % kinds().size();
      for (int albums = dice_.chance(0.5) ? 2 : 1; albums > 0; --albums, ++albums_) {
        const char folder = next_folder(kind);
        const int tracks = dice_.chance(0.3) ? 2 : 1;
        for (int number = 1; number <= tracks; ++number, ++tracks_) {
          add_track(kinds()[kind], artist, folder, number);
        }
      }
    }
    clips_.resize(wanted_);
    return std::move(clips_);
  }

 private:
  // Of 16 albums of a kind 12 train (0 to b), one validates (c), 3 test (d to f), as in the real data set, in
  // an order that gives small sets some of each.
  char next_folder(std::size_t kind) {
    constexpr std::string_view kTrain = "0123456789ab", kTest = "def", kOrder = "tetvttetttettttt";
    switch (kOrder[albums_of_[kind]++ % kOrder.size()]) {
      case 'v':
        return 'c';
      case 'e':
        return kTest[tests_++ % kTest.size()];
      default:
        return kTrain[trains_++ % kTrain.size()];
    }
  }

  void add_track(const Kind& kind, std::size_t artist, char folder, int number) {
    const Ensemble& ensemble = any_of(kind.ensembles, dice_);
    const Tempo& tempo = any_of(kind.tempi, dice_);
    const Words heard = true_tags(kind, ensemble, tempo);
    SynthClip clip{
        0, artist_name(artist), album_name(albums_), title_name(tracks_), number, 0, 0, "", {}, 0, 0, {}};
    clip.scene = {ensemble.score, dice_.between(tempo.from, tempo.to),
                  ensemble.lead,  ensemble.chord,
                  ensemble.bass,  ensemble.drums};
    clip.seed = mixed_seed(seed_, 1, tracks_);
    const int excerpts = dice_.chance(0.3) ? 3 : 2;
    for (clip.excerpt = 0; clip.excerpt < excerpts; ++clip.excerpt) {
      clip.id = 2 + 4 * static_cast<std::int64_t>(clips_.size());
      clip.start = clip.excerpt * seconds_;
      clip.end = clip.start + seconds_;
      clip.path = fmt::format("{}/{}-{}-{:02}-{}-{}-{}.mp3", folder, plain(clip.artist), plain(clip.album),
                              number, plain(clip.title), clip.start, clip.end);
      clip.tags = given_tags(heard, dice_);
      clips_.push_back(clip);
    }
  }

  std::size_t wanted_, albums_ = 0, tracks_ = 0, trains_ = 0, tests_ = 0;
  std::map<std::size_t, std::size_t> albums_of_;  // kind -> albums
  int seconds_;
  std::uint64_t seed_;
  Dice dice_;
  std::vector<SynthClip> clips_;
};

}  // namespace

std::vector<SynthClip> plan_clips(std::size_t clips, int seconds, std::uint64_t seed) {
  return Planner(clips, seconds, seed).plan();
}

std::string annotations_table(const std::vector<SynthClip>& clips) {
  const Words columns = tag_columns();
  Words fields = {"clip_id"};
  fields.insert(fields.end(), columns.begin(), columns.end());
  fields.emplace_back("mp3_path");
  std::string text = row(fields);
  for (const SynthClip& clip : clips) {
    fields[0] = std::to_string(clip.id);
    for (std::size_t t = 0; t < columns.size(); ++t) {
      const bool has = std::find(clip.tags.begin(), clip.tags.end(), columns[t]) != clip.tags.end();
      fields[1 + t] = std::to_string(has ? 1 : 0);
    }
    fields.back() = clip.path;
    text += row(fields);
  }
  return text;
}

std::string clip_info_table(const std::vector<SynthClip>& clips) {
  std::string text = row({"clip_id", "track_number", "title", "artist", "album", "url", "segmentStart",
                          "segmentEnd", "original_url", "mp3_path"});
  for (std::size_t i = 0; i < clips.size(); ++i) {
    const SynthClip& c = clips[i];
    const std::string url = fmt::format("http://example.org/albums/{}/", plain(c.album));
    const auto line = [&](std::int64_t id, int start, int end, const std::string& original,
                          const std::string& path) {
      text += row({std::to_string(id), std::to_string(c.track_number), c.title,
                   c.artist.starts_with("Hollow") ? "" : c.artist, c.album, url, std::to_string(start),
                   std::to_string(end), original, path});
    };
    line(c.id, c.start, c.end, url + plain(c.title) + ".mp3", c.path);
    const bool last_of_track = i + 1 == clips.size() || clips[i + 1].seed != c.seed;
    if (last_of_track) line(c.id + 1, c.end, 2 * c.end - c.start, "", "");  // a clip that was never cut
  }
  return text;
}

std::uint64_t mixed_seed(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = seed;
  for (const std::uint64_t part : {a, b}) {  // the mixing function of SplitMix64
    x += 0x9E3779B97F4A7C15U * (part + 1);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    x ^= x >> 31;
  }
  return x;
}

}  // namespace melgrad
