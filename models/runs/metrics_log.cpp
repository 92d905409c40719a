#include "models/runs/metrics_log.h"

#include <filesystem>
#include <sstream>

#include "io/files/text_file.h"

namespace melgrad {
namespace {

constexpr const char* kMetrics = "metrics.jsonl";

}  // namespace

MetricsLog::MetricsLog(const RunFolder& folder) : file_(folder.file(kMetrics)) {}

void MetricsLog::add(const TrainingRun::Epoch& e, double seconds) {
  nlohmann::ordered_json line = {{"epoch", e.epoch}, {"step", e.step}, {"seconds", seconds}};
  for (const auto& [name, value] : figures_of(e)) line[name] = value;
  file_.append(json_text(line) + "\n");
}

void MetricsLog::add(const TrainingRun::Incident& i) {
  nlohmann::ordered_json line = {{"event", i.skipped ? "skipped" : "loss_spike"}, {"step", i.step}};
  if (!i.skipped) line.update({{"loss", i.loss}, {"usual", i.usual}});
  file_.append(json_text(line) + "\n");
}

std::vector<std::pair<std::string, double>> figures_of(const TrainingRun::Epoch& epoch) {
  std::vector<std::pair<std::string, double>> figures = {
      {"loss", epoch.loss}, {"accuracy", epoch.accuracy}, {"norm", epoch.norm}, {"rate", epoch.rate}};
  if (epoch.skipped > 0) figures.emplace_back("skipped", epoch.skipped);
  if (epoch.valid) figures.insert(figures.end(), epoch.valid->figures.begin(), epoch.valid->figures.end());
  return figures;
}

void cut_metrics(const RunFolder& folder, std::int64_t steps) {
  const std::string path = folder.file(kMetrics);
  std::istringstream in(std::filesystem::exists(path) ? read_text_file(path) : "");
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    const auto json = json_or_none(line);
    const auto step = json && json->contains("step") ? json->at("step") : nlohmann::ordered_json();
    if (!step.is_number_integer() || step.get<std::int64_t>() > steps) break;
    kept += line + "\n";
  }
  write_file_atomically(path, kept);
}

}  // namespace melgrad
