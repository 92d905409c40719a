// Networks that others have published with their weights, as models/weights/published.toml has them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace melgrad {

struct PublishedNetwork {
  std::string name, title;
  std::string source;      // where its weights are, for people
  std::string checkpoint;  // which of several in the source; empty: there is one
  std::string recipe, classes, data, licence;
  std::optional<double> roc_auc, pr_auc;  // as published
  std::optional<double> apart;  // the largest difference of a probability from the original's, as measured
};

const std::vector<PublishedNetwork>& published_networks();
// Throws Error (usage) naming the nearest.
const PublishedNetwork& published_network(const std::string& name);

// What the file of an imported network says of it, under "about".
nlohmann::ordered_json as_json(const PublishedNetwork& network);

}  // namespace melgrad
