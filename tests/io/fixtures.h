// Fixtures of the io tests: a folder that goes away with the test, a test tone, and files by their bytes.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <numbers>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "kernels/error.h"

namespace melgrad::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "melgrad_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // A path inside, its parent folders made.
  std::filesystem::path operator/(const std::string& name) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    return path;
  }

 private:
  std::filesystem::path path_;
};

inline std::vector<float> tone(double hertz, int sample_rate, double seconds, double level = 0.5) {
  std::vector<float> samples(static_cast<std::size_t>(seconds * sample_rate));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / sample_rate;
    samples[i] = static_cast<float>(level * std::sin(2 * std::numbers::pi * hertz * t));
  }
  return samples;
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
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

// The message of the Error that `call` must throw with this kind; one line.
template <typename Call>
std::string error_of(ErrorKind kind, Call call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(static_cast<int>(e.kind()), static_cast<int>(kind)) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

// Audio and labels that are not part of the project; empty when they are not on this machine.
inline std::filesystem::path shared_data() {
  const char* set = std::getenv("MELGRAD_DATA");
  const std::filesystem::path path =
      set != nullptr ? set : std::filesystem::path(MELGRAD_GOLDEN) / ".." / ".." / ".." / "shared" / "data";
  return std::filesystem::exists(path / "odd-audio") ? path : std::filesystem::path();
}

}  // namespace melgrad::test
