// Recurrent layers with their input projections, stacked and in both directions, against PyTorch
// (golden/make_recurrent.py), forward and backward.
#include <cmath>
#include <deque>

#include "kernels/reference/reference_ops.h"
#include "tests/golden.h"
#include "tests/ops/op_test.h"
#include "tests/places.h"

namespace melgrad {
namespace {

using Floats = Array<float>;

// One layer in one direction.
struct Unit {
  std::string name;
  Recurrent recurrent;
  Tensor w, u, b_input, b, input, states, saved;
};

class RecurrentGolden : public testing::TestWithParam<DeviceParam> {
 protected:
  void SetUp() override {
    device_ = GetParam().make();
    const std::string path = source_path("tests/golden/recurrent");
    std::ifstream text(path + ".json");
    blob_.open(path + ".bin", std::ios::binary);
    ASSERT_TRUE(text.good() && blob_.good()) << path << ".json or .bin is missing";
    index_ = nlohmann::json::parse(text);
    steps_ = index_["steps"], batch_ = index_["batch"], inputs_ = index_["inputs"],
    hidden_ = index_["hidden"];
  }

  void forward();
  void backward();
  void expect(const std::string& name, const Floats& got);

  // ---- device memory
  template <typename T>
  Tensor put(const Array<T>& a) {
    const Tensor t = place(a.shape, dtype_of<T>());
    buffers_.back().upload(bytes_of(a));
    return t;
  }
  Tensor place(const Shape& shape, DType dtype = DType::f32) {
    buffers_.emplace_back(*device_, shape, dtype);
    buffers_.back().fill_with_nan();
    return buffers_.back().tensor();
  }
  Floats get(Tensor t) {
    for (Buffer& buffer : buffers_)
      if (buffer.tensor().data == t.data) return host_array<float>(buffer);
    return {};
  }
  // The same numbers as `generated` in make_recurrent.py.
  static Floats generated(std::uint64_t seed, const Shape& shape, double scale) {
    Floats a(shape);
    a.v = golden::uniform(seed, shape.numel(), scale);
    return a;
  }

  Tensor rows(Tensor t) const { return t.reshape({steps_ * batch_, t.numel() / (steps_ * batch_)}); }
  bool has_ended(Index n, Index t) const { return !lengths_.v.empty() && t >= lengths_[n]; }
  std::vector<Unit> units_of(Index layer);
  void forward_layer(Index layer, const Floats& input);
  Floats backward_layer(Index layer, const Floats& dy);
  Floats dstates_of(Index unit, const Floats& dy) const;

  std::unique_ptr<Device> device_;
  std::deque<Buffer> buffers_;
  std::ifstream blob_;
  nlohmann::json index_, run_;
  Index steps_ = 0, batch_ = 0, inputs_ = 0, hidden_ = 0, directions_ = 1;
  Array<std::int32_t> lengths_;
  std::vector<Unit> units_;
  Floats y_;                  // of the last layer so far, [T, N, directions H]
  std::size_t compared_ = 0;  // results of the run
  double worst_ = 0;
};

std::vector<Unit> RecurrentGolden::units_of(Index layer) {
  const std::string cell = run_["cell"];
  std::vector<Unit> units;
  for (Index d = 0; d < directions_; ++d) {
    Unit unit;
    unit.name = "layer" + std::to_string(layer) + (d == 1 ? "_reverse" : "");
    unit.recurrent = {cell == "rnn" ? Cell::rnn : cell == "lstm" ? Cell::lstm : Cell::gru, d == 1, {}};
    if (!lengths_.v.empty()) unit.recurrent.lengths = put(lengths_);
    const Index gates = gates_of(unit.recurrent.cell) * hidden_;
    const Index inputs = layer == 0 ? inputs_ : directions_ * hidden_;
    auto seed = static_cast<std::uint64_t>(4 * (layer * directions_ + d));
    unit.w = put(generated(++seed, {gates, inputs}, 0.5));
    unit.u = put(generated(++seed, {gates, hidden_}, 0.5));
    unit.b_input = put(generated(++seed, {gates}, 0.5));
    unit.b = put(generated(++seed, {gates}, 0.5));
    units.push_back(unit);
  }
  return units;
}

void RecurrentGolden::forward_layer(Index layer, const Floats& input) {
  y_ = Floats({steps_, batch_, directions_ * hidden_});
  for (Unit& unit : units_of(layer)) {
    const Cell cell = unit.recurrent.cell;
    unit.input = put(input);
    unit.states = place({steps_ + 1, batch_, hidden_});
    if (cell != Cell::rnn) unit.saved = place({steps_, batch_, saved_of(cell) * hidden_});
    const Tensor x = place({steps_, batch_, gates_of(cell) * hidden_});
    device_->ops().linear_forward(rows(unit.input), unit.w, unit.b_input, rows(x));
    device_->ops().recurrent_forward(x, unit.u, unit.b, unit.recurrent, unit.states, unit.saved);
    device_->synchronise();
    const Floats states = get(unit.states);
    const bool reverse = unit.recurrent.reverse;
    for (Index t = 0; t < steps_; ++t)
      for (Index n = 0; n < batch_; ++n)
        for (Index j = 0; j < hidden_ && !has_ended(n, t); ++j)
          y_(t, n, (reverse ? hidden_ : 0) + j) = states(reverse ? t : t + 1, n, j);
    units_.push_back(unit);
  }
}

void RecurrentGolden::forward() {
  buffers_.clear();
  units_.clear();
  directions_ = run_["bidirectional"] ? 2 : 1;
  lengths_ = {};
  if (!run_["lengths"].empty()) {
    lengths_ = Array<std::int32_t>({batch_});
    run_["lengths"].get_to(lengths_.v);
  }
  for (Index layer = 0; layer < run_["layers"]; ++layer)
    forward_layer(layer, layer == 0 ? generated(1000, {steps_, batch_, inputs_}, 2) : Floats(y_));
  expect("y", y_);
  Floats last({static_cast<Index>(units_.size()), batch_, hidden_});
  for (Index k = 0; k < last.shape[0]; ++k) {
    const Unit& unit = units_[static_cast<std::size_t>(k)];
    const Floats states = get(unit.states);
    for (Index i = 0; i < batch_ * hidden_; ++i)
      last[k * batch_ * hidden_ + i] = states[(unit.recurrent.reverse ? 0 : steps_ * batch_ * hidden_) + i];
  }
  expect("h_last", last);
}

// The gradient of a unit's states: its part of dy, which ends with a sequence, and that of its last state.
Floats RecurrentGolden::dstates_of(Index unit, const Floats& dy) const {
  const bool reverse = units_[static_cast<std::size_t>(unit)].recurrent.reverse;
  const Floats dlast = generated(3000, {static_cast<Index>(units_.size()), batch_, hidden_}, 1);
  Floats d({steps_, batch_, hidden_});
  for (Index t = 0; t < steps_; ++t)
    for (Index n = 0; n < batch_; ++n)
      for (Index j = 0; j < hidden_; ++j) {
        if (!has_ended(n, t)) d(t, n, j) = dy(t, n, (reverse ? hidden_ : 0) + j);
        if (t == (reverse ? 0 : steps_ - 1)) d(t, n, j) += dlast(unit, n, j);
      }
  return d;
}

// The gradient of the layer's input.
Floats RecurrentGolden::backward_layer(Index layer, const Floats& dy) {
  Ops& ops = device_->ops();
  Tensor dinput;
  for (Index k = layer * directions_; k < (layer + 1) * directions_; ++k) {
    const Unit& unit = units_[static_cast<std::size_t>(k)];
    const Tensor dx = place({steps_, batch_, unit.u.dim(0)}), du = place(unit.u.shape),
                 db = place(unit.b.shape), dw = place(unit.w.shape), db_input = place(unit.b.shape);
    ops.recurrent_backward(unit.u, unit.recurrent, unit.states, unit.saved, put(dstates_of(k, dy)), dx, {du},
                           {db});
    ops.linear_backward_params(rows(unit.input), rows(dx), {dw}, {db_input});
    const Write write = dinput ? Write::accumulate : Write::overwrite;
    if (!dinput) dinput = place(unit.input.shape);
    ops.linear_backward_input(rows(dx), unit.w, {rows(dinput), write});
    device_->synchronise();
    expect("d " + unit.name + ".w", get(dw));
    expect("d " + unit.name + ".u", get(du));
    expect("d " + unit.name + ".b_input", get(db_input));
    expect("d " + unit.name + ".b", get(db));
  }
  return get(dinput);
}

void RecurrentGolden::backward() {
  Floats dy = generated(2000, y_.shape, 1);
  for (Index layer = run_["layers"].get<Index>() - 1; layer >= 0; --layer) dy = backward_layer(layer, dy);
  expect("dx", dy);
}

void RecurrentGolden::expect(const std::string& name, const Floats& got) {
  for (const auto& entry : run_["results"]) {
    if (entry["name"] != name) continue;
    const golden::Weight want = golden::read_weight(entry, blob_);
    ASSERT_EQ(want.shape, got.shape) << name;
    float error = 0, largest = 0;
    for (std::size_t i = 0; i < want.values.size(); ++i) {
      ASSERT_FALSE(std::isnan(got.v[i])) << name << " at " << i;
      error = std::max(error, std::abs(got.v[i] - want.values[i]));
      largest = std::max(largest, std::abs(want.values[i]));
    }
    const double relative = static_cast<double>(error / largest);
    worst_ = std::max(worst_, relative);
    EXPECT_LE(relative, 4e-6) << name;  // measured: 4.8e-7
    ++compared_;
    return;
  }
  ADD_FAILURE() << "recurrent.json has no " << name;
}

TEST_P(RecurrentGolden, computes_as_pytorch_does) {
  for (const auto& run : index_["runs"]) {
    run_ = run;
    SCOPED_TRACE(run_["cell"].get<std::string>() + ", " + run_["layers"].dump() + " layers, " +
                 (run_["bidirectional"] ? "both directions" : "one direction") + ", lengths " +
                 run_["lengths"].dump());
    compared_ = 0;
    forward();
    backward();
    EXPECT_EQ(compared_, run_["results"].size());
  }
  EXPECT_EQ(index_["runs"].size(), 18U);
  std::cout << "largest error, relative to the largest element of its tensor: " << worst_ << "\n";
}

std::vector<DeviceParam> golden_devices() {
  std::vector<DeviceParam> params = device_params();
  params.push_back({"reference", make_reference_device});
  return params;
}

INSTANTIATE_TEST_SUITE_P(Device, RecurrentGolden, testing::ValuesIn(golden_devices()),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace melgrad
