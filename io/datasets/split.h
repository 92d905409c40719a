// Splits: which tracks train, validate and test. A split names tracks, so it can be stored, compared and used
// with any cache of the same data set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace melgrad {

// Indices into the items the split was made for; ascending.
struct Split {
  std::vector<std::int32_t> train, valid, test;
};

struct SplitFractions {
  double train = 0.5, valid = 0.2, test = 0.3;
};

// Random and stratified: every class gives the same fractions of its tracks (rounded; the rest is test when
// the fractions sum to 1). `group[i]` is equal for tracks that must stay together: a group goes where its
// first member's class needs tracks. The seed decides; the same seed gives the same split on any machine.
Split stratified_split(const std::vector<std::int32_t>& label, const std::vector<std::int64_t>& group,
                       const SplitFractions& fractions, std::uint64_t seed);

// Random folds of like size, 0, 1, ... folds - 1, and of each class like shares in each; a group is in one
// fold. Returns each track's; the seed decides.
std::vector<std::int64_t> stratified_folds(const std::vector<std::int32_t>& label,
                                           const std::vector<std::int64_t>& group, std::int64_t folds,
                                           std::uint64_t seed);

// The same without classes: whole groups, in random order, go where tracks lack most.
Split grouped_split(const std::vector<std::int64_t>& group, const SplitFractions& fractions,
                    std::uint64_t seed);

// Makes groups of tracks that have the same name one, with what was in a group with either. Without a name a
// track stays as it is.
void join_groups(std::vector<std::int64_t>& group, const std::vector<std::string>& names);

// The names of the folds in their order: numbers by their size, else names; tracks without one play no part.
std::vector<std::string> folds_of(const std::vector<std::string>& fold);

// Tests on the tracks of one fold, validates on the next (after the last comes the first; numbers in their
// order, else names in theirs), trains on all others; tracks without a fold play no part. Throws Error
// (input), `where` first, for a fold that is not there or fewer than three folds.
Split split_by_fold(const std::vector<std::string>& fold, const std::string& test, const std::string& where);

// Three lists in `folder`, one track name a line, found by "train", "valid" and "test" in the names of its
// .txt files. Names match without folder and extension (of audio, or npy): "blues/blues.00012.wav" is
// "blues.00012". Tracks on no list are left out; `missing` receives the listed names that are not there.
// Throws Error (input) naming the folder or file.
Split split_from_lists(const std::filesystem::path& folder, const std::vector<std::string>& names,
                       std::vector<std::string>* missing);
// What of a name such lists compare: without folder, and without the extension of audio or npy.
std::string name_in_lists(const std::string& name);
// Whether such lists are there.
bool has_split_lists(const std::filesystem::path& folder);

// splits.json: {"train": [names], "valid": [...], "test": [...]}. Reading throws Error (input) for a name
// that `names` lacks.
void write_split(const std::filesystem::path& path, const Split& split,
                 const std::vector<std::string>& names);
Split read_split(const std::filesystem::path& path, const std::vector<std::string>& names);

}  // namespace melgrad
