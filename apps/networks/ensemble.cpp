// melgrad evaluate of what has no test tracks of its own, or of several: the probabilities of all models are
// averaged track by track, each with its own features and segments.
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "apps/data/extract.h"
#include "apps/networks/evaluate.h"
#include "apps/terminal/interrupt.h"
#include "apps/training/train.h"
#include "io/files/temporary_folder.h"
#include "kernels/text.h"
#include "models/runs/model_library.h"
#include "models/runs/run_record.h"
#include "models/training/answers.h"
#include "models/training/model_test.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Tracks = std::vector<std::int32_t>;

struct Member {
  std::string named;  // by the user
  LoadedModel model;
  std::optional<RunFolder> run;
};

std::vector<Member> members_of(const EvaluateArguments& args, Device& device) {
  std::vector<Member> members;
  for (const std::string& name : args.models) {
    Member member{name, load_model(device, model_file_path(name)), std::nullopt};
    const std::string path = model_path(name);
    if (fs::is_directory(path)) member.run = RunFolder::open(path);
    if (!member.run && args.data.path.empty())
      fail(ErrorKind::usage, "evaluate {}: a model file has no test tracks of its own: --data names them",
           name);
    members.push_back(std::move(member));
  }
  return members;
}

// Whose answers cannot be averaged with the first's.
void expect_same_answers(const std::vector<Member>& members) {
  const Member& first = members[0];
  const std::set<std::string> classes(first.model.classes.begin(), first.model.classes.end());
  for (const Member& member : members) {
    if (member.model.recipe.task != first.model.recipe.task)
      fail(ErrorKind::input, "{}: answers {}, and {} answers {}; average models of one task", member.named,
           name_of(member.model.recipe.task), first.named, name_of(first.model.recipe.task));
    const std::set<std::string> own(member.model.classes.begin(), member.model.classes.end());
    for (const auto& [here, there, who, other] :
         {std::tuple{&classes, &own, &first, &member}, std::tuple{&own, &classes, &member, &first}})
      for (const std::string& name : *here)
        if (!there->contains(name))
          fail(ErrorKind::input,
               "{}: \"{}\" is none of its classes, and one of {}'s; average models of the "
               "same classes",
               other->named, name, who->named);
  }
}

// Where the features of each member are: what was named, what is computed of it, or what its run is of.
class Features {
 public:
  Features(const EvaluateArguments& args, const std::vector<Member>& members, Device& device,
           Settings& settings) {
    for (const Member& member : members) {
      if (args.data.path.empty()) caches_.push_back(origin_of(*member.run).cache);
      else caches_.push_back(of_data(args, member, device, settings));
    }
  }
  const std::string& operator[](std::size_t member) const { return caches_[member]; }

 private:
  std::string of_data(const EvaluateArguments& args, const Member& member, Device& device,
                      Settings& settings) {
    const MelOptions& mel = member.model.recipe.features;
    for (const auto& [features, cache] : made_)
      if (features == mel) return cache;
    DataSetRequest request = args.data;
    request.splits = true;
    if (request.mtat.tags.empty()) request.mtat.tags = fmt::format("top{}", member.model.classes.size());
    const auto audio = audio_of(request, settings);
    if (!audio) {
      expect_no_audio_flags(args, request.path + " is a cache");
      return request.path;
    }
    expect_answers(member.model, audio->classes, request.path);
    if (!folder_) folder_.emplace();
    const std::string cache = *folder_ / fmt::format("features-{}.h5", made_.size());
    try {
      extract_to(cache, *audio, mel, device, settings);
    } catch (const Interrupted&) {
      throw Interrupted{"stopped before anything was tested"};
    }
    made_.emplace_back(mel, cache);
    return cache;
  }

  std::vector<std::string> caches_;
  std::vector<std::pair<MelOptions, std::string>> made_;
  std::optional<TemporaryFolder> folder_;
};

const Tracks& part_of_split(const Split& split, const std::string& part) {
  return part == "train" ? split.train : part == "valid" ? split.valid : split.test;
}

Split split_of_run(const Member& member, const TrainingData& data) {
  return read_split(member.run->file("splits.json"), data.names());
}

// That a run was trained on what it is tested on may be what is wanted, but not unknowingly.
void tell_trained(const Member& member, const std::set<std::string>& tested) {
  if (!member.run) return;
  std::set<std::string> bare;  // folders play no part
  for (const std::string& name : tested) bare.insert(name_in_lists(name));
  std::vector<std::string> both;
  member.run->read("splits.json", [&](const ordered_json& json) {
    for (const std::string name : json.at("train"))
      if (bare.contains(name_in_lists(name))) both.push_back(name);
  });
  if (!both.empty())
    say("{}: was trained on what has names of {} of the {} tracks (the first: {})", member.named, both.size(),
        tested.size(), both[0]);
}

// Those that are asked for of what a member was trained on, or of another data set.
Tracks tracks_for(const Member& member, const TrainingData& data, const EvaluateArguments& args) {
  const bool own = member.run && (args.data.path.empty() ||
                                  digest_of_data(*member.run) == fmt::format("{:016x}", data.digest()));
  Tracks tracks;
  if (args.tracks == "all") tracks = data.all_tracks();
  else if (own) tracks = part_of_split(split_of_run(member, data), args.tracks);
  else if (data.has_splits()) tracks = part_of_split(data.own_split(), args.tracks);
  else if (args.tracks == "test") tracks = data.all_tracks();
  else
    fail(ErrorKind::usage, "--tracks {}: {} has no split; --tracks all takes all", args.tracks, data.path());
  if (tracks.empty()) fail(ErrorKind::input, "{}: has no {} tracks", data.path(), args.tracks);
  return tracks;
}

std::set<std::string> names_of_tracks(const TrainingData& data, const Tracks& tracks) {
  std::set<std::string> names;
  for (const std::int32_t track : tracks) names.insert(data.names()[static_cast<std::size_t>(track)]);
  return names;
}

// Runs of one split have the same.
[[noreturn]] void fail_other_tracks(const Member& first, const std::set<std::string>& wanted,
                                    const Member& member, const TrainingData& data,
                                    const std::set<std::string>& has, const std::string& part) {
  std::size_t lacking = 0, learned = 0;
  std::string example;
  const std::set<std::string> trained =
      member.run ? names_of_tracks(data, split_of_run(member, data).train) : std::set<std::string>();
  for (const std::string& name : wanted) {
    if (has.contains(name)) continue;
    ++lacking;
    if (trained.contains(name) && learned++ == 0) example = name;
  }
  fail(ErrorKind::input,
       "{}: its {} tracks are not those of {}: of whose {} it lacks {}{}; average runs of one split, or name "
       "other data with --data",
       member.named, part, first.named, wanted.size(), lacking,
       learned == 0 ? "" : fmt::format(", and was trained on {} (the first: {})", learned, example));
}

// The mean over members of what each makes of the tracks.
struct Averaged {
  std::vector<std::string> classes;
  std::vector<double> sums;  // [tracks, classes]
};

void add_member(Averaged& all, const TrackProbabilities& own, const std::vector<std::size_t>& order,
                const std::string& named) {
  const std::size_t width = own.classes.size();
  if (all.classes.empty()) {
    all.classes = own.classes;
    all.sums.assign(own.mean.size(), 0.0);
  }
  if (std::set(own.classes.begin(), own.classes.end()) != std::set(all.classes.begin(), all.classes.end()))
    fail(ErrorKind::input, "{}: its data have other classes than those of the first model", named);
  std::vector<std::size_t> column;  // of theirs, for each of the first's
  for (const std::string& name : all.classes)
    column.push_back(static_cast<std::size_t>(std::find(own.classes.begin(), own.classes.end(), name) -
                                              own.classes.begin()));
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t k = 0; k < width; ++k) all.sums[i * width + k] += own.mean[order[i] * width + column[k]];
}

// As it stands in a result: of a mean over models there are no segments.
ordered_json result_of(const Averaged& all, const TrainingData& data, const Tracks& tracks,
                       std::size_t members) {
  std::vector<float> mean;
  for (const double sum : all.sums) mean.push_back(static_cast<float>(sum / static_cast<double>(members)));
  ordered_json test =
      answers_json(data, tracks, std::vector<std::int64_t>(tracks.size(), 1), mean, all.classes);
  if (test.contains("segment_accuracy")) test["segment_accuracy"] = nullptr;
  if (test.contains("confusion"))
    for (auto& track : test["predictions"]) track.erase("segments");
  return test;
}

std::unique_ptr<TrainingData> opened_for(Device& device, const EvaluateArguments& args, const Member& member,
                                         const std::string& cache) {
  return std::make_unique<TrainingData>(device, args.data.path.empty() ? cache : args.data.path,
                                        CacheFile(cache), member.model.recipe, TrainingData::Hold::automatic,
                                        say_line);
}

void tell_tracks(const EvaluateArguments& args, const TrainingData& data, std::size_t tracks) {
  const bool whole = args.tracks == "test" && tracks == data.all_tracks().size();
  say("{}: {} tracks are tested{}", data.path(), tracks, whole ? ", all of them: it has no split" : "");
}

// Every member with the tracks of the first, in their order.
ordered_json tested_together(Device& device, const EvaluateArguments& args, std::vector<Member>& members,
                             const Features& features, std::vector<std::string>& classes) {
  const auto data = opened_for(device, args, members[0], features[0]);
  const Tracks tracks = tracks_for(members[0], *data, args);
  const std::set<std::string> wanted = names_of_tracks(*data, tracks);
  Averaged all;
  for (std::size_t m = 0; m < members.size(); ++m) {
    const auto theirs = m == 0 ? nullptr : opened_for(device, args, members[m], features[m]);
    const TrainingData& own = m == 0 ? *data : *theirs;
    const Tracks own_tracks = m == 0 ? tracks : tracks_for(members[m], own, args);
    const auto has = names_of_tracks(own, own_tracks);
    if (has != wanted) fail_other_tracks(members[0], wanted, members[m], own, has, args.tracks);
    if (args.tracks != "train") tell_trained(members[m], has);
    std::map<std::string, std::size_t> place;
    for (std::size_t i = 0; i < own_tracks.size(); ++i)
      place[own.names()[static_cast<std::size_t>(own_tracks[i])]] = i;
    std::vector<std::size_t> order;
    for (const std::int32_t track : tracks) {
      const std::string& name = data->names()[static_cast<std::size_t>(track)];
      order.push_back(place.at(name));
      if (own.classes() == data->classes() &&
          own.tracks_of_each({own_tracks[order.back()]}) != data->tracks_of_each({track}))
        fail(ErrorKind::input, "{}: has other labels for {} than {}", own.path(), name, data->path());
    }
    add_member(all, track_probabilities(device, members[m].model, own, own_tracks), order, members[m].named);
  }
  tell_tracks(args, *data, tracks.size());
  ordered_json test = result_of(all, *data, tracks, members.size());
  classes = data->task().one_answer() ? all.classes : data->classes();
  return test;
}

// One model alone has segments.
ordered_json tested_alone(Device& device, const EvaluateArguments& args, Member& member,
                          const std::string& cache, std::vector<std::string>& classes) {
  const auto data = opened_for(device, args, member, cache);
  const Tracks tracks = tracks_for(member, *data, args);
  if (args.tracks != "train") tell_trained(member, names_of_tracks(*data, tracks));
  tell_tracks(args, *data, tracks.size());
  ordered_json result = test_model(device, member.model, *data, tracks);
  const auto& test = result.at("test");
  classes = test.contains("confusion") ? test.at("classes").get<std::vector<std::string>>() : data->classes();
  result["model"] = member.named;
  return result;
}

}  // namespace

void evaluate_models(Settings& settings, const EvaluateArguments& args) {
  if (args.data.path.empty()) expect_no_audio_flags(args, "the tracks are those of a run");
  EvaluationFiles files(args);
  const auto device = open_device(settings);
  std::vector<Member> members = members_of(args, *device);
  expect_same_answers(members);
  const Features features(args, members, *device, settings);
  std::vector<std::string> classes;
  ordered_json result;
  if (members.size() == 1) {
    result = tested_alone(*device, args, members[0], features[0], classes);
  } else {
    result = {{"models", args.models}, {"classes", members[0].model.classes.size()}};
    result["test"] = tested_together(*device, args, members, features, classes);
  }
  if (args.tracks != "test") result["tracks"] = args.tracks;
  tell_evaluation(settings, args, result, classes, files, "");
}

}  // namespace melgrad
