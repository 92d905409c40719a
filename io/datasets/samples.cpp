#include "io/datasets/samples.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include "io/datasets/csv.h"
#include "io/files/byte_range.h"
#include "io/files/encoding.h"
#include "io/files/json.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostJson = 1 << 24;  // bytes
constexpr std::int64_t kLongestLabel = 200;
constexpr const char* kOneLabel[] = {"label", "genre", "class"};
constexpr const char* kAllLabels[] = {"tags", "labels"};

// What is known of one audio file.
struct Sample {
  fs::path audio;
  std::map<std::string, fs::path> beside;  // by extension
  std::optional<std::vector<std::string>> by_json = {};
  std::string split = {};
  std::vector<std::string> columns = std::vector<std::string>(std::size(kColumns));
  std::string wrong = {};  // why it cannot be a track
};

std::string text_of_file(const FilePart& part, std::int64_t most) {
  const InputFile file(part);
  if (file.size() > most)
    fail(ErrorKind::input, "{}: has {} bytes, more than the {} that are read of such a file", part.string(),
         file.size(), most);
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  text.resize(file.read(0, text.data(), text.size()));
  return text;
}

// The one line of a text without blanks around it.
std::string label_in(const FilePart& part) {
  std::string text = text_of_file(part, kLongestLabel);
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  if (text.empty() || text.find('\n') != std::string::npos)
    fail(ErrorKind::input, "{}: holds no label in one line", part.string());
  return as_utf8(text);
}

// Texts and numbers as text; nothing for what is neither.
std::optional<std::string> text_of_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  return std::nullopt;
}

std::vector<std::string> labels_of(const Json& value, const std::string& where) {
  std::vector<std::string> labels;
  for (const Json& one : value.is_array() ? value : Json::array({value})) {
    const auto text = text_of_value(one);
    if (!text || text->empty() || std::ssize(*text) > kLongestLabel)
      fail(ErrorKind::input, "{} holds what is no label", where);
    if (std::find(labels.begin(), labels.end(), *text) == labels.end()) labels.push_back(*text);
  }
  return labels;
}

void read_json(const FilePart& part, Sample& sample) {
  const std::string where = part.string();
  const Json json = reading_json(where, [&] { return parse_json(text_of_file(part, kMostJson)); });
  const auto given = [&](const char* key) {
    const auto at = json.is_object() ? json.find(key) : json.end();
    return at == json.end() || at->is_null() ? nullptr : &*at;
  };
  for (const auto& keys : {std::span<const char* const>(kOneLabel), std::span<const char* const>(kAllLabels)})
    for (const char* key : keys)
      if (const Json* value = given(key); value != nullptr && !sample.by_json)
        sample.by_json = labels_of(*value, where + ": " + key);
  for (std::size_t i = 0; i < std::size(kColumns); ++i)
    if (const Json* value = given(kColumns[i]); value != nullptr)
      sample.columns[i] = text_of_value(*value).value_or("");
  if (const Json* value = given("split"); value != nullptr) {
    const std::string split = text_of_value(*value).value_or("");
    sample.split = split_called(split);
    if (sample.split.empty() && !split.empty())
      fail(ErrorKind::input, "{}: split \"{}\" is none of train, valid and test", where, split);
  }
}

// What lies beside audio by that name, the longest first: "a.b.flac", "a.b", "a".
std::map<std::string, fs::path> beside(const fs::path& audio, const std::unordered_set<std::string>& others) {
  std::map<std::string, fs::path> found;
  const std::string name = audio.filename().string();
  for (const char* extension : {".cls", ".json", ".txt"}) {
    for (std::size_t end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1)) {
      const fs::path path = audio.parent_path() / (name.substr(0, end) + extension);
      if (!others.contains(path.string())) continue;
      found.emplace(extension, path);
      break;
    }
  }
  return found;
}

// Which of them says the labels; "" if none does.
std::string what_says_labels(const std::vector<Sample>& samples) {
  const auto any = [&](const auto& holds) { return std::any_of(samples.begin(), samples.end(), holds); };
  if (any([](const Sample& s) { return s.beside.contains(".cls"); })) return ".cls";
  if (any([](const Sample& s) { return s.by_json.has_value(); })) return ".json";
  return any([](const Sample& s) { return s.beside.contains(".txt"); }) ? ".txt" : "";
}

// Numbers stand by their size.
void sort_classes(std::vector<std::string>& classes) {
  const auto number = [](const std::string& name) { return number_in<std::int64_t>(name); };
  if (std::all_of(classes.begin(), classes.end(), number))
    std::sort(classes.begin(), classes.end(), [&](const auto& a, const auto& b) {
      return std::pair(*number(a), a) < std::pair(*number(b), b);
    });
}

std::vector<Sample> read_samples(const Folder& folder, const Walk& found) {
  std::unordered_set<std::string> others;
  for (const fs::path& path : found.others) others.insert(path.string());
  std::vector<Sample> samples;
  for (const fs::path& audio : found.audio) {
    Sample sample{.audio = audio, .beside = beside(audio, others)};
    try {
      if (const auto json = sample.beside.find(".json"); json != sample.beside.end())
        read_json(folder.file(json->second), sample);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      sample.wrong = e.what();
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

Track track_of(const Folder& folder, Sample& sample, const std::string& by) {
  if (!sample.wrong.empty()) fail(ErrorKind::input, "{}", sample.wrong);
  Track track{folder.file(sample.audio), name_below(sample.audio, folder.path()), {}, sample.split};
  if (by == ".json") {
    if (!sample.by_json) fail(ErrorKind::input, "no label: no .json beside it says one");
    track.labels = *sample.by_json;
  } else {
    const auto text = sample.beside.find(by);
    if (text == sample.beside.end()) fail(ErrorKind::input, "no label: no {} beside it", by);
    track.labels = {label_in(folder.file(text->second))};
  }
  return track;
}

}  // namespace

DataSet open_samples(const Folder& folder, const DataSetOptions& options) {
  DataSet set;
  set.root = folder.path();
  Walk found = folder.walk(options.ffmpeg);
  std::vector<Sample> samples = read_samples(folder, found);
  const std::string by = what_says_labels(samples);
  if (by.empty()) return set;
  std::set<std::string> classes;
  std::unordered_set<std::string> used;
  std::vector<bool> has(std::size(kColumns));
  for (Sample& sample : samples) {
    for (const auto& [extension, path] : sample.beside)
      if (extension == by || extension == ".json") used.insert(path.string());
    try {
      set.tracks.push_back(track_of(folder, sample, by));
      for (std::size_t i = 0; i < has.size(); ++i) has[i] = has[i] || !sample.columns[i].empty();
      set.tracks.back().columns = std::move(sample.columns);
      classes.insert(set.tracks.back().labels.begin(), set.tracks.back().labels.end());
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      set.skipped.push_back({name_below(sample.audio, folder.path()), e.what()});
    }
  }
  if (by == ".txt" && classes.size() > 1 && classes.size() == set.tracks.size()) return {};  // captions
  set.classes.assign(classes.begin(), classes.end());
  sort_classes(set.classes);
  for (std::size_t i = 0; i < has.size(); ++i)
    if (has[i]) set.columns.emplace_back(kColumns[i]);
  for (Track& track : set.tracks)
    for (std::size_t i = has.size(); i-- > 0;)
      if (!has[i]) track.columns.erase(track.columns.begin() + static_cast<std::ptrdiff_t>(i));
  for (LeftOut& l : found.left_out) set.skipped.push_back(std::move(l));
  for (const fs::path& path : found.others)
    if (!used.contains(path.string())) set.ignored.push_back(name_below(path, folder.path()));
  set.notes.push_back(fmt::format("{}: {} tracks of {} classes by the {} beside each", folder.path().string(),
                                  set.tracks.size(), set.classes.size(), by));
  return set;
}

}  // namespace melgrad
