// Tables of numbers that other programs write, a row a track and a column a tag: predictions, and the truths
// beside them.
//
// CSV in any form that io/datasets/csv.h reads, or .npy [tracks, tags]. In CSV a first row that holds
// anything but numbers behind its first field names the tags. The first column names the tracks unless it is
// a number in every row; whole numbers that are all different are names as well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/metrics/tag_metrics.h"

namespace melgrad {

struct ScoreTable {
  std::string path;
  std::vector<std::string> tracks, tags;  // each empty if the table does not name them
  std::int64_t rows = 0, columns = 0;
  std::vector<float> values;  // [rows, columns]
};

// Throws Error (input) that names the row of a field that is no number, and a name that is there twice.
ScoreTable read_score_table(const std::string& path);

// The table as text that read_score_table reads to the same names and the same bits.
std::string as_csv(const ScoreTable& table);

// Names of tags: a text file with one a line, or .npy of texts.
std::vector<std::string> read_names(const std::string& path);
// The same of text that is at hand; `where` names it in messages.
std::vector<std::string> names_in(const std::string& text, const std::string& where);

// Truths beside scores: rows and columns go together by their names where both tables have them, else by
// their place. `tags` names the columns of tables that do not. Throws Error (input) where a track or tag is
// in one of them alone, and for a truth other than 0 and 1; Error (usage) for `tags` beside names in a table.
TagScores scores_beside(const ScoreTable& truth, const ScoreTable& scores,
                        const std::vector<std::string>& tags = {});

}  // namespace melgrad
