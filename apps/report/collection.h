// The map of a collection: its tracks on the two axes along which their embeddings differ most.
#pragma once

#include <string>

#include "apps/report/page.h"
#include "models/embeddings/embedding_table.h"

namespace melgrad {

// Coloured by the class of each track, or where tracks have several tags by the first of them; `by`: by
// whether it has that tag, or by that column. Throws Error (usage) where the table has neither. `id` is of
// its figure's files.
void add_collection(Page& page, const EmbeddingTable& table, const std::string& by, const std::string& id);

}  // namespace melgrad
