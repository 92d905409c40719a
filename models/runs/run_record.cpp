#include "models/runs/run_record.h"

#include <array>
#include <ctime>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include "kernels/text.h"
#include "models/runs/run_checkpoints.h"
#include "models/runs/version.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::string utc_now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// The arguments that this process was started with.
std::vector<std::string> command_line() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(in, word, '\0');) words.push_back(as_utf8(word));
  return words;
}

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? as_utf8(name.data()) : "unknown";
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return as_utf8(line.substr(colon + 2));
  }
  return "unknown";
}

// Where what happens now is written: the last of "resumed", else the run itself.
ordered_json& last_session(ordered_json& run) {
  const auto resumed = run.find("resumed");
  return resumed != run.end() && resumed->is_array() && !resumed->empty() ? resumed->back() : run;
}

// Of result.json; none where it does not say.
std::optional<std::int64_t> tested_steps(const RunFolder& folder) {
  return folder.read("result.json", [](const ordered_json& result) -> std::optional<std::int64_t> {
    return result.contains("steps") ? std::optional(count_of(result.at("steps"))) : std::nullopt;
  });
}

void rename_if_there(const RunFolder& folder, const std::string& from, const std::string& to,
                     const Notes& notes) {
  if (!fs::exists(folder.file(from))) return;
  std::error_code error;
  fs::rename(folder.file(from), folder.file(to), error);
  if (error)
    fail(ErrorKind::output, "{}: cannot be renamed to {}: {}", folder.file(from), to, error.message());
  note(notes, "{}: is of step {} of a run that now goes on; kept as {}", folder.file(from),
       to.substr(to.find('-') + 1, to.find('.') - to.find('-') - 1), to);
}

}  // namespace

ordered_json session_record() {
  return {{"melgrad", MELGRAD_VERSION}, {"commit", commit()},  {"command", command_line()}, {"host", host()},
          {"processor", processor()},   {"started", utc_now()}};
}

void record_resumption(const RunFolder& folder, std::optional<std::int64_t> step, const std::string& file) {
  ordered_json run = folder.read_json(file), session = session_record();
  if (step) session["from_step"] = *step;
  reading_json(folder.file(file), [&] { run["resumed"].push_back(std::move(session)); });
  folder.write_json(file, run);
}

void record_end(const RunFolder& folder, const std::string& outcome, const std::string& file) {
  ordered_json run = folder.read_json(file);
  reading_json(folder.file(file), [&] {
    ordered_json& session = last_session(run);
    if (session.value("outcome", std::string()).starts_with("finished")) return;
    session["ended"] = utc_now();
    session["outcome"] = as_utf8(outcome);
    folder.write_json(file, run);
  });
}

ordered_json without_sessions(ordered_json run) {
  const ordered_json session = session_record();
  for (const auto& [key, value] : session.items()) run.erase(key);
  for (const char* key : {"ended", "outcome", "resumed"}) run.erase(key);
  return run;
}

void set_result_aside(const RunFolder& folder, std::int64_t step, const Notes& notes) {
  if (fs::exists(folder.file("result.json"))) {
    const std::int64_t tested = tested_steps(folder).value_or(step);
    rename_if_there(folder, "result.json", fmt::format("result-{}.json", tested), notes);
  }
  rename_if_there(folder, "model.h5", fmt::format("model-{}.h5", step), notes);
}

std::string unfinished(const RunFolder& folder) {
  if (fs::exists(folder.file("model.h5"))) return "";
  ordered_json run = folder.read_json("run.json");
  const std::string path = folder.path().string();
  return reading_json(folder.file("run.json"), [&] {
    const auto outcome = last_session(run).value("outcome", std::string());
    if (outcome.starts_with("diverged: ")) return "training failed: " + outcome.substr(10);
    return fmt::format("training is not finished: melgrad train --resume {}", path);
  });
}

std::string untested(const RunFolder& folder) {
  const std::string evaluate = "melgrad evaluate " + folder.path().string();
  if (!fs::exists(folder.file("result.json"))) {
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("result-") && name.ends_with(".json"))
        return fmt::format("was trained further since it was tested ({}): {}", name, evaluate);
    }
    if (fs::exists(folder.path() / "trained.json")) return "not the best point of its sweep, so not tested";
    return "not tested yet: " + evaluate;
  }
  const auto tested = tested_steps(folder), trained = RunCheckpoints(folder).step();
  if (!tested || !trained || *tested == *trained) return "";
  return fmt::format("was trained further since it was tested, to step {} from {}: {}", *trained, *tested,
                     evaluate);
}

bool result_stands(const RunFolder& folder) {
  const auto has = [&](const char* name) { return fs::exists(folder.file(name)); };
  return has("result.json") && untested(folder).empty() && (has("model.h5") || !has("checkpoint.h5"));
}

}  // namespace melgrad
