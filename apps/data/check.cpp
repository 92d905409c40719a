// melgrad check: decode every track of a data set and list what is wrong with which.
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/data/data_set.h"
#include "apps/processes/part.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/datasets/scan.h"

namespace melgrad {
namespace {

struct CheckOptions {
  DataSetRequest data;
  ScanOptions scan;
  std::optional<Part> part;
};

// How many of each problem there are, in the order of Problem.
std::map<Problem, std::size_t> totals(const ScanReport& report) {
  std::map<Problem, std::size_t> counts;
  for (const Finding& finding : report.findings) ++counts[finding.problem];
  return counts;
}

std::string join(const std::map<int, std::size_t>& counts, const std::string& unit) {
  std::string text;
  for (const auto& [value, tracks] : counts) {
    text += fmt::format("{}{}{} ({})", text.empty() ? "" : ", ", value, unit, tracks);
  }
  return text;
}

void print_table(const DataSet& set, const ScanReport& report) {
  std::size_t width = 8;
  for (const std::string& name : set.classes) width = std::max(width, printable(name).size());
  const auto row = [width](const std::string& name, const ClassCount& c) {
    print("{:{}}  {:>7}  {:>7}  {:>9.1f}\n", name, width, c.tracks, c.usable, c.seconds / 60);
  };
  print("{:{}}  {:>7}  {:>7}  {:>9}\n", "class", width, "tracks", "usable", "minutes");
  for (std::size_t i = 0; i < set.classes.size(); ++i) row(set.classes[i], report.classes[i]);
  row("all", report.all);
  print("\nsample rates  {}\nchannels      {}\n", join(report.rates, " Hz"), join(report.channels, ""));
}

void print_findings(const DataSet& set, const ScanReport& report) {
  if (report.findings.empty()) {
    print("problems      none\n");
  } else {
    std::string summary;
    for (const auto& [problem, n] : totals(report)) {
      summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", n, name_of(problem));
    }
    print("problems      {}\n\n", summary);
    for (const Finding& f : report.findings) {
      print("{}: {}: {}\n", set.tracks[f.track].name, name_of(f.problem), f.reason);
    }
  }
  if (!set.skipped.empty()) {
    print("\nleft out ({}):\n", set.skipped.size());
    for (const LeftOut& s : set.skipped) print("{}: {}\n", s.name, s.reason);
  }
  if (!set.ignored.empty()) {
    print("\nnot used ({}):\n", set.ignored.size());
    for (const std::string& name : set.ignored) print("{}\n", name);
  }
}

nlohmann::json to_json(const DataSet& set, const ScanReport& report) {
  const auto counts = [](const ClassCount& c) {
    return nlohmann::json{{"tracks", c.tracks}, {"usable", c.usable}, {"seconds", c.seconds}};
  };
  nlohmann::json out = counts(report.all);
  out["root"] = set.root.string();
  out["scanned"] = report.scanned;
  out["complete"] = report.scanned == set.tracks.size();
  out["classes"] = nlohmann::json::object();
  for (std::size_t i = 0; i < set.classes.size(); ++i)
    out["classes"][set.classes[i]] = counts(report.classes[i]);
  out["sample_rates"] = nlohmann::json::object();
  for (const auto& [rate, n] : report.rates) out["sample_rates"][std::to_string(rate)] = n;
  out["channels"] = nlohmann::json::object();
  for (const auto& [channels, n] : report.channels) out["channels"][std::to_string(channels)] = n;
  out["problems"] = nlohmann::json::array();
  for (const Finding& f : report.findings) {
    out["problems"].push_back(
        {{"track", set.tracks[f.track].name}, {"problem", name_of(f.problem)}, {"reason", f.reason}});
  }
  out["skipped"] = nlohmann::json::array();
  for (const LeftOut& s : set.skipped) out["skipped"].push_back({{"name", s.name}, {"reason", s.reason}});
  out["not_read"] = not_read_json(set.skipped);
  out["ignored"] = set.ignored;
  out["notes"] = set.notes;
  return out;
}

void check(CheckOptions options, Settings& settings) {
  expect_part(options.part);
  DataSet set = open_data_set(options.data, settings);
  expect_files(set);
  if (options.part) {
    keep_part(set, *options.part);
    if (options.part->count > 1) say("note: a twin of a track is found where both are in the same part");
  }
  options.scan.threads = settings.threads;
  const ScanReport report = [&] {
    Progress progress("check", static_cast<std::int64_t>(set.tracks.size()), "files");
    const auto done = [&](std::size_t n) { progress.update(static_cast<std::int64_t>(n)); };
    return scan(set, options.scan, done, interrupted);
  }();
  if (settings.json) {
    print_json(to_json(set, report));
  } else {
    print_table(set, report);
    print_findings(set, report);
  }
  if (!report.findings.empty() || !set.skipped.empty()) settings.exit_code = kExitProblemsFound;
  if (report.scanned < set.tracks.size()) {
    say("melgrad: stopped after {} of {} tracks; run check again for the rest", report.scanned,
        set.tracks.size());
    settings.exit_code = kExitInterrupted;
  }
}

}  // namespace

void register_check(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("check", "decode a data set and list its faulty tracks");
  const auto options = std::make_shared<CheckOptions>();
  add_data_set_options(*command, options->data);
  command->add_option("--min-seconds", options->scan.min_seconds, "shorter tracks are a problem")
      ->non_negative()
      ->capture_default_str();
  const auto mix = std::make_shared<MelOptions>();
  add_mix(*command, [mix](const std::string& name) { set_mel_field(*mix, "mix", name); });
  add_part(*command, options->part, "files");
  command->callback([options, mix, &settings] {
    options->scan.audio.mix = mix->mix;
    check(*options, settings);
  });
}

}  // namespace melgrad
