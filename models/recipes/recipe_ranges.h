// What the numbers of a recipe may be.
#pragma once

#include <string>

namespace melgrad {

// Throws Error (usage) that names the key if `value` lies outside of what the key can mean or the program can
// count: steps, bytes and rows are products of these. `text` is the value as it is printed. Keys of which
// nothing is known here are left alone.
void expect_in_range(const std::string& key, double value, const std::string& text);

}  // namespace melgrad
