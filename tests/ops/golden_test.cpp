// The reference, composed into the Dong 2018 network and trained in double, against PyTorch in double: an
// independent witness for the maths of every layer, loss, penalty and optimizer in tests/reference.
#include "tests/golden.h"

#include <cmath>
#include <gtest/gtest.h>

#include "kernels/reference/reference.h"
#include "tests/places.h"

namespace melgrad {
namespace {

using namespace reference;
using Doubles = Array<double>;

constexpr Pool2d kPool{4, 2};

template <typename T>
Array<T> array_of(const std::vector<T>& values, Shape shape) {
  Array<T> a(shape);
  a.v = values;
  return a;
}

class ReferenceNetwork {
 public:
  ReferenceNetwork(const golden::Golden& g, const golden::Run& run)
      : net_(g.networks.at(run.network)), l2_(g.l2), settings_(run.settings), optimizer_(run.optimizer) {
    for (const golden::Weight& weight : run.weights) {
      const auto k = static_cast<Index>(names_.size());
      names_.push_back(weight.name);
      w_.push_back(array_of(golden::initial_weight(k, weight.shape), weight.shape).as<double>());
      m_.emplace_back(weight.shape);
      v_.emplace_back(weight.shape);
    }
  }

  const std::vector<Doubles>& weights() const { return w_; }

  // One training step; returns the loss before the update.
  double step(Index t) {
    const Doubles x =
        array_of(golden::batch_input(net_, t), {net_.batch, net_.frames, net_.bands, 1}).as<double>();
    const auto labels = array_of(golden::batch_labels(net_, t), {net_.batch});
    const auto p1 = stem_forward(x, w_[0], w_[1], kPool);
    const auto a2 = relu_forward(conv2d_forward(p1.y, w_[2], w_[3], {}));
    const auto p2 = max_pool_forward(a2, kPool);
    const Doubles flat = array_of(p2.y.v, {net_.batch, p2.y.size() / net_.batch});
    const auto a3 = relu_forward(linear_forward(flat, w_[4], w_[5]));
    const auto logits = linear_forward(a3, w_[6], w_[7]);
    const Doubles ones({net_.batch}, 1);
    const auto ce = cross_entropy_forward(logits, labels, ones);

    const auto d4 = cross_entropy_backward(ce.probs, labels, ones, 1.0);
    const auto g4 = linear_backward_params(a3, d4);
    const auto d3 = relu_backward(a3, linear_backward_input(d4, w_[6]));
    const auto g3 = linear_backward_params(flat, d3);
    const Doubles dp2 = array_of(linear_backward_input(d3, w_[4]).v, p2.y.shape);
    const auto d2 = relu_backward(a2, max_pool_backward(dp2, p2.argmax, kPool, a2.shape));
    const auto g2 = conv2d_backward_params(p1.y, d2, {}, w_[2].shape);
    const auto d1 = conv2d_backward_input(d2, w_[2], {}, p1.y.shape);
    const auto g1 = stem_backward_params(x, p1.y, p1.argmax, d1, kPool, w_[0].shape);

    double loss = ce.loss[0];
    std::vector<Doubles> g = {g1.dw, g1.db, g2.dw, g2.db, g3.dw, g3.db, g4.dw, g4.db};
    for (std::size_t k = 0; k < w_.size(); ++k) {
      const auto l2 = l2_.find(names_[k]);
      if (l2 == l2_.end()) continue;
      loss += l2_penalty_forward(w_[k], l2->second)[0];
      g[k] = g[k] + l2_penalty_backward(w_[k], l2->second, 1.0);
    }
    for (std::size_t k = 0; k < w_.size(); ++k) update(w_[k], g[k], m_[k], v_[k], t);
    return loss;
  }

 private:
  double setting(const std::string& name) const {
    const auto found = settings_.find(name);
    return found == settings_.end() ? 0 : found->second;
  }

  void update(Doubles& w, const Doubles& g, Doubles& m, Doubles& v, Index t) const {
    const double rate = setting("rate") / (1 + setting("decay") * static_cast<double>(t));
    if (optimizer_ == "adadelta") adadelta_update(w, g, m, v, rate, 1.0, setting("rho"), setting("epsilon"));
    else if (optimizer_ == "sgd") sgd_update(w, g, m, rate, 1.0, setting("momentum"), false);
    else
      adam_update(w, g, m, v, rate, 1.0, t,
                  {setting("beta1"), setting("beta2"), setting("epsilon"), setting("weight_decay")});
  }

  golden::Network net_;
  std::map<std::string, double> l2_, settings_;
  std::string optimizer_;
  std::vector<std::string> names_;
  std::vector<Doubles> w_, m_, v_;
};

TEST(ReferenceGolden, trains_as_pytorch_does) {
  const golden::Golden g = golden::load_dong2018(source_path("tests/golden"));
  int compared = 0;
  for (const golden::Run& run : g.runs) {
    if (run.weights.empty()) continue;  // the full network is too slow for plain loops
    SCOPED_TRACE(run.optimizer);
    ReferenceNetwork network(g, run);
    for (std::size_t t = 0; t < run.losses.size(); ++t)
      EXPECT_NEAR(network.step(static_cast<Index>(t)) / run.losses[t], 1, 1e-12) << "step " << t;
    double error = 0, power = 0;
    for (std::size_t k = 0; k < run.weights.size(); ++k)
      for (Index i = 0; i < network.weights()[k].size(); ++i) {
        const double expected = static_cast<double>(run.weights[k].values[static_cast<std::size_t>(i)]);
        error += std::pow(network.weights()[k][i] - expected, 2);
        power += expected * expected;
      }
    EXPECT_LE(error / power, 2e-15) << "the file holds floats: rounding alone is about 1e-15";
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

}  // namespace
}  // namespace melgrad
