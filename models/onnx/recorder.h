// OnnxRecorder: the operations of a device, written down as an ONNX graph instead of computed. Whatever
// depends on the value that enters becomes a node, all else is computed as it is and becomes a constant; so a
// network is exported by evaluating it once, and no network knows of ONNX.
//
// ONNX has channels first where melgrad has them last. A value is known in one order or both, [N, T, F, C]
// ("rows") and [N, C, T, F] ("planes"), and is only moved when an operation needs the other. The number of
// examples is open in the graph: it is told from other extents by being a prime that divides none of them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/param.h"
#include "kernels/decorators/decorator.h"
#include "models/onnx/graph.h"

namespace melgrad {

class OnnxRecorder final : public OpsDecorator {
 public:
  // `examples`: how many are evaluated. Constants that are parameters keep their names.
  OnnxRecorder(Device& device, OnnxGraph& graph, const ParamStore& params, std::int64_t examples);

  // From now on x [N, T, F, C] is this value of the graph, [N, C, T, F].
  void enters(Tensor x, const std::string& planes);
  // The value of the graph that y is, of y's shape.
  std::string value(Tensor y) { return rows(y); }
  // Whether another extent was divided by the number of examples: the graph is wrong then, and to be made
  // again with another number.
  bool ambiguous() const { return ambiguous_; }

  void add(Tensor x, Grad y) override;
  void activation_forward(Tensor x, Activation f, Out y) override;
  void linear_forward(Tensor x, Tensor w, Tensor b, Out y) override;
  void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y) override;
  void max_pool_forward(Tensor x, const Pool2d& pool, Out y, Out argmax) override;
  void global_max_forward(Tensor x, Tensor lengths, Out y, Out argmax) override;
  void global_mean_forward(Tensor x, Tensor lengths, Out y) override;
  void attention_pool_forward(Tensor x, Tensor scores, Out weights, Out y) override;
  void batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_variance,
                            float epsilon, Out y) override;
  void scale_channels_forward(Tensor x, Tensor g, Out y) override;
  void copy_columns(Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column,
                    std::int64_t columns, Write write) override;
  void swap_axes(Tensor x, Grad y) override;
  void recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states,
                         Out saved) override;
  void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) override;
  void softmax_forward(Tensor logits, Out probs) override;
  void resample(Tensor x, const Resample& resample, Out y) override;
  void standardise(Tensor x, Tensor mean, Tensor scale, Out y) override;
  void beside_mean(Tensor x, Tensor mean, float scale, Out y) override;

 private:
  struct Value {
    Tensor at;                 // where melgrad has it, and its shape
    std::string rows, planes;  // one of them may be empty; planes only of four axes
  };
  // What was copied into the columns of a matrix that nobody has read yet.
  struct Columns {
    Tensor matrix;
    struct Part {
      std::int64_t to, count;
      Tensor from;
      std::int64_t from_column;
    };
    std::vector<Part> parts;  // side by side, from column 0 on
  };

  // Whatever has no node: on constants as it is. Throws Error (internal) for what depends on the value that
  // entered.
  void call(OpCall& call) override;

  static const char* begin_of(const Tensor& t) { return static_cast<const char*>(t.data); }
  Value* find(const Tensor& t);  // null: a constant
  bool lives(const Tensor& t) { return t && find(t) != nullptr; }
  bool whole(const Tensor& t);  // not a part of a value
  void put(Tensor at, std::string rows, std::string planes);
  void forget(const Tensor& t);
  void join(const Columns& columns);

  std::string rows(const Tensor& t);    // of t's shape
  std::string planes(const Tensor& t);  // t has four axes
  std::string operand(const Tensor& t) { return lives(t) ? rows(t) : constant(t); }
  std::string constant(const Tensor& t);
  std::vector<float> numbers(const Tensor& t);
  std::string name_of(const Tensor& t) const;
  // The numbers of w [O, places, C] as [O, C, places].
  std::vector<float> channels_first(const Tensor& w, std::int64_t channels);
  // Extents as a graph has them: -1 for the one with the examples.
  OnnxShape open(const Shape& shape);
  // y = f(x) whatever the order of the axes.
  void each(const Tensor& x, const Tensor& y, const std::function<std::string(std::string)>& f);
  void pool(const std::string& reduction, const Tensor& x, const Tensor& lengths, const Tensor& y);
  std::string convolved(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2d& conv);
  std::string max_pooled(const std::string& planes, const Pool2d& pool);

  Device* device_;
  OnnxGraph* graph_;
  std::int64_t examples_;
  bool ambiguous_ = false;
  std::map<const void*, std::string> names_;
  std::map<const char*, Value> values_;  // by address
  std::map<const char*, Columns> columns_;
  // The input of each dense layer, by the address of its output: a recurrent layer of ONNX has it within.
  struct Dense {
    Tensor x, w, b;
  };
  std::map<const void*, Dense> dense_;
};

class OnnxDevice final : public DeviceDecorator {
 public:
  OnnxDevice(Device& inner, OnnxGraph& graph, const ParamStore& params, std::int64_t examples)
      : DeviceDecorator(inner), ops_(inner, graph, params, examples) {}
  OnnxRecorder& ops() override { return ops_; }

 private:
  OnnxRecorder ops_;
};

}  // namespace melgrad
