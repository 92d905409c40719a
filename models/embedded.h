// Files of this folder that are compiled into the program, so that it needs none beside it
// (models/CMakeLists.txt).
#pragma once

#include <string>
#include <vector>

namespace melgrad {

struct EmbeddedFile {
  std::string name;  // of the file, without its ending
  std::string text;
};

const std::vector<EmbeddedFile>& embedded_recipes();      // recipes/*.toml
const std::vector<EmbeddedFile>& embedded_weight_maps();  // weights/maps/*.toml
const std::vector<EmbeddedFile>& embedded_class_lists();  // weights/classes/*.txt
const std::vector<EmbeddedFile>& embedded_published();    // weights/published.toml

// The text of the file of that name; nullptr if there is none.
const std::string* embedded_text(const std::vector<EmbeddedFile>& files, const std::string& name);
std::vector<std::string> names_of(const std::vector<EmbeddedFile>& files);

}  // namespace melgrad
