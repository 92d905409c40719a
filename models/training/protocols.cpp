#include "models/training/protocols.h"

#include <algorithm>
#include <map>

#include "kernels/text.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

constexpr double kTrain = 0.5, kValid = 0.2, kTest = 0.3;  // of Dong 2018

// The tracks of each group, by its name; those without one are none.
std::map<std::string, std::vector<std::int32_t>> groups_of(const TrainingData& data,
                                                           const std::string& column) {
  std::map<std::string, std::vector<std::int32_t>> groups;
  const std::vector<std::string> names = data.column(column);
  for (const std::int32_t track : data.all_tracks())
    if (const std::string& name = names[static_cast<std::size_t>(track)]; !name.empty())
      groups[name].push_back(track);
  return groups;
}

// No group is larger than `room` tracks, which `what` has.
void expect_room(const TrainingData& data, const std::string& group, std::size_t room,
                 const std::string& what, const std::string& mend) {
  if (group.empty()) return;
  for (const auto& [name, tracks] : groups_of(data, group))
    if (tracks.size() > room)
      fail(ErrorKind::input, "{}: {} tracks have {} \"{}\", and {} holds {} of all {}; {}", data.path(),
           tracks.size(), group, name, what, room, data.all_tracks().size(), mend);
}

void expect_learnable(const TrainingData& data, const Split& split, const std::string& which,
                      const std::string& mend) {
  if (!data.task().one_answer()) return;
  const auto trained = data.tracks_of_each(split.train), all = data.tracks_of_each(data.all_tracks());
  for (std::size_t k = 0; k < all.size(); ++k)
    if (all[k] > 0 && trained[k] == 0)
      fail(ErrorKind::input, "{}: {} leaves none of the {} tracks of \"{}\" to train on; {}", data.path(),
           which, all[k], data.classes()[k], mend);
}

std::vector<Split> own_folds(const TrainingData& data, const ProtocolOptions& options) {
  std::vector<Split> splits = data.fold_splits();
  if (std::ssize(splits) != options.splits)
    fail(ErrorKind::input, "{}: its column \"fold\" has {} folds, not {}", data.path(), splits.size(),
         options.splits);
  if (options.group.empty()) return splits;
  const std::vector<std::string> fold = data.column("fold");
  for (const auto& [name, tracks] : groups_of(data, options.group))
    for (const std::int32_t track : tracks)
      if (fold[static_cast<std::size_t>(track)] != fold[static_cast<std::size_t>(tracks[0])])
        fail(ErrorKind::input,
             "{}: {} \"{}\" is in fold {} and in fold {} of the data set, whose folds are obeyed: leave out "
             "--group",
             data.path(), options.group, name, fold[static_cast<std::size_t>(tracks[0])],
             fold[static_cast<std::size_t>(track)]);
  return splits;
}

std::vector<Split> drawn_folds(const TrainingData& data, const ProtocolOptions& options,
                               std::uint64_t repetition) {
  const auto& columns = data.columns();
  if (std::find(columns.begin(), columns.end(), "fold") != columns.end())
    fail(ErrorKind::input, "{}: has a column \"fold\", which it had not when this was begun", data.path());
  const auto folds = static_cast<std::size_t>(options.splits);
  expect_room(data, options.group, (data.all_tracks().size() + folds - 1) / folds,
              fmt::format("a fold of {}", folds), "fewer folds, or another --group");
  return data.random_folds(options.splits, true, repetition, options.group);
}

std::vector<Split> random_splits(const TrainingData& data, const ProtocolOptions& options,
                                 const SplitOptions& how) {
  if (options.protocol == Protocol::repeat_free)
    expect_room(data, options.group,
                static_cast<std::size_t>(how.train * static_cast<double>(data.all_tracks().size())),
                "the part that trains", "another --group, or --protocol without repeat-free");
  const std::string group = options.protocol == Protocol::repeat_free ? options.group : "";
  std::vector<Split> splits;
  for (std::int64_t k = 0; k < options.splits; ++k)
    splits.push_back(data.random_split(how, static_cast<std::uint64_t>(k), group));
  return splits;
}

}  // namespace

std::vector<Split> splits_of(const TrainingData& data, const ProtocolOptions& options,
                             const SplitOptions& of_recipe, std::uint64_t repetition) {
  std::vector<Split> splits;
  const char *which = "split", *mend = "more tracks of it, or another --protocol";
  switch (options.protocol) {
    case Protocol::random:
      return random_splits(data, options, of_recipe);
    case Protocol::dong:
    case Protocol::repeat_free:
      splits =
          random_splits(data, options, {kTrain, kValid, kTest, options.protocol == Protocol::repeat_free});
      break;
    case Protocol::fault_filtered:
      splits = {data.listed_split(options.lists)};
      which = "the lists' split";
      mend = "other --split-lists";
      break;
    case Protocol::folds:
      splits = options.own_folds ? own_folds(data, options) : drawn_folds(data, options, repetition);
      which = "fold";
      mend = options.own_folds ? "other folds in its column \"fold\"" : "other --folds or --group";
      break;
  }
  for (std::size_t k = 0; k < splits.size(); ++k) {
    const std::string name = fmt::format("{} {} of {}", which, k + 1, splits.size());
    if (splits[k].train.empty() || splits[k].test.empty())
      fail(ErrorKind::input, "{}: {} has no {} tracks; {}", data.path(), name,
           splits[k].train.empty() ? "training" : "test", mend);
    expect_learnable(data, splits[k], name, mend);
  }
  return splits;
}

}  // namespace melgrad
