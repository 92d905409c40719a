// Fixtures of the io tests: a folder that goes away with the test, a test tone, and files by their bytes.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad::test {

using melgrad::error_of;
using melgrad::read_bytes;
using melgrad::write_bytes;

// What the files of a folder hold, by their paths within it.
inline std::map<std::string, std::string> bytes_below(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).generic_string()] = read_bytes(entry.path());
  return files;
}

// A Scratch folder whose names are paths, with their parent folders made.
class TempFolder {
 public:
  std::filesystem::path path() const { return scratch_.path(); }
  std::filesystem::path operator/(const std::string& name) const {
    const std::filesystem::path path = scratch_ / name;
    std::filesystem::create_directories(path.parent_path());
    return path;
  }

 private:
  Scratch scratch_;
};

inline std::vector<float> tone(double hertz, int sample_rate, double seconds, double level = 0.5) {
  std::vector<float> samples(static_cast<std::size_t>(seconds * sample_rate));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / sample_rate;
    samples[i] = static_cast<float>(level * std::sin(2 * std::numbers::pi * hertz * t));
  }
  return samples;
}

// Bytes without any structure, the same every time.
inline std::string noise_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 88172645463325252U;  // xorshift64
  for (char& b : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    b = static_cast<char>(state >> 56);
  }
  return bytes;
}

// Audio and labels that are not part of the project; empty when they are not on this machine.
inline std::filesystem::path shared_data() {
  const char* set = std::getenv("MELGRAD_DATA");
  const std::filesystem::path path =
      set != nullptr ? set : std::filesystem::path(source_path("../shared/data"));
  return std::filesystem::exists(path / "odd-audio") ? path : std::filesystem::path();
}

}  // namespace melgrad::test
