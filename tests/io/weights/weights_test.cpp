// Weights as others publish them, and files that are none.
#include <gtest/gtest.h>

#include "io/arrays/safetensors.h"
#include "io/weights/weight_source.h"
#include "kernels/error.h"
#include "tests/io/scratch.h"
#include "tests/io/weights/weights_make.h"

namespace melgrad {
namespace {

const std::vector<MadeTensor> kTensors = {{"layer/bias", {3}, {1, 2, 3}},
                                          {"layer/kernel", {2, 3}, {0, 1, 2, 3, 4, -5}}};

class Weights : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& bytes) {
    write_bytes(scratch_ / name, bytes);
    return scratch_ / name;
  }
  std::string bundle(const std::vector<MadeTensor>& tensors = kTensors) {
    const auto [index, data] = tensor_bundle(tensors);
    file("model.data-00000-of-00001", data);
    file("model.index", index);
    return scratch_ / "model";
  }
  static void expect_tensors(const std::string& path, const std::string& entry = "") {
    const auto source = open_weights(path, entry);
    ASSERT_EQ(source->tensors().size(), kTensors.size()) << path;
    for (std::size_t k = 0; k < kTensors.size(); ++k) {
      EXPECT_EQ(source->tensors()[k].name, kTensors[k].name);
      const HostArray read = source->read(k);
      EXPECT_EQ(read.shape, kTensors[k].shape);
      const auto values = read.as<float>();
      EXPECT_EQ(std::vector<float>(values.begin(), values.end()), kTensors[k].values) << path;
    }
  }
  // What is said of the file, or of its tensors.
  static std::string why(const std::string& path, const std::string& entry = "") {
    try {
      const auto source = open_weights(path, entry);
      for (std::size_t k = 0; k < source->tensors().size(); ++k) source->read(k);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  static bool said(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  const Scratch scratch_;
};

TEST_F(Weights, OfATensorFlowCheckpoint) {
  expect_tensors(bundle());
  expect_tensors(scratch_ / "model.index");
}

TEST_F(Weights, OfAWheelWithSeveralCheckpoints) {
  const auto [index, data] = tensor_bundle(kTensors);
  const std::string wheel = file("a.whl", zip({{"m/one/.index", index},
                                               {"m/one/.data-00000-of-00001", data},
                                               {"m/two/.index", index},
                                               {"m/two/.data-00000-of-00001", data}},
                                              {true}));
  expect_tensors(wheel, "one");
  expect_tensors(wheel, "two");
  EXPECT_TRUE(said(why(wheel), "holds the checkpoints one, two; choose one with --model"));
  EXPECT_TRUE(said(why(wheel, "three"), "holds the checkpoints one, two"));
  EXPECT_TRUE(said(why(file("b.zip", zip({{"x", "y"}}))), "without a TensorFlow checkpoint"));
}

TEST_F(Weights, OfPyTorchInBothLayouts) {
  expect_tensors(file("old.pth", legacy_torch_file(kTensors)));
  expect_tensors(file("new.pt", zip({{"archive/data.pkl", pickle::state_dict(kTensors)},
                                     {"archive/byteorder", "little"},
                                     {"archive/data/0", raw(kTensors[0].values)},
                                     {"archive/data/1", raw(kTensors[1].values)},
                                     {"archive/version", "3\n"}})));
}

TEST_F(Weights, OfSafetensors) {
  Checkpoint model;
  for (const MadeTensor& t : kTensors)
    model.arrays["param/" + t.name.substr(6)] =
        HostArray::of<float>(t.shape, std::span<const float>(t.values));
  save_safetensors(scratch_ / "a.safetensors", model);
  const auto source = open_weights(scratch_ / "a.safetensors");
  ASSERT_EQ(source->tensors().size(), 2U);
  EXPECT_EQ(source->tensors()[1].name, "kernel");
  EXPECT_EQ(source->read(1).as<float>()[5], -5);
}

TEST_F(Weights, ViewsAreGatheredByTheirStrides) {
  // b is the transpose of a [2, 3], from the second number on; both over one storage.
  const std::string transposed = "ctorch._utils\n_rebuild_tensor_v2\n((" + pickle::text("storage") +
                                 "ctorch\nFloatStorage\n" + pickle::text("0") + pickle::text("cpu") +
                                 pickle::number(6) + "tQ" + pickle::number(1) + pickle::tuple({2, 2}) +
                                 pickle::tuple({1, 3}) +
                                 "\x89"
                                 "NtR";
  const std::string pickled = "\x80\x02}(" + pickle::text("b") + transposed + "u.";
  const std::string path =
      file("v.pth", zip({{"v/data.pkl", pickled}, {"v/data/0", raw(kTensors[1].values)}}));
  const HostArray b = open_weights(path)->read(0);
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(std::vector<float>(b.as<float>().begin(), b.as<float>().end()),
            (std::vector<float>{1, 4, 2, -5}));
}

TEST_F(Weights, ACheckpointOfATrainingGivesItsTensors) {
  const std::string inner = "}(" + pickle::text("w") + pickle::tensor(kTensors[0], "0") + "u";
  const std::string pickled = "\x80\x02}(" + pickle::text("epoch") + "K\x07" + pickle::text("state_dict") +
                              inner + pickle::text("rate") + "G\x3f\xf0" + std::string(6, '\0') + "u.";
  const auto source =
      open_weights(file("t.pth", zip({{"t/data.pkl", pickled}, {"t/data/0", raw(kTensors[0].values)}})));
  ASSERT_EQ(source->tensors().size(), 1U);
  EXPECT_EQ(source->tensors()[0].name, "state_dict.w");
}

TEST_F(Weights, APickleIsNeverRun) {
  const auto refused = [&](const std::string& pickled) {
    return why(file("x.pth", zip({{"x/data.pkl", pickled}})));
  };
  EXPECT_TRUE(said(refused("\x80\x02"
                           "cos\nsystem\n(" +
                           pickle::text("true") + "tR."),
                   "asks Python for os.system, which is not done"));
  EXPECT_TRUE(
      said(refused("\x80\x04" + std::string("\x8c\x02os\x8c\x06system\x93", 13) + ")R."), "os.system"));
  EXPECT_TRUE(said(refused("\x80\x02i__main__\nx\n."), "an instruction (0x69)"));
  EXPECT_TRUE(said(refused("\x80\x02"
                           "ctorch\nFloatStorage\n)R."),
                   "calls FloatStorage"));
  EXPECT_TRUE(said(refused("\x80\x02."), "nothing") || said(refused("\x80\x02."), "more than one value"));
  EXPECT_TRUE(said(refused("\x80\x02u."), "an end without a beginning"));
  EXPECT_TRUE(said(refused("\x80\x02}q"), "is cut short"));
  EXPECT_TRUE(said(refused("\x80\x02h\x05."), "a value that was not kept"));
  // A dictionary that holds itself.
  EXPECT_TRUE(said(
      refused("\x80\x02}q" + std::string(1, '\0') + pickle::text("a") + "h" + std::string(1, '\0') + "s."),
      "without an end"));
}

TEST_F(Weights, TensorsBeyondTheirStorageAreRefused) {
  const auto refused = [&](const MadeTensor& tensor, const std::string& numbers) {
    return why(file("x.pth", zip({{"x/data.pkl", pickle::state_dict({tensor})}, {"x/data/0", numbers}})));
  };
  EXPECT_EQ(refused(kTensors[0], raw(kTensors[0].values)), "no error");
  EXPECT_TRUE(
      said(refused(kTensors[0], raw(std::vector<float>{1})), "its storage holds 4 bytes, not 3 numbers"));
  EXPECT_TRUE(
      said(refused({"w", {4}, {1, 2, 3}}, raw(kTensors[0].values)), "its shape does not fit into the file"));
  EXPECT_TRUE(said(refused({"w", {1 << 30, 1 << 30}, {1, 2, 3}}, raw(kTensors[0].values)), "does not fit"));
  EXPECT_TRUE(said(refused({"w", {-1}, {1, 2, 3}}, raw(kTensors[0].values)), "does not fit"));
  EXPECT_TRUE(said(why(file("y.pth", zip({{"y/data.pkl", pickle::state_dict(kTensors)}}))),
                   "storage 0 is not there"));
}

TEST_F(Weights, NoDamagedBitOfACheckpointGoesUnnoticed) {
  const auto [index, data] = tensor_bundle(kTensors);
  file("model.data-00000-of-00001", data);
  // The footer has no checksum; what is never read is the block of filters, empty, before the last.
  const std::size_t footer = index.size() - 48, empty = table_block({}).size(),
                    last = table_block({{"z", varint(0) + varint(1)}}).size();
  for (std::size_t at = 0; at < footer; ++at) {
    if (at < footer - last && at >= footer - last - empty) continue;
    std::string damaged = index;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    file("model.index", damaged);
    EXPECT_NE(why(scratch_ / "model"), "no error") << at;
  }
  file("model.index", index);
  for (std::size_t at = 0; at < data.size(); ++at) {
    std::string damaged = data;
    damaged[at] = static_cast<char>(damaged[at] ^ 64);
    file("model.data-00000-of-00001", damaged);
    EXPECT_TRUE(said(why(scratch_ / "model"), "is damaged: its checksum differs")) << at;
  }
  for (std::size_t bytes = 0; bytes < index.size(); ++bytes) {
    file("model.index", index.substr(0, bytes));
    EXPECT_NE(why(scratch_ / "model"), "no error") << bytes;
  }
}

TEST_F(Weights, FilesOfNoKindAreNamed) {
  EXPECT_TRUE(said(why(scratch_ / "nothing.pth"), "nothing.pth"));
  EXPECT_TRUE(said(why(file("a.bin2", "x")), "is none of .safetensors"));
  EXPECT_TRUE(said(why(file("a.whl", "no archive")), "is not a ZIP archive"));
  EXPECT_TRUE(said(why(file("a.index", "short")), "is no index of a TensorFlow checkpoint"));
  EXPECT_TRUE(said(why(file("a.pth", "text")), "a.pth: "));
  EXPECT_TRUE(said(why(bundle(), "MTT"), "holds one set of weights"));
}

}  // namespace
}  // namespace melgrad
