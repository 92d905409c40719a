// Words for messages.
#pragma once

#include <string>
#include <vector>

namespace melgrad {

// The name with the smallest edit distance to `word`; "" if there are no names.
std::string nearest(const std::string& word, const std::vector<std::string>& names);
// "a, b, c"
std::string joined(const std::vector<std::string>& words);

}  // namespace melgrad
