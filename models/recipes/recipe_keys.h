// What people call the keys of a recipe.
#pragma once

#include <string>
#include <vector>

namespace melgrad {

// Which of `keys` ("section.name" or "name") a word means: itself, a key's name without its section if only
// one has it, or what other programs call it (lr, batch_size, n_mels, ...), in the key's own section or in
// one with a general name (optimizer.lr). Throws Error (usage) with what comes nearest for any other.
std::string recipe_key(const std::string& word, const std::vector<std::string>& keys);

}  // namespace melgrad
