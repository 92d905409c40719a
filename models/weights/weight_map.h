// How the tensors of somebody else's network become the parameters of ours: a TOML file
// (models/weights/maps).
//
//   base = "sota"                      # takes over all of another map
//   architecture = "fcn"               # of the recipe (model.architecture) that it is for
//   separator = "."                    # between a layer and its tensors: "." in PyTorch, "/" in TensorFlow
//   ignore = ["spec.*"]                # tensors that play no part, "*" for any text
//   keep = ["filters.centres"]         # parameters that stay as the network starts
//   [leaves.norm]                      # the tensors of one kind of layer: theirs = ours
//   running_var = "running_variance"
//   [[layer]]
//   from = "layer{k}.conv"             # {k}: any text without a separator; the same in `to`
//   to = "block{k}.conv"
//   leaves = "conv"
//   axes = [0, 3, 2, 1]                # of tensors of more than one axis: our axis k is their axis axes[k];
//   -1: one of length 1 alternate = true                   # along our last axis two halves lie entry by
//   entry in turn
#pragma once

#include <string>
#include <vector>

#include "io/weights/weight_source.h"

namespace melgrad {

struct Checkpoint;
struct Recipe;

// What the network of `recipe` with these classes is made of, out of `source`; what predict and the like load
// (training/model_file.h). `map`: the path of a map, or the name of one of ours; "": the one of the recipe's
// architecture. Every parameter is filled once, and every tensor is used or named as ignored. Throws Error
// (usage) for a map that is none, Error (input) that begins with `path` for tensors that do not fit.
Checkpoint import_weights(const WeightSource& source, const std::string& path, const Recipe& recipe,
                          const std::vector<std::string>& classes, const std::string& map = "");

// The classes of a list of ours ("mtat50") or of a text file with one a line.
std::vector<std::string> class_list(const std::string& name_or_path);

}  // namespace melgrad
