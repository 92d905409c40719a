// safetensors: what is written comes back, and a file that contradicts itself is refused in one line.
#include "io/arrays/safetensors.h"

#include <cstring>
#include <gtest/gtest.h>

#include "tests/io/scratch.h"

namespace melgrad {
namespace {

Checkpoint model() {
  Checkpoint m;
  m.text = {{"recipe", "name = \"x\"\n"}, {"classes", R"(["a", "b \u00fc"])"}};
  const std::vector<float> w = {1, 2, 3, 4, 5, 6};
  const std::vector<float> mean = {0.5F, -0.5F};
  m.arrays["param/conv1.weight"] = HostArray::of<float>({3, 1, 2}, w);
  m.arrays["input/mean"] = HostArray::of<float>({2}, mean);
  m.arrays["bands"] = HostArray::scalar<std::int64_t>(64);
  return m;
}

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

TEST(Safetensors, ComesBackEqual) {
  const Scratch scratch;
  save_safetensors(scratch / "m.safetensors", model());
  const Checkpoint back = load_safetensors(scratch / "m.safetensors");
  EXPECT_EQ(back.arrays, model().arrays);
  EXPECT_EQ(back.text, model().text);
  EXPECT_NE(
      read_bytes(scratch / "m.safetensors").find("\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[3,1,2]"),
      std::string::npos);
}

TEST(Safetensors, RefusesWhatContradictsItself) {
  const Scratch scratch;
  const std::string path = scratch / "m.safetensors";
  const std::string four(4, '\0'), eight(8, '\0');
  const auto tensor = [](const char* shape, const char* offsets, const char* type = "F32") {
    return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":{}}})", type, shape, offsets);
  };
  const std::pair<std::string, const char*> cases[] = {
      {"", "its header is longer than the file"},
      {std::string(8, '\x7f'), "its header is longer than the file"},
      {file_of("{", ""), "its header cannot be read"},
      {file_of("[1]", ""), "its header cannot be read"},
      {file_of("{\"w\":3}", four), "its header cannot be read"},
      {file_of("{\"w\":" + tensor("[1]", "[0,4]", "F8_E4M3") + "}", four),
       "w: type F8_E4M3 is not supported"},
      {file_of("{\"w\":" + tensor("[2]", "[0,4]") + "}", four), "w: its shape does not fit into the file"},
      {file_of("{\"w\":" + tensor("[4294967296,4294967296,4]", "[0,4]") + "}", four),
       "w: its shape does not fit"},
      {file_of("{\"w\":" + tensor("[-1]", "[0,4]") + "}", four), "must be a count, but is -1"},
      {file_of("{\"w\":" + tensor("[true]", "[0,4]") + "}", four), "must be a count, but is true"},
      {file_of("{\"w\":" + tensor("[1]", "[0,5.55556e86]") + "}", four),
       "must be a count, but is 5.55556e+86"},
      {file_of("{\"w\":" + tensor("[1]", "[0,18446744073709551615]") + "}", four), "must be a count"},
      {file_of("{\"w\":" + tensor("[1]", "[4,0]") + "}", eight),
       "w: bytes 4 to 0 are not those of its shape"},
      {file_of("{\"w\":" + tensor("[1]", "[0,4]") + "}", eight), "4 of its 8 bytes belong to no tensor"},
      {file_of("{\"w\":" + tensor("[1]", "[0,4]") + ",\"v\":" + tensor("[1]", "[0,4]") + "}", eight),
       "begins at byte 0, not at 4"},
      {file_of("{\"__metadata__\":{\"a\":1}}", ""), "its header cannot be read"},
  };
  for (const auto& [bytes, message] : cases) {
    std::ofstream(path, std::ios::binary) << bytes;
    const std::string error = error_of(ErrorKind::input, [&] { load_safetensors(path); });
    EXPECT_EQ(error.find(path), 0U) << error;
    EXPECT_NE(error.find(message), std::string::npos) << error << "\nwanted: " << message;
  }
}

TEST(Safetensors, CutAnywhereIsRefused) {
  const Scratch scratch;
  const std::string path = scratch / "m.safetensors";
  save_safetensors(path, model());
  const std::string whole = read_bytes(path);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, n);
    error_of(ErrorKind::input, [&] { load_safetensors(path); });
  }
}

}  // namespace
}  // namespace melgrad
