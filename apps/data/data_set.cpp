#include "apps/data/data_set.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/terminal/interrupt.h"
#include "apps/terminal/screen.h"
#include "io/datasets/column_table.h"
#include "io/datasets/open_data_set.h"
#include "io/datasets/tar_shards.h"
#include "io/files/part.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

void add_classes_are_folders(CommandLine& command, bool& classes_are_folders) {
  command.add_flag("--classes-are-folders", classes_are_folders,
                   "take every folder as a class, whatever it is called, and no layout for known");
}

std::string data_named(const std::vector<std::string>& paths) {
  const std::string whole = whole_path(paths.at(0));
  if (paths.size() == 1 || whole.empty()) return shards_named(paths);
  const std::vector<std::string> parts = parts_of(whole);
  if (std::set(paths.begin(), paths.end()) != std::set(parts.begin(), parts.end()))
    fail(ErrorKind::usage, "{} files are named, which are not the {} parts of {}: give {} itself",
         paths.size(), parts.size(), whole, whole);
  return whole;
}

Option* add_data(CommandLine& command, std::string& path, const std::string& about) {
  return command.add_option(
      "data", [&path](const std::vector<std::string>& paths) { path = data_named(paths); }, about);
}

void add_data_set_options(CommandLine& command, DataSetRequest& request, const std::string& name,
                          const std::string& about) {
  if (name.starts_with('-')) command.add_option(name, request.path, about);
  else add_data(command, request.path, about)->required();
  add_classes_are_folders(command, request.classes_are_folders);
  const auto flag = [&](const char* flag_name, auto& value, const char* help) {
    auto* const option =
        command.add_option(flag_name, value, help)->capture_default_str()->group("MagnaTagATune");
    request.flags.push_back(option);
    return option;
  };
  auto* protocol = flag("--protocol", request.protocol, "clips with a frequent tag and full length, or all")
                       ->is_member({"filtered", "all"});
  flag("--tags", request.mtat.tags,
       request.mtat.tags.empty() ? "topN, or names separated by commas (as many as the model has)"
                                 : "top10, top50, or names separated by commas");
  request.flags.push_back(command
                              .add_flag("--merge-tags", request.mtat.merge_synonyms,
                                        "count tags that mean the same as one (beat, beats)")
                              ->group("MagnaTagATune"));
  auto* split_by = flag("--split-by", request.split_by, "folder (as published) or artist")
                       ->is_member({"folder", "artist"});
  flag("--split-seed", request.mtat.split_seed, "number of the artist split");
  flag("--split-lists", request.mtat.split_lists, "folder with lists of the clips of train, valid and test")
      ->excludes(protocol)
      ->excludes(split_by);
}

void add_columns(CommandLine& command, std::string& path) {
  command.add_option("--columns", path,
                     "a table (csv) with a column path or name, and others to attach to the tracks: "
                     "recording, artist, fold, "
                     "split, ...; for --group, --fold and splits");
}

void stop_opening() {
  if (interrupted()) throw Interrupted{"stopped while the data was opened"};
}

DataSet open_data_set(const DataSetRequest& request, const Settings& settings) {
  MtatOptions mtat = request.mtat;
  mtat.protocol = request.protocol == "all" ? MtatProtocol::all : MtatProtocol::filtered;
  mtat.split = request.split_by == "artist" ? MtatSplit::artist : MtatSplit::folder;
  for (const Option* flag : request.flags) {
    if (flag->count() > 0 && !is_mtat(request.path)) {
      fail(ErrorKind::usage, "{}: only for MagnaTagATune, and {} has no annotations_final.csv", flag->name(),
           request.path);
    }
  }
  DataSet set = open_data_set(request.path, {&mtat, request.classes_are_folders, settings.ffmpeg,
                                             request.group, request.labels_optional, stop_opening});
  if (!request.columns.empty())
    for (std::string& note : attach_columns(set, &DataSet::tracks, request.columns))
      set.notes.push_back(std::move(note));
  if (!request.splits && !set.columns.empty())
    set.notes.push_back(fmt::format("{}: for train --fold and --group; not used here: {}", request.path,
                                    joined(set.columns)));
  for (const std::string& note : set.notes) say("{}", note);
  if (const std::string unread = not_read(set.skipped); !unread.empty()) say("{}", unread);
  return set;
}

nlohmann::ordered_json not_read_json(const std::vector<LeftOut>& left_out) {
  auto counts = nlohmann::ordered_json::object();
  for (const auto& [kind, files] : kinds_not_read(left_out)) counts[kind] = files;
  return counts;
}

void add_mix(CommandLine& command, const std::function<void(const std::string&)>& take) {
  command.add_option("--mix", take, "how channels become one: their mean, the louder, left or right")
      ->is_member({"mean", "louder", "left", "right"});
}

}  // namespace melgrad
