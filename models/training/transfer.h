// Transfer: a network that starts from the weights of another, parts of which stay as they are or learn at a
// rate of their own.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "io/arrays/checkpoint.h"
#include "models/networks/model.h"
#include "models/recipes/recipe.h"

namespace melgrad {

// Names of the parameters whose shapes follow the number of classes.
std::set<std::string> last_layer(const Recipe& recipe, std::int64_t bands, std::size_t classes);

// What train.freeze and train.rates say, before the parameters are in memory: of several patterns for one
// parameter the first counts; those of the last layer are never frozen. Running statistics of a frozen norm
// stay as they are (engine/functions.h). Throws Error (usage) naming a pattern that fits no parameter.
void set_rates(ParamStore& params, const Recipe& recipe, const std::set<std::string>& last);

// Throws Error (usage) where the recipe's network cannot be made for so many bands, or its patterns fit no
// parameter: before any data is looked at.
void expect_network(const Recipe& recipe, std::int64_t bands);
// Throws Error (input), naming `path`, where the model file's network or features are not the recipe's.
void expect_same_network(const Recipe& recipe, const Checkpoint& file, const std::string& path);

// Sets the network's parameters, and how its input is standardised, to what another model file of the same
// architecture holds; those of the last layer only where its classes are these. Returns whether they are.
// Throws as expect_same_network does.
bool start_from(Device& device, Model& model, const Recipe& recipe, std::int64_t bands,
                const std::vector<std::string>& classes, const Checkpoint& file, const std::string& path);

}  // namespace melgrad
