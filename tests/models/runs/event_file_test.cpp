// Event files, record by record.
#include "models/runs/event_file.h"

#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>

#include "io/files/hash.h"
#include "kernels/error.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

TEST(EventFile, Crc32cIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
}

// The events of the only file of `folder`; every length and checksum holds.
std::vector<std::string> events_of(const std::filesystem::path& folder) {
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_NE(entry.path().string().find(".tfevents."), std::string::npos);
    EXPECT_TRUE(bytes.empty()) << "a second file";
    bytes = read_bytes(entry.path().string());
  }
  const auto unmasked = [&](std::size_t at) {
    std::uint32_t crc = 0;
    std::memcpy(&crc, bytes.data() + at, sizeof crc);
    crc -= 0xa282ead8U;
    return crc >> 17 | crc << 15;
  };
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    EXPECT_EQ(unmasked(at + 8), crc32c(bytes.substr(at, 8)));
    events.push_back(bytes.substr(at + 12, size));
    EXPECT_EQ(unmasked(at + 12 + size), crc32c(events.back()));
    at += 16 + size;
  }
  return events;
}

TEST(EventFile, HoldsScalarsHistogramsAndKernels) {
  const Scratch scratch;
  Checkpoint model;
  std::vector<float> kernels(10 * 3 * 3);
  for (std::size_t i = 0; i < kernels.size(); ++i) kernels[i] = static_cast<float>(i) - 45;
  model.arrays["param/conv1.weight"] = HostArray::of<float>({10, 3, 3, 1}, kernels);
  model.arrays["moment0/conv1.weight"] = HostArray::of<float>({10, 3, 3, 1}, kernels);
  {
    EventFile file(scratch.path(), 40);
    file.scalars(42, {{"loss", 0.5}, {"valid", 0.25}});
    file.weights(42, model);
  }
  const auto events = events_of(scratch.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_NE(events[0].find("brain.Event:2"), std::string::npos);
  // step 42; summary { value { tag "loss" simple_value 0.5f } value { tag "valid" simple_value 0.25f } }
  const std::string expected(
      "\x10\x2a\x2a\x1b\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f\x0a\x0c\x0a\x05valid\x15\x00\x00\x80\x3e",
      31);
  EXPECT_EQ(events[1].substr(9), expected);  // after the time
  EXPECT_NE(events[2].find("param/conv1.weight"), std::string::npos);
  EXPECT_NE(events[2].find("\x89PNG"), std::string::npos);
  EXPECT_EQ(events[2].find("moment0"), std::string::npos);
}

TEST(EventFile, NamesAFolderThatIsNotThere) { EXPECT_THROW(EventFile("/nonexistent", 0), Error); }

}  // namespace
}  // namespace melgrad
