// Which tags of MagnaTagATune are learned: ranking, choice, and merging of synonyms (io/datasets/mtat.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "io/datasets/mtat_tables.h"

namespace melgrad {

// The groups of names for the same thing that are in use since Choi's lists of 2016 ("beat", "beats"); the
// first name stands for all.
const std::vector<std::vector<std::string>>& mtat_synonyms();
// A clip that has one tag of a group has its first name; the others are gone.
void merge_synonyms(MtatTables& tables);

// All tags, most frequent first, ties by name; the published order where the tables bring it.
std::vector<std::size_t> ranked_tags(const MtatTables& tables);

// "top50": so many of the most frequent; otherwise names separated by commas. Throws Error (usage) for a tag
// that is not there, naming the nearest.
std::vector<std::size_t> choose_tags(const std::string& text, const MtatTables& tables,
                                     const std::vector<std::size_t>& ranked);

}  // namespace melgrad
