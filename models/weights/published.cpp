#include "models/weights/published.h"

#include <nlohmann/json.hpp>
#include <toml++/toml.h>

#include "kernels/error.h"
#include "kernels/text.h"
#include "models/embedded.h"

namespace melgrad {
namespace {

std::vector<PublishedNetwork> read_table() {
  std::vector<PublishedNetwork> networks;
  const toml::table file = toml::parse(embedded_published().front().text);
  for (const toml::node& node : *file["network"].as_array()) {
    const toml::table& row = *node.as_table();
    const auto text = [&](const char* key) { return row[key].value_or(std::string()); };
    networks.push_back({text("name"), text("title"), text("source"), text("checkpoint"), text("recipe"),
                        text("classes"), text("data"), text("licence"), row["roc_auc"].value<double>(),
                        row["pr_auc"].value<double>(), row["apart"].value<double>()});
  }
  return networks;
}

}  // namespace

const std::vector<PublishedNetwork>& published_networks() {
  static const std::vector<PublishedNetwork> table = read_table();
  return table;
}

const PublishedNetwork& published_network(const std::string& name) {
  std::vector<std::string> names;
  for (const PublishedNetwork& network : published_networks()) {
    if (network.name == name) return network;
    names.push_back(network.name);
  }
  fail(ErrorKind::usage, "{}: no published network of this name is known; did you mean {}? They are: {}",
       name, nearest(name, names), joined(names));
}

nlohmann::ordered_json as_json(const PublishedNetwork& network) {
  nlohmann::ordered_json json = {{"name", network.name},
                                 {"title", network.title},
                                 {"source", network.source},
                                 {"data", network.data},
                                 {"licence", network.licence}};
  if (network.roc_auc) json["roc_auc"] = *network.roc_auc;
  if (network.pr_auc) json["pr_auc"] = *network.pr_auc;
  if (network.apart) json["apart"] = *network.apart;
  return json;
}

}  // namespace melgrad
