#include "models/embedded.h"

namespace melgrad {

const std::string* embedded_text(const std::vector<EmbeddedFile>& files, const std::string& name) {
  for (const EmbeddedFile& file : files)
    if (file.name == name) return &file.text;
  return nullptr;
}

std::vector<std::string> names_of(const std::vector<EmbeddedFile>& files) {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : files) names.push_back(file.name);
  return names;
}

}  // namespace melgrad
