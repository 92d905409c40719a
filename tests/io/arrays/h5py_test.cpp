// What h5py and NumPy make of melgrad's files, and the other way round.
#include <cstdio>

#include "io/arrays/cache.h"
#include "io/arrays/checkpoint.h"
#include "io/arrays/npz.h"
#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad {
namespace {

// Standard output of a shell command; the exit code in `code`.
std::string run(const std::string& command, int& code) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  code = pclose(pipe);
  return output;
}

// A Python that has h5py: the one on PATH, or the system's.
std::string python() {
  for (const char* name : {"python3", "/usr/bin/python3"}) {
    int code = 0;
    run(std::string(name) + " -c 'import h5py, numpy' 2>/dev/null", code);
    if (code == 0) return name;
  }
  return "";
}

void make_files(const Scratch& scratch) {
  Cache head;
  head.mel = mel_preset("dong2018");
  head.bands = 3;
  head.classes = {"blues", "rock"};
  CacheWriter writer(scratch / "cache.h5", head);
  const std::vector<float> a = {1, 2, 3, 4, 5, 6.5F}, b = {-1, 0, 0.25F};
  writer.add("é/a.wav", {7, 70}, 2, a);
  writer.add("b.wav", {8, 80}, 1, b);
  writer.skip("c.wav", "is empty");
  writer.finish({{"b.wav", {1, 0}, "train"}, {"é/a.wav", {1, 1}, "test"}});
  Checkpoint c;
  c.text["recipe"] = "epochs = 3\n";
  c.arrays["param/conv1.weight"] = HostArray::of<float>({2, 1, 3}, a);
  c.arrays["moment0/conv1.weight"] = HostArray(DType::f16, {2});
  c.arrays["state/counter"] = HostArray::scalar<std::int64_t>(12);
  save_checkpoint(scratch / "check.h5", c);
}

TEST(H5py, ReadsCachesAndCheckpoints) {
  const std::string interpreter = python();
  if (interpreter.empty()) GTEST_SKIP() << "no Python with h5py and NumPy; install python3-h5py";
  const Scratch scratch;
  make_files(scratch);
  int code = 0;
  const auto script = std::filesystem::path(source_path("tests/io/arrays/read_with_h5py.py"));
  const std::string output =
      run(fmt::format("{} {} {} {} {}", interpreter, script.string(), scratch / "cache.h5",
                      scratch / "check.h5", scratch / "numpy.npz"),
          code);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(output,
            "hop 256 preset dong2018\n"
            "b.wav blues train -0.7500\n"
            "é/a.wav blues,rock test 21.5000\n"
            "skipped ['c.wav'] ['is empty']\n"
            "recipe epochs = 3\n"
            "param/conv1.weight float32 (2, 1, 3) [1.0, 2.0, 3.0, 4.0, 5.0, 6.5]\n"
            "moment0/conv1.weight float16 (2,) [0.0, 0.0]\n"
            "state/counter int64 (1,) [12]\n");
  const auto arrays = read_npz(scratch / "numpy.npz");
  EXPECT_EQ(arrays.at("T").to_text(), (std::vector<std::string>{"blues", "jazz é"}));
  std::vector<float> x(24), other(24);
  arrays.at("X").to_float(0, 24, x.data());
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i], static_cast<float>(i));
  for (const char* name : {"F", "H"}) {
    arrays.at(name).to_float(0, 24, other.data());
    EXPECT_EQ(other, x) << name;
  }
  EXPECT_EQ(arrays.at("B").to_i64().at(3), 0);
  EXPECT_EQ(arrays.at("B").to_i64().at(4), 1);
}

}  // namespace
}  // namespace melgrad
