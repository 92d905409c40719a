#include "models/onnx/recorder.h"

#include "kernels/error.h"

namespace melgrad {
namespace {

using Ints = std::vector<std::int64_t>;

}  // namespace

OnnxRecorder::OnnxRecorder(Device& device, OnnxGraph& graph, const ParamStore& params, std::int64_t examples)
    : device_(&device), graph_(&graph), examples_(examples) {
  for (const Param& param : params.all()) names_[param.value.data] = param.name;
}

void OnnxRecorder::enters(Tensor x, const std::string& planes) { put(x, "", planes); }

void OnnxRecorder::call(OpCall& call) {
  call.for_each_tensor([&](Tensor& t, OpCall::Role role) {
    if (role == OpCall::Role::output) return forget(t);
    if (lives(t)) fail(ErrorKind::internal, "{} has no form in ONNX yet", call.name());
  });
  call.run(device_->ops());
}

// ---- values ----------------------------------------------------------------------------------------------

OnnxRecorder::Value* OnnxRecorder::find(const Tensor& t) {
  const auto covers = [&](const Tensor& whole) {
    return begin_of(t) >= begin_of(whole) && begin_of(t) < begin_of(whole) + whole.bytes();
  };
  for (const auto& [address, columns] : columns_)
    if (covers(columns.matrix)) {
      const Columns read = columns_.extract(address).mapped();
      join(read);
      break;
    }
  auto it = values_.upper_bound(begin_of(t));
  if (it == values_.begin()) return nullptr;
  --it;
  return covers(it->second.at) ? &it->second : nullptr;
}

bool OnnxRecorder::whole(const Tensor& t) {
  const Value* value = find(t);
  return value != nullptr && value->at.data == t.data && value->at.numel() == t.numel();
}

void OnnxRecorder::put(Tensor at, std::string rows, std::string planes) {
  forget(at);
  values_[begin_of(at)] = {at, std::move(rows), std::move(planes)};
}

void OnnxRecorder::forget(const Tensor& t) {
  std::erase_if(values_, [&](const auto& one) {
    return one.first >= begin_of(t) && one.first < begin_of(t) + t.bytes();
  });
  dense_.erase(t.data);
}

OnnxShape OnnxRecorder::open(const Shape& shape) {
  OnnxShape out;
  std::int64_t divided = 0;
  for (int a = 0; a < shape.rank(); ++a) {
    const bool examples = shape[a] % examples_ == 0;
    divided += examples ? 1 : 0;
    out.push_back(examples ? -1 : shape[a]);
  }
  ambiguous_ = ambiguous_ || divided > 1;
  return out;
}

std::string OnnxRecorder::rows(const Tensor& t) {
  Value& value = *find(t);
  if (value.rows.empty())
    value.rows = graph_->node("Transpose", {value.planes}, {{"perm", Ints{0, 2, 3, 1}}});
  std::string name = value.rows;
  Shape shape = value.at.shape;
  if (!whole(t)) {  // one along the first axis
    const std::int64_t size = value.at.bytes() / shape[0], offset = begin_of(t) - begin_of(value.at);
    require(t.bytes() == size && offset % size == 0, "OnnxRecorder: {} within {}", t.shape.str(),
            shape.str());
    name = graph_->node("Gather", {name, graph_->constant("at", {}, Ints{offset / size})},
                        {{"axis", std::int64_t{0}}});
    shape = shape.rank() == 3 ? Shape{shape[1], shape[2]} : Shape{};
  }
  if (shape == t.shape) return name;
  return graph_->node("Reshape", {name, graph_->integers(open(t.shape))});
}

std::string OnnxRecorder::planes(const Tensor& t) {
  require(t.shape.rank() == 4, "OnnxRecorder: {} has no channels", t.shape.str());
  Value& value = *find(t);
  if (value.at.shape == t.shape && !value.planes.empty()) return value.planes;
  const std::string moved = graph_->node("Transpose", {rows(t)}, {{"perm", Ints{0, 3, 1, 2}}});
  if (value.at.shape == t.shape && value.at.data == t.data) value.planes = moved;
  return moved;
}

std::vector<float> OnnxRecorder::numbers(const Tensor& t) {
  std::vector<float> values(static_cast<std::size_t>(t.numel()));
  device_->to_host(values.data(), t);
  return values;
}

std::string OnnxRecorder::name_of(const Tensor& t) const {
  const auto it = names_.find(t.data);
  return it == names_.end() ? "constant" : it->second;
}

std::string OnnxRecorder::constant(const Tensor& t) {
  OnnxShape shape;
  for (int a = 0; a < t.shape.rank(); ++a) shape.push_back(t.dim(a));
  return graph_->constant(name_of(t), shape, numbers(t));
}

std::vector<float> OnnxRecorder::channels_first(const Tensor& w, std::int64_t channels) {
  const std::int64_t outputs = w.dim(0), places = w.numel() / (outputs * channels);
  const std::vector<float> from = numbers(w);
  std::vector<float> to;
  for (std::int64_t o = 0; o < outputs; ++o)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t p = 0; p < places; ++p)
        to.push_back(from[static_cast<std::size_t>((o * places + p) * channels + c)]);
  return to;
}

void OnnxRecorder::each(const Tensor& x, const Tensor& y, const std::function<std::string(std::string)>& f) {
  if (!whole(x)) return put(y, f(rows(x)), "");
  const Value value = *find(x);
  const Tensor at{y.data, value.at.shape, y.dtype};
  if (!value.planes.empty()) put(at, "", f(value.planes));
  else put(at, f(value.rows), "");
}

}  // namespace melgrad
