// What melgrad embed goes through: the tracks of a data set, audio files, or the tracks of a feature cache.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/terminal/cli.h"
#include "models/embeddings/embedding_table.h"
#include "models/runs/predictor.h"

namespace melgrad {

class TracksToEmbed {
 public:
  virtual ~TracksToEmbed() = default;

  // XXH3 of the file that track i was made of, which is read for it; where a cache knows none, of its
  // features.
  virtual std::uint64_t digest(std::size_t i) const = 0;
  // The tracks that next() is for, in this order; `mix` as features.mix.
  virtual void begin(const std::vector<std::size_t>& waiting, const std::string& mix) = 0;
  // Throws Error (input), which names the track: it is passed over.
  virtual SegmentEmbeddings next(Predictor& predictor) = 0;

  // Names, and what is known of each: labels and columns, one row a track.
  EmbeddingTable about;
  std::vector<std::string> places;  // what messages call each
  std::string mix;                  // how channels became one, where that is settled already
};

// `inputs`: one data set or one cache (.h5) brings labels and columns; anything else is files and folders of
// them. A cache must be of `features`, whatever its mix. `left_out` gets what is not read.
std::unique_ptr<TracksToEmbed> tracks_to_embed(const std::vector<std::string>& inputs,
                                               const MelOptions& features, Settings& settings,
                                               nlohmann::ordered_json& left_out);

}  // namespace melgrad
