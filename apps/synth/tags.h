// A made-up MagnaTagATune: which clips there are, what is played in them, and the tags people might give.
// Seven kinds of artists (techno, rock, orchestra, recital, folk, ambient, pop) make albums of one or two
// tracks; a track has an ensemble and a tempo and gives two or three clips, which follow each other in it.
// A tag is true of what is heard: guitar, piano, strings and drums play or do not, slow is below 70 beats a
// minute and fast above 145, techno, rock, classical and electronic are kinds of music. Then tags are made as
// unreliable as people's: one in 25 is forgotten, one in 100 is given for nothing, one clip in 20 has none at
// all; synonyms and loose words are added now and then. Everything is a function of the arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/synth/music.h"

namespace melgrad {

struct SynthClip {
  std::int64_t id = 0;
  std::string artist, album, title;
  int track_number = 1;
  int start = 0, end = 0;  // seconds in the track, as the tables and the file name state them
  std::string path;        // "f/artist-album-01-title-29-58.mp3"
  Scene scene;
  std::uint64_t seed = 0;  // of the track
  int excerpt = 0;
  std::vector<std::string> tags;
};

// `seconds` (whole, from 1) is the nominal length of a clip. An album lies in one folder.
std::vector<SynthClip> plan_clips(std::size_t clips, int seconds, std::uint64_t seed);

// The text of annotations_final.csv and clip_info_final.csv, quoted like the real ones. As there, a few clips
// have no artist, and the second table knows clips that the first does not.
std::string annotations_table(const std::vector<SynthClip>& clips);
std::string clip_info_table(const std::vector<SynthClip>& clips);

// Neighbouring numbers become unrelated seeds.
std::uint64_t mixed_seed(std::uint64_t seed, std::uint64_t a, std::uint64_t b);

}  // namespace melgrad
