// melgrad analyze: what a data set's labels and its sound say, before any network.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>

#include "apps/analysis/content_statistics.h"
#include "apps/analysis/tag_statistics.h"
#include "apps/data/data_set.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "apps/training/train.h"
#include "io/audio/audio.h"
#include "io/files/atomic_file.h"
#include "io/files/workers.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

struct AnalyzeArguments {
  DataSetRequest data;
  std::string out;
  std::vector<std::string> pairs;
  std::size_t top = 15;
  bool labels_only = false;
};

struct Measured {
  MeasuredClips clips;
  std::vector<std::string> skipped;  // reasons, each with the file's path first
};

// The pairs asked for, else those of the default that the data set has.
std::vector<TagNames> tag_pairs(const DataSet& set, const std::vector<std::string>& asked) {
  const auto known = [&](const std::string& tag) {
    return std::find(set.classes.begin(), set.classes.end(), tag) != set.classes.end();
  };
  std::vector<TagNames> pairs;
  for (const std::string& text : asked) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos)
      fail(ErrorKind::usage, "--pairs {}: write two tags as first:second", text);
    const TagNames pair(text.substr(0, colon), text.substr(colon + 1));
    for (const std::string& tag : {pair.first, pair.second}) {
      if (!known(tag)) fail(ErrorKind::usage, "--pairs {}: the data set has no tag \"{}\"", text, tag);
    }
    if (pair.first == pair.second) fail(ErrorKind::usage, "--pairs {}: name two different tags", text);
    pairs.push_back(pair);
  }
  if (!asked.empty()) return pairs;
  for (const TagNames& pair : {TagNames("slow", "fast"), TagNames("classical", "techno")}) {
    if (known(pair.first) && known(pair.second)) pairs.push_back(pair);
  }
  return pairs;
}

Measured measure(const DataSet& set, const Settings& settings) {
  const auto device = open_device(settings);
  ContentMeter meter(*device);
  std::vector<std::optional<Content>> contents(set.tracks.size());
  std::vector<std::string> reasons(set.tracks.size());
  Progress progress("analyze", static_cast<std::int64_t>(set.tracks.size()), "files");
  std::mutex mutex;
  std::int64_t done = 0;
  const auto work = [&](std::size_t i) {
    const auto& path = set.tracks[i].path;
    try {
      contents[i] =
          meter(read_audio(path, meter.sample_rate(), {.ffmpeg = set.ffmpeg}).samples, path.string());
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      reasons[i] = e.what();
      progress.message("skipped: " + reasons[i]);
    }
    const std::lock_guard lock(mutex);
    progress.update(++done);
  };
  parallel_for_each(set.tracks.size(), settings.threads, work, interrupted);
  if (done < static_cast<std::int64_t>(set.tracks.size()))
    throw Interrupted{fmt::format("{} of {} files measured, nothing was kept", done, set.tracks.size())};

  Measured out;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    if (!contents[i]) {
      out.skipped.push_back(reasons[i]);
      continue;
    }
    out.clips.tracks.push_back(i);
    out.clips.contents.push_back(*contents[i]);
  }
  return out;
}

// A data set of labels alone has none of its files.
bool has_audio(const DataSet& set) {
  return std::any_of(set.tracks.begin(), set.tracks.end(),
                     [](const Track& track) { return track.path.exists(); });
}

void analyze(const AnalyzeArguments& args, Settings& settings) {
  const DataSet set =
      open_data_set(args.data, settings);  // what has no audio counts in the labels' statistics
  const auto pairs = tag_pairs(set, args.pairs);
  std::optional<AtomicFile> file;  // to find out now, not after the work, that it cannot be written
  if (!args.out.empty()) file.emplace(args.out);
  const TagStatistics tags = tag_statistics(set);
  nlohmann::ordered_json json = {{"data", args.data.path}, {"labels", as_json(tags, args.top)}};
  std::string text = as_table(tags, args.top);

  std::string no_content = args.labels_only ? "--labels-only"
                           : has_audio(set) ? ""
                                            : "none of the audio files is there";
  json["content"] = nullptr;
  if (no_content.empty()) {
    const Measured measured = measure(set, settings);
    const ContentStatistics statistics = content_statistics(set, measured.clips, pairs);
    json["content"] = as_json(statistics, set, measured.clips);
    json["content"]["skipped"] = measured.skipped;
    text += fmt::format("\n{} clips measured, {} skipped\n\n{}", measured.clips.tracks.size(),
                        measured.skipped.size(), as_table(statistics, set, args.top));
    if (!measured.skipped.empty()) settings.exit_code = kExitProblemsFound;
  } else {
    json["no_content"] = no_content;
    text += fmt::format("\nno measures of the sound: {}\n", no_content);
  }
  json["not_read"] = not_read_json(set.skipped);
  json["left_out"] = nlohmann::ordered_json::array();
  for (const LeftOut& l : set.skipped) json["left_out"].push_back({{"name", l.name}, {"reason", l.reason}});
  if (!set.skipped.empty()) {
    text += fmt::format("\n{} left out: check lists them\n", set.skipped.size());
    settings.exit_code = kExitProblemsFound;
  }
  const std::string dump = json_text(json, 1) + "\n";
  print("{}", Lines{settings.json ? dump : text});
  if (!file) return;
  file->write(dump);
  file->commit();
  if (!settings.json) print("\nall figures: {}\n", args.out);
}

}  // namespace

void register_analyze(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("analyze", "what the labels and the sound of a data set say");
  const auto args = std::make_shared<AnalyzeArguments>();
  args->data.mtat.labels_only = true;
  add_data_set_options(*command, args->data);
  command->add_option("--out", args->out, "also write all figures to this JSON file");
  command
      ->add_option("--pairs", args->pairs,
                   "tags to compare, as first:second,third:fourth "
                   "(slow:fast and classical:techno, where there are such tags)")
      ->delimiter(',');
  command->add_option("--top", args->top, "rows of a table on screen")->positive()->capture_default_str();
  command->add_flag("--labels-only", args->labels_only, "leave the audio files alone");
  command->callback([args, &settings] { analyze(*args, settings); });
}

}  // namespace melgrad
