// melgrad models: the networks at hand by their names, and the published ones that can be.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/screen.h"
#include "apps/terminal/text_table.h"
#include "io/files/json.h"
#include "models/runs/model_library.h"
#include "models/weights/published.h"

namespace melgrad {
namespace {

using Json = nlohmann::ordered_json;

Json described(const ModelAtHand& model) {
  const MelOptions& features = model.recipe.features;
  const double seconds = static_cast<double>(model.recipe.segment.frames) * features.hop_length /
                         static_cast<double>(features.sample_rate);
  Json json = {{"name", model.name},
               {"path", model.path},
               {"architecture", model.recipe.model.architecture},
               {"recipe", model.recipe.name},
               {"task", name_of(model.recipe.task)},
               {"classes", model.classes},
               {"segment_seconds", seconds},
               {"sample_rate", features.sample_rate},
               {"embedding", model.embedding}};
  if (!model.about.empty()) json["about"] = parse_json(model.about);
  return json;
}

// "0.907, 0.383"; "-" where nothing was published.
std::string figures(const Json& about) {
  if (!about.contains("roc_auc")) return "-";
  return fmt::format("{:.3f}, {:.3f}", about.at("roc_auc").get<double>(), about.at("pr_auc").get<double>());
}

std::string apart(const Json& about) {
  return about.contains("apart") ? fmt::format("{:.1e}", about.at("apart").get<double>()) : "-";
}

std::vector<std::string> row_of(const ModelAtHand& model, const Json& json) {
  const Json about = json.value("about", Json::object());
  return {model.name,
          model.recipe.model.architecture,
          fmt::format("{:.1f} s, {} Hz", json.at("segment_seconds").get<double>(),
                      model.recipe.features.sample_rate),
          std::to_string(model.classes.size()),
          std::to_string(model.embedding),
          about.value("data", std::string("-")),
          about.value("licence", std::string("-")),
          figures(about),
          apart(about)};
}

void models(Settings& settings) {
  std::vector<std::string> problems;
  const std::vector<ModelAtHand> at_hand = models_at_hand(problems);
  const auto folder = model_folder();
  Json here = Json::array(), elsewhere = Json::array();
  TextRows rows = {{"name", "network", "segment", "classes", "embedding", "trained on", "licence",
                    "ROC-AUC, PR-AUC", "apart"}};
  for (const ModelAtHand& model : at_hand) {
    try {
      reading_json(model.path + ": about", [&] {
        const Json json = described(model);
        rows.push_back(row_of(model, json));
        here.push_back(json);
      });
    } catch (const Error& e) {
      problems.emplace_back(e.what());
    }
  }
  TextRows others = {{"name", "trained on", "licence", "ROC-AUC, PR-AUC", "from"}};
  for (const PublishedNetwork& network : published_networks()) {
    if (std::any_of(at_hand.begin(), at_hand.end(), [&](const auto& m) { return m.name == network.name; }))
      continue;
    elsewhere.push_back(as_json(network));
    others.push_back(
        {network.name, network.data, network.licence, figures(elsewhere.back()), network.source});
  }
  for (const std::string& problem : problems) say("left out: {}", problem);
  if (!problems.empty()) settings.exit_code = kExitProblemsFound;
  if (settings.json) {
    print_json(Json{
        {"folder", folder ? Json(folder->string()) : Json()}, {"at_hand", here}, {"published", elsewhere}});
    return;
  }
  const std::string where = folder ? folder->string() : "no folder: set MELGRAD_MODELS";
  if (rows.size() > 1) {
    print("at hand, in {}:\n{}", where, Lines{align(rows)});
    print(
        "ROC-AUC, PR-AUC: macro, as published; apart: largest difference of a probability from the "
        "original program's, as measured\n");
  } else {
    print("none at hand in {}\n", where);
  }
  if (others.size() > 1)
    print("\npublished, not here; melgrad import-weights FILE --as NAME puts one there:\n{}",
          Lines{align(others)});
}

}  // namespace

void register_models(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("models", "the networks at hand by name, and published ones");
  command->callback([&settings] { models(settings); });
}

}  // namespace melgrad
