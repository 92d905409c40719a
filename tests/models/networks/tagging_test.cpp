// The tagging networks beside their twins in PyTorch (tests/golden_tagging.h), and what holds for all of
// them.
#include <gtest/gtest.h>

#include "kernels/devices/make_device.h"
#include "kernels/ops.h"
#include "kernels/text.h"
#include "models/networks/networks.h"
#include "models/recipes/recipe.h"
#include "tests/devices.h"
#include "tests/golden_tagging.h"
#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad {
namespace {

const golden::Tagging& tagging() {
  static const golden::Tagging g = golden::load_tagging(source_path("tests/golden"));
  return g;
}

ModelOptions options_of(const std::string& architecture, double width) {
  ModelOptions options;
  options.architecture = architecture;
  options.width = width;
  return options;
}

std::vector<float> host_of(Device& device, Tensor t) {
  std::vector<float> host(static_cast<std::size_t>(t.numel()));
  device.to_host(host.data(), t);
  return host;
}

// A network with its golden weights, and memory for steps.
class Subject {
 public:
  Subject(Device& device, const golden::TaggingNetwork& net, std::int64_t tags)
      : Subject(device, net, tags, options_of(net.name, net.width)) {}
  Subject(Device& device, const golden::TaggingNetwork& net, std::int64_t tags, const ModelOptions& options)
      : device_(device),
        net_(net),
        tags_(tags),
        model_(make_model(options, {net.frames, net.bands}, tags)),
        arena_(device),
        tape_(device, arena_) {
    model_->params().allocate(device);
    model_->params().initialise(device, 0);
    for (Param& p : model_->params().all()) {
      if (!p.name.starts_with("filters."))
        device.to_device(p.value, golden::initial_value(p.name, p.shape).data());
    }
  }

  // Forward, and on a tape that trains backward. The weights of the examples follow from `padding`: so many
  // of weight 0 stand behind those of the batch.
  struct Pass {
    double loss = 0;
    std::vector<float> logits;
  };
  Pass pass(bool training, const golden::TaggingBatch& batch, std::int64_t padding = 0, bool each = false) {
    tape_.reset(training);
    const std::int64_t examples = net_.batch + padding;
    const Tensor x = tape_.take({examples, net_.frames, net_.bands, 1}),
                 targets = tape_.take({examples, tags_});
    const Tensor weights = tape_.take({examples}), tag_weights = tape_.take({tags_});
    device_.to_device(x, padded(batch.x, x.numel()).data());
    device_.to_device(targets, padded(batch.targets, targets.numel()).data());
    device_.ops().fill(weights, 0.0F);
    device_.ops().fill(weights.span(0, net_.batch, {net_.batch}), 1.0F);
    device_.ops().fill(tag_weights, 1.0F);
    const std::vector<Var> answers =
        each ? model_->answers(tape_, x, {}) : std::vector<Var>{model_->logits(tape_, x, {})};
    const Var logits = mean(tape_, answers);
    Var loss = sigmoid_cross_entropy(tape_, answers[0], targets, weights, tag_weights).loss;
    for (std::size_t k = 1; k < answers.size(); ++k)
      loss = add(tape_, loss, sigmoid_cross_entropy(tape_, answers[k], targets, weights, tag_weights).loss);
    if (training) tape_.backward(loss, model_->params());
    return {host_of(device_, tape_.value(loss))[0], host_of(device_, tape_.value(logits))};
  }
  // Training, with a loss for each branch.
  double pass_of_branches(const golden::TaggingBatch& batch) { return pass(true, batch, 0, true).loss; }

  Model& model() { return *model_; }
  // Gradients, and what is not trained itself.
  std::vector<float> tensor(const Param& p) { return host_of(device_, p.trainable ? p.grad : p.value); }

 private:
  // What is added repeats the beginning, twice as large.
  static std::vector<float> padded(std::vector<float> values, std::int64_t size) {
    for (std::size_t i = 0; values.size() < static_cast<std::size_t>(size); ++i)
      values.push_back(2 * values[i]);
    return values;
  }

  Device& device_;
  const golden::TaggingNetwork& net_;
  std::int64_t tags_;
  std::unique_ptr<Model> model_;
  Arena arena_;
  Tape tape_;
};

double deviation(const std::vector<float>& ours, const std::vector<double>& exact) {
  EXPECT_EQ(ours.size(), exact.size());
  double off = 0, norm = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    off += (ours[i] - exact[i]) * (ours[i] - exact[i]);
    norm += exact[i] * exact[i];
  }
  return std::sqrt(off / norm);
}

// The largest deviation among the gradients and statistics. Names and shapes are the twin's, all of them.
std::pair<double, std::string> worst_tensor(Subject& subject, const golden::TaggingNetwork& net) {
  const auto scales = golden::tensor_scales(net.tensors);
  std::map<std::string, const Param*> params;
  for (const Param& p : subject.model().params().all()) params[p.name] = &p;
  EXPECT_EQ(params.size(), net.tensors.size());
  std::pair<double, std::string> worst;
  for (const golden::TensorDigest& t : net.tensors) {
    const auto found = params.find(t.name);
    if (found == params.end() || !(found->second->shape == t.shape)) {
      ADD_FAILURE() << "the network has no " << t.name << " of shape " << t.shape.str();
      continue;
    }
    const auto ours = golden::digest(subject.tensor(*found->second), t.digest.size() - 1);
    const double off = golden::distance(ours, t.digest) / scales.at(t.name);
    EXPECT_LT(off, 1e-4) << t.name;
    if (!(off <= worst.first)) worst = {off, t.name};
  }
  return worst;
}

// Positions that a network computes, in the order of its work: the simulator takes a second for 100,000.
bool too_long_for(const DeviceParam& p, const golden::TaggingNetwork& net) {
  return p.name.starts_with("sim") && net.batch * net.frames * net.bands > 100000;
}

class Tagging : public ::testing::TestWithParam<std::string> {
 protected:
  const golden::TaggingNetwork& net() const {
    for (const golden::TaggingNetwork& n : tagging().networks)
      if (n.name == GetParam()) return n;
    fail(ErrorKind::internal, "no golden values of {}", GetParam());
  }
};

TEST_P(Tagging, FollowsPyTorch) {
  for (const DeviceParam& p : model_device_params()) {
    if (too_long_for(p, net())) continue;
    SCOPED_TRACE(p.name);
    const auto device = p.make();
    Subject subject(*device, net(), tagging().tags);
    const golden::TaggingBatch batch = golden::tagging_batch(net(), tagging().tags, net().draw);
    const auto trained = subject.pass(true, batch);
    const auto [tensors, name] = worst_tensor(subject, net());
    const auto evaluated = subject.pass(false, batch);
    EXPECT_NEAR(trained.loss, net().loss, 1e-5 * net().loss);
    const double logits = deviation(trained.logits, net().logits);
    const double evaluation = deviation(evaluated.logits, net().evaluated);
    EXPECT_LT(logits, 1e-4);
    EXPECT_LT(evaluation, 1e-4);
    EXPECT_EQ(subject.pass(false, batch).logits, evaluated.logits);
    const auto& theirs = net().float32;
    std::printf("%s, %s: logits %.1e (PyTorch in float: %.1e), evaluated %.1e (%.1e), %s %.1e (%.1e)\n",
                p.name.c_str(), GetParam().c_str(), logits, theirs.at("logits"), evaluation,
                theirs.at("evaluated"), name.c_str(), tensors, theirs.at("tensors"));
  }
}

TEST_P(Tagging, ParameterCountsOfThePublishedNetwork) {
  EXPECT_EQ(net().parameters.size(), 2U);
  for (const auto& [tags, count] : net().parameters) {
    const auto model =
        make_model(options_of(GetParam(), 1), {net().full_frames, net().full_bands}, std::stoll(tags));
    EXPECT_EQ(model->params().count(), count) << tags;
  }
}

// Evaluation treats each example by itself, and the loss leaves out those of weight 0.
TEST_P(Tagging, PaddedExamplesDoNotCountInEvaluation) {
  const auto device = make_device("cpu");
  Subject subject(*device, net(), tagging().tags);
  const golden::TaggingBatch batch = golden::tagging_batch(net(), tagging().tags, net().draw);
  const auto exact = subject.pass(false, batch);
  auto padded = subject.pass(false, batch, 1);
  EXPECT_NEAR(padded.loss, exact.loss, 1e-6 * exact.loss);
  padded.logits.resize(exact.logits.size());
  EXPECT_LT(deviation(padded.logits, {exact.logits.begin(), exact.logits.end()}), 1e-5);
}

std::vector<std::string> names() {
  std::vector<std::string> all = model_names();
  for (const char* other : {"dong2018", "mlp"}) std::erase(all, other);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Networks, Tagging, ::testing::ValuesIn(names()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// The same for gradients, in a network without batch norms.
TEST(TaggingLoss, PaddedExamplesHaveNoGradient) {
  golden::TaggingNetwork net;
  net.name = "dong2018";
  net.frames = 40;
  net.bands = 16;
  net.batch = 4;
  const golden::TaggingBatch batch = golden::tagging_batch(net, 5, 0);
  const auto device = make_device("cpu");
  Subject exact(*device, net, 5), padded(*device, net, 5);
  EXPECT_NEAR(exact.pass(true, batch).loss, padded.pass(true, batch, 2).loss, 1e-6);
  auto other = padded.model().params().all().begin();
  for (const Param& p : exact.model().params().all()) {
    const auto gradient = exact.tensor(p);
    EXPECT_LT(deviation(padded.tensor(*other++), {gradient.begin(), gradient.end()}), 1e-6) << p.name;
  }
}

// What is chosen of time: a network that pools over it has other parameters only where it must. Attention
// whose scores are 0 is the mean; its scores learn.
TEST(TaggingPooling, IsAsChosen) {
  const auto device = make_device("cpu");
  for (const char* name : {"resnet-se", "short-chunk", "short-chunk-res", "harmonic", "musicnn",
                           "musicnn-2019", "cnn1d-chunks"}) {
    SCOPED_TRACE(name);
    const golden::TaggingNetwork* net = nullptr;
    for (const golden::TaggingNetwork& n : tagging().networks)
      if (n.name == name) net = &n;
    ASSERT_NE(net, nullptr);
    const golden::TaggingBatch batch = golden::tagging_batch(*net, tagging().tags, net->draw);
    std::map<Pooling, std::vector<float>> logits;
    const bool one_position = net->name == "harmonic";  // is left of the golden input
    for (const Pooling pooling :
         {Pooling::own, Pooling::mean, Pooling::max, Pooling::max_mean, Pooling::attention}) {
      ModelOptions options = options_of(name, net->width);
      options.pooling = pooling;
      Subject subject(*device, *net, tagging().tags, options);
      for (Param& p : subject.model().params().all())
        if (p.name.starts_with("pool.weight") || p.name == "pool.bias") device->ops().fill(p.value, 0.0F);
      logits[pooling] = subject.pass(false, batch).logits;
      if (pooling != Pooling::attention || one_position) continue;
      subject.pass(true, batch);
      for (const Param& p : subject.model().params().all()) {
        if (p.name != "pool.weight") continue;
        const auto gradient = subject.tensor(p);
        EXPECT_TRUE(std::any_of(gradient.begin(), gradient.end(), [](float g) { return g != 0; }));
      }
    }
    EXPECT_EQ(logits.at(Pooling::mean) == logits.at(Pooling::max), one_position);
    const bool both = has(name, "musicnn") || has(name, "resnet");
    EXPECT_EQ(logits.at(Pooling::own), logits.at(both ? Pooling::max_mean : Pooling::max));
    EXPECT_LT(deviation(logits.at(Pooling::attention),
                        {logits.at(Pooling::mean).begin(), logits.at(Pooling::mean).end()}),
              1e-5);
  }
}

// What a network of two branches answers is the mean of two networks with its parameters; each branch learns
// from its own loss, as that network does.
TEST(TaggingBranches, AreNetworksOfTheirOwn) {
  const auto device = make_device("cpu");
  golden::TaggingNetwork net;
  net.name = "resnet-se";
  net.frames = 96;
  net.bands = 32;
  net.batch = 5;
  net.width = 0.125;
  constexpr int kTags = 4;
  const golden::TaggingBatch batch = golden::tagging_batch(net, kTags, 0);
  ModelOptions two = options_of("resnet-se", net.width);
  two.modulation = true;
  Subject both(*device, net, kTags, two), resnet(*device, net, kTags, options_of("resnet-se", net.width)),
      modulation(*device, net, kTags, options_of("modulation", 1));
  std::map<std::string, Param*> of_both;
  for (Param& p : both.model().params().all()) of_both[p.name] = &p;
  struct Part {
    Subject* one;
    Param *whole, *own;
  };
  std::vector<Part> parts;
  for (Subject* one : {&resnet, &modulation})
    for (Param& p : one->model().params().all()) {
      const bool branch = one == &modulation && !p.name.starts_with("filters.");
      Param* whole = of_both.at(branch ? "modulation." + p.name : p.name);
      device->ops().copy(whole->value, p.value);
      parts.push_back({one, whole, &p});
    }
  EXPECT_EQ(parts.size(), of_both.size());
  const auto answer = both.pass(true, batch), first = resnet.pass(true, batch),
             second = modulation.pass(true, batch);
  ASSERT_EQ(answer.logits.size(), first.logits.size());
  for (std::size_t i = 0; i < answer.logits.size(); ++i)
    EXPECT_NEAR(answer.logits[i], (first.logits[i] + second.logits[i]) / 2, 1e-5);
  const double loss = both.pass_of_branches(batch);
  EXPECT_NEAR(loss, first.loss + second.loss, 1e-5);
  for (const auto& [one, whole, own] : parts) {
    if (!own->trainable) continue;
    const auto expected = one->tensor(*own), got = both.tensor(*whole);
    double size = 0;
    for (const float g : expected) size += g * g;
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(got[i], expected[i], 1e-5 + 1e-4 * std::sqrt(size)) << whole->name;
  }
}

// The least each network needs; one frame or one band less leaves nothing.
TEST(TaggingInputs, RefusesWhatIsTooSmall) {
  const auto refuses = [](const char* name, const InputShape& input) {
    try {
      make_model(options_of(name, 1), input, 10);
    } catch (const Error& e) {
      return e.kind() == ErrorKind::usage;
    }
    return false;
  };
  const std::map<const char*, InputShape> least = {{"cnn1d", {6561, 1}},          {"cnn1d-rnn", {729, 1}},
                                                   {"cnn1d-lstm", {729, 1}},      {"cnn1d-gru", {729, 1}},
                                                   {"cnn1d-chunks", {6561, 1}},   {"cnn2d-rnn", {96, 96}},
                                                   {"cnn2d-lstm", {96, 96}},      {"cnn2d-gru", {96, 256}},
                                                   {"fcn", {1280, 96}},           {"crnn", {96, 96}},
                                                   {"musicnn", {1, 67}},          {"sample-cnn", {59047, 1}},
                                                   {"sample-cnn-se", {59047, 1}}, {"short-chunk", {128, 128}},
                                                   {"musicnn-2019", {1, 67}},     {"vgg-2019", {66, 63}},
                                                   {"short-chunk-res", {1, 1}},   {"harmonic", {288, 2}},
                                                   {"resnet-se", {1, 3}},         {"modulation", {69, 1}}};
  EXPECT_EQ(least.size(), tagging().networks.size());
  for (const auto& [name, input] : least) {
    SCOPED_TRACE(name);
    EXPECT_NO_THROW(make_model(options_of(name, 1), input, 10));
    EXPECT_TRUE(refuses(name, {input.frames - 1, input.bands}));
    EXPECT_TRUE(refuses(name, {input.frames, input.bands - 1}));
  }
  for (const char* name : {"cnn1d", "cnn1d-gru", "cnn1d-chunks", "sample-cnn", "sample-cnn-se"})
    EXPECT_TRUE(refuses(name, {59049, 2})) << name;          // samples have one band
  EXPECT_TRUE(refuses("cnn1d-chunks", {59049 + 59048, 1}));  // not a whole number of chunks
  EXPECT_TRUE(refuses("cnn2d-gru", {96, 513}));              // two bands left, where one is needed
  EXPECT_TRUE(refuses("short-chunk-res", {128, 129}));
}

TEST(TaggingTraining, TwentyStepsFollowPyTorch) {
  const golden::TaggingRun& run = tagging().training;
  ASSERT_EQ(run.losses.size(), 20U);
  for (const DeviceParam& p : model_device_params()) {
    if (p.name.starts_with("sim")) continue;  // minutes
    const auto device = p.make();
    Subject subject(*device, run.network, tagging().tags);
    TrainOptions options;
    options.optimizer = OptimizerKind::adam;
    options.rate = run.rate;
    options.epsilon = run.epsilon;
    Optimizer optimizer(*device, subject.model().params(),
                        optimizer_options(options, phases_of(options)[0], 0));
    Slab state(*device, 256);
    const Tensor counter = state.take({1}, DType::i64);
    double ours = 0, theirs = 0;
    for (std::size_t step = 0; step < run.losses.size(); ++step) {
      const auto k = static_cast<std::int64_t>(step);
      const double loss = subject.pass(true, golden::tagging_batch(run.network, tagging().tags, k)).loss;
      optimizer.update(counter);
      device->ops().advance(counter, 1);
      ours = std::max(ours, std::abs(loss / run.losses[step] - 1));
      theirs = std::max(theirs, std::abs(run.float32_losses[step] / run.losses[step] - 1));
    }
    EXPECT_LT(ours, 1e-4) << p.name;
    std::printf("%s, %s: losses within %.1e of PyTorch's in double (PyTorch's in float: %.1e)\n",
                p.name.c_str(), run.network.name.c_str(), ours, theirs);
  }
}

}  // namespace
}  // namespace melgrad
