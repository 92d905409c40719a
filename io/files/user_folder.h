// Where the files of a user lie that no command line names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace melgrad {

// $`own` as it is (set to nothing: none), else <below> in $`base`, else in $HOME/<usual>; none without any of
// them. Relative paths in `base` and HOME are to be taken for none (XDG Base Directory Specification).
std::optional<std::filesystem::path> user_folder(const char* own, const char* base, const std::string& usual,
                                                 const std::string& below);

}  // namespace melgrad
