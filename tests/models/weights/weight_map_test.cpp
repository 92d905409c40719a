// Other people's tensors as parameters of ours: which becomes which, turned how; and what does not fit.
#include "models/weights/weight_map.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "io/arrays/checkpoint.h"
#include "io/arrays/safetensors.h"
#include "kernels/devices/make_device.h"
#include "kernels/error.h"
#include "models/embedded.h"
#include "models/networks/networks.h"
#include "models/recipes/recipe.h"
#include "models/training/model_file.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

// Number k of tensor t is 1000 t + k.
class MadeSource final : public WeightSource {
 public:
  void add(const std::string& name, const std::vector<std::int64_t>& shape) {
    tensors_.push_back({name, "F32", shape});
  }
  void add_norm(const std::string& name, std::int64_t n) {
    for (const char* leaf : {".weight", ".bias", ".running_mean", ".running_var"}) add(name + leaf, {n});
    add(name + ".num_batches_tracked", {});
  }
  void add_layer(const std::string& name, const std::vector<std::int64_t>& shape) {
    add(name + ".weight", shape);
    add(name + ".bias", {shape[0]});
  }
  void remove(const std::string& name) {
    std::erase_if(tensors_, [&](const SourceTensor& t) { return t.name == name; });
  }
  SourceTensor& tensor(const std::string& name) {
    return *std::find_if(tensors_.begin(), tensors_.end(),
                         [&](const SourceTensor& t) { return t.name == name; });
  }
  float first_of(const std::string& name) {
    return static_cast<float>(1000 * (&tensor(name) - tensors_.data()));
  }
  HostArray read(std::size_t t) const override {
    HostArray out(DType::f32, tensors_[t].shape.empty() ? std::vector<std::int64_t>{1} : tensors_[t].shape);
    float value = static_cast<float>(1000 * t);
    for (float& number : out.as<float>()) number = tensors_[t].name == poisoned ? std::nanf("") : value++;
    return out;
  }
  std::string poisoned;
};

// FCN as sota-music-tagging-models saves it.
MadeSource fcn() {
  MadeSource source;
  source.add("spec.spectrogram.window", {512});
  source.add("spec.mel_scale.fb", {257, 96});
  source.add_norm("spec_bn", 1);
  const std::vector<std::int64_t> channels = {1, 64, 128, 128, 128, 64};
  for (std::size_t k = 1; k < channels.size(); ++k) {
    const std::string layer = "layer" + std::to_string(k);
    source.add_layer(layer + ".conv", {channels[k], channels[k - 1], 3, 3});
    source.add_norm(layer + ".bn", channels[k]);
  }
  source.add_layer("dense", {50, 64});
  return source;
}

std::string why(const WeightSource& source, const std::string& recipe,
                const std::string& classes = "mtat50") {
  try {
    import_weights(source, "F.pth", load_recipe(recipe), class_list(classes));
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(WeightMap, ConvolutionsAreTurnedAndNormsRenamed) {
  MadeSource source = fcn();
  const Checkpoint model = import_weights(source, "F.pth", load_recipe("mtat-fcn"), class_list("mtat50"));
  const auto values = [&](const std::string& name) {
    return model.need_array("param/" + name, "F").as<float>();
  };
  // Theirs [out, in, band, frame], ours [out, frame, band, in].
  const auto conv = values("block2.conv.weight");
  const float first = source.first_of("layer2.conv.weight");
  const auto theirs = [&](int o, int i, int f, int t) {
    return first + static_cast<float>(((o * 64 + i) * 3 + f) * 3 + t);
  };
  const auto ours = [&](int o, int t, int f, int i) {
    return conv[static_cast<std::size_t>(((o * 3 + t) * 3 + f) * 64 + i)];
  };
  for (const auto& [o, i, f, t] : {std::array{0, 0, 0, 1}, {0, 0, 2, 0}, {3, 63, 1, 2}, {127, 5, 0, 2}})
    EXPECT_EQ(ours(o, t, f, i), theirs(o, i, f, t));
  EXPECT_EQ(values("block5.norm.running_variance")[1], source.first_of("layer5.bn.running_var") + 1);
  EXPECT_EQ(values("norm.gamma")[0], source.first_of("spec_bn.weight"));
  EXPECT_EQ(values("dense.weight")[64], source.first_of("dense.weight") + 64);
  EXPECT_EQ(model.need_scalar<std::int64_t>("bands", "F"), 96);
}

// TensorFlow's names and axes; of a pooled channel maximum and mean are neighbours there, and lie in two
// halves here: of the norm, and of the weights behind it, but not of their bias.
TEST(WeightMap, MusicnnsOwnCheckpoint) {
  MadeSource source;
  const auto norm = [&](int k, std::int64_t channels) {
    const std::string name = "batch_normalization" + (k > 0 ? "_" + std::to_string(k) : "");
    for (const char* leaf : {"/gamma", "/beta", "/moving_mean", "/moving_variance", "/gamma/Adam"})
      source.add(name + leaf, {channels});
  };
  const auto layer = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    source.add(name + "/kernel", shape);
    source.add(name + "/bias", {shape.back()});
  };
  norm(0, 1);
  const std::vector<std::vector<std::int64_t>> kernels = {{7, 38, 1, 204}, {7, 67, 1, 204}, {128, 1, 1, 51},
                                                          {64, 1, 1, 51},  {32, 1, 1, 51},  {7, 561, 1, 64},
                                                          {7, 64, 1, 64},  {7, 64, 1, 64}};
  for (int k = 0; k < 8; ++k) {
    const auto& kernel = kernels[static_cast<std::size_t>(k)];
    layer("conv2d" + (k > 0 ? "_" + std::to_string(k) : ""), kernel);
    norm(k + 1, kernel.back());
  }
  norm(9, 1506);
  layer("dense", {1506, 200});
  norm(10, 200);
  layer("dense_1", {200, 50});
  source.add("beta1_power", {});

  const Checkpoint model =
      import_weights(source, "F", load_recipe("mtat-musicnn-2019"), class_list("mtat50"));
  const auto expect = [&](const std::string& name, std::size_t at, const std::string& theirs, int number) {
    EXPECT_EQ(model.need_array("param/" + name, "F").as<float>()[at],
              source.first_of(theirs) + static_cast<float>(number))
        << name << " " << at;
  };
  expect("timbre67.conv.weight", 1, "conv2d_1/kernel", 204);                  // the next band
  expect("mid1.conv.weight", 561 + 2, "conv2d_5/kernel", 561 * 64 + 2 * 64);  // the next frame, channel 2
  expect("pooled.norm.gamma", 1, "batch_normalization_9/gamma", 2);
  expect("pooled.norm.gamma", 753, "batch_normalization_9/gamma", 1);
  expect("dense1.weight", 1506 + 754, "dense/kernel", 3 * 200 + 1);  // unit 1, the mean of channel 1
  expect("dense1.bias", 1, "dense/bias", 1);
  expect("dense2.weight", 200, "dense_1/kernel", 1);
}

TEST(WeightMap, WhatIsImportedLoadsAsANetwork) {
  const Scratch scratch;
  save_safetensors(scratch / "fcn.safetensors",
                   import_weights(fcn(), "F.pth", load_recipe("mtat-fcn"), class_list("mtat50")));
  const auto device = make_device("cpu");
  const LoadedModel loaded = load_model(*device, scratch / "fcn.safetensors");
  EXPECT_EQ(loaded.classes, class_list("mtat50"));
  EXPECT_EQ(loaded.classes[3], "techno");
  EXPECT_EQ(loaded.recipe.name, "mtat-fcn");
}

TEST(WeightMap, EveryNetworkOfTheFieldHasOne) {
  for (const EmbeddedFile& recipe : embedded_recipes()) {
    const std::string architecture = load_recipe(recipe.name).model.architecture;
    if (load_recipe(recipe.name).task != TaskKind::tags || architecture.starts_with("cnn") ||
        recipe.name == "mtat" || recipe.name == "mtat-sota")
      continue;
    EXPECT_NE(why(MadeSource(), recipe.name).find("F.pth: has no tensor for"), std::string::npos)
        << recipe.name << ": " << why(MadeSource(), recipe.name);
  }
}

TEST(WeightMap, WhatDoesNotFitIsNamed) {
  const auto said = [](const MadeSource& source, const std::string& recipe = "mtat-fcn",
                       const std::string& classes = "mtat50") { return why(source, recipe, classes); };
  MadeSource missing = fcn();
  missing.remove("layer3.bn.bias");
  EXPECT_EQ(said(missing), "F.pth: has no tensor for block3.norm.beta [128] of mtat-fcn");
  MadeSource surplus = fcn();
  surplus.add("layer9.conv.weight", {1, 1, 3, 3});
  EXPECT_EQ(said(surplus),
            "F.pth: layer9.conv.weight would be block9.conv.weight, which mtat-fcn does not have");
  MadeSource unknown = fcn();
  unknown.add("attention.weight", {3});
  EXPECT_EQ(said(unknown), "F.pth: attention.weight [3] belongs to no layer of the map for fcn");
  MadeSource wider = fcn();
  wider.tensor("dense.weight").shape = {40, 64};
  EXPECT_EQ(
      said(wider),
      "F.pth: dense.weight would be dense.weight [40, 64], which is [50, 64] with 50 classes in mtat-fcn");
  MadeSource poisoned = fcn();
  poisoned.poisoned = "layer1.bn.weight";
  EXPECT_EQ(said(poisoned), "F.pth: layer1.bn.weight: holds a number that is not finite");
  MadeSource twice = fcn();
  twice.add("dense.bias", {50});
  EXPECT_EQ(said(twice), "F.pth: dense.bias and dense.bias are both dense.bias");
  MadeSource flat = fcn();
  flat.tensor("layer1.conv.weight").shape = {64, 9};
  EXPECT_NE(said(flat).find("[64, 9] has no such axes as the map asks for"), std::string::npos);
  EXPECT_NE(said(fcn(), "mtat-crnn").find("mtat-crnn"), std::string::npos);
  EXPECT_NE(said(fcn(), "dong2018").find("there is no map of weights for the network dong2018"),
            std::string::npos);
}

TEST(WeightMap, OnesOwnMapsAreReadAndRefused) {
  const Scratch scratch;
  const auto with = [&](const std::string& map) -> std::string {
    write_bytes(scratch / "m.toml", map);
    try {
      import_weights(fcn(), "F.pth", load_recipe("mtat-fcn"), class_list("mtat50"), scratch / "m.toml");
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(with("base = \"sota-fcn\"\n"), "no error");
  EXPECT_NE(
      with("base = \"sota-fcn\"\ncolour = 1\n").find("m.toml, line 2: colour: is no key of a map of weights"),
      std::string::npos);
  EXPECT_NE(with("base = \"sota\"\n[[layer]]\nfrom = \"a\"\nto = \"b\"\nleaves = \"x\"\n")
                .find("line 2: layer: needs from, to and leaves"),
            std::string::npos);
  const std::string layer =
      "base = \"sota\"\nleaves.x = {weight = \"w\"}\n[[layer]]\nfrom = \"a\"\nto = \"b\"\nleaves = \"x\"\n";
  EXPECT_NE(with(layer + "alternate = \"yes\"\n")
                .find("line 7: alternate: is no key of a layer, or has no such value"),
            std::string::npos);
  EXPECT_NE(with(layer + "axes = [0, \"one\"]\n").find("line 7: axes: must be whole numbers"),
            std::string::npos);
  EXPECT_NE(with("base = \"nothing\"\n").find("base: there is no map nothing"), std::string::npos);
  EXPECT_NE(with("= 1").find("m.toml, line 1"), std::string::npos);
}

}  // namespace
}  // namespace melgrad
