#include "kernels/decorators/decorator.h"

#include <tuple>

#include "kernels/mel.h"

namespace melgrad {
namespace {

using Visit = std::function<void(Tensor&, OpCall::Role)>;
// A parameter of a type not named here may hold tensors: whoever adds one says which, below.
template <typename T>
void tensors_of(T& /*setting*/, const Visit& /*visit*/) {
  static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, BatchNorm> ||
                std::is_same_v<T, Conv2d> || std::is_same_v<T, Pool2d> || std::is_same_v<T, const MelTables>);
}
void tensors_of(Tensor& t, const Visit& visit) { visit(t, OpCall::Role::input); }
void tensors_of(Out& t, const Visit& visit) { visit(t, OpCall::Role::output); }
void tensors_of(InOut& t, const Visit& visit) { visit(t, OpCall::Role::changed); }
void tensors_of(Grad& g, const Visit& visit) {
  visit(g.tensor, g.write == Write::overwrite ? OpCall::Role::output : OpCall::Role::changed);
}
void tensors_of(Dropout& d, const Visit& visit) { visit(d.counter, OpCall::Role::input); }
void tensors_of(Recurrent& r, const Visit& visit) { visit(r.lengths, OpCall::Role::input); }
void tensors_of(Augment& a, const Visit& visit) {
  for (Tensor* t : {&a.counter, &a.mask_values}) visit(*t, OpCall::Role::input);
}
void tensors_of(Resample& r, const Visit& visit) { visit(r.counter, OpCall::Role::input); }
void tensors_of(Mixup& m, const Visit& visit) { visit(m.counter, OpCall::Role::input); }
void tensors_of(Averaging& a, const Visit& visit) { visit(a.counter, OpCall::Role::input); }
void tensors_of(Schedule& s, const Visit& visit) { visit(s.factor, OpCall::Role::input); }
void tensors_of(BatchPlan& p, const Visit& visit) {
  for (Tensor* t : {&p.order, &p.first_row, &p.rows, &p.labels, &p.step, &p.counter, &p.class_weights})
    visit(*t, OpCall::Role::input);
}

std::string text_of(const Tensor& t) {
  return fmt::format("{}:{}{}", t.data, name_of(t.dtype), t.shape.str());
}
std::string text_of(Write write) { return write == Write::overwrite ? "overwrite" : "accumulate"; }
std::string text_of(const Grad& g) { return fmt::format("{} {}", text_of(g.tensor), text_of(g.write)); }
std::string text_of(float value) { return fmt::format("{}", value); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(std::int64_t value) { return fmt::format("{}", value); }
std::string text_of(Activation f) { return name_of(f); }
std::string text_of(const BatchNorm& n) {
  return fmt::format("epsilon {} momentum {}", n.epsilon, n.momentum);
}
std::string text_of(const Recurrent& r) {
  return fmt::format("{}{} {}", name_of(r.cell), r.reverse ? " reverse" : "", text_of(r.lengths));
}
std::string text_of(const Augment& a) {
  return fmt::format(
      "gain {} shift {} equalise {}x{} noise {} frames {}x{} bands {}x{} value {} {} seed {} {}", a.gain_db,
      a.shift, a.equalise, a.equalise_knots, a.noise, a.time_masks, a.time_mask, a.band_masks, a.band_mask,
      a.mask_value, text_of(a.mask_values), a.seed, text_of(a.counter));
}
std::string text_of(const Resample& r) {
  return fmt::format("tempo {} scale {} shift {} reverse {} seed {} {}", r.tempo, r.band_scale, r.band_shift,
                     r.reverse, r.seed, text_of(r.counter));
}
std::string text_of(const Mixup& m) {
  return fmt::format("alpha {} seed {} {}", m.alpha, m.seed, text_of(m.counter));
}
std::string text_of(const Conv2d& c) {
  return fmt::format("stride {}x{} pad {}x{}", c.stride_t, c.stride_f, c.pad_t, c.pad_f);
}
std::string text_of(const Pool2d& p) {
  return fmt::format("pool {}x{}, stride {}x{}", p.frames, p.bands, p.step_t(), p.step_f());
}
std::string text_of(const Dropout& d) {
  return fmt::format("rate {} seed {} stream {} {}", d.rate, d.seed, d.stream, text_of(d.counter));
}
std::string text_of(const Averaging& a) {
  return fmt::format("decay {} begin {} {}", a.decay, a.begin, text_of(a.counter));
}
std::string text_of(const Schedule& s) {
  return fmt::format("schedule {} {} {} {} {} {} {} {}", static_cast<int>(s.kind), s.base, s.decay,
                     s.final_fraction, s.total, s.warmup, s.period, text_of(s.factor));
}
std::string text_of(const BatchPlan& p) {
  return fmt::format("{} {} {} {} {} {} {} {} {} {}", text_of(p.order), text_of(p.first_row), text_of(p.rows),
                     text_of(p.labels), text_of(p.step), text_of(p.counter), text_of(p.class_weights),
                     p.shared_start, p.skip_last_start, p.seed);
}
std::string text_of(const MelTables& mel) {
  std::string words = "mel";
  for (const auto& [field, value] : mel_fields(mel.options)) words += fmt::format(" {} {}", field, value);
  return words;
}

// How a call keeps an argument: as a copy, in which a tensor can be exchanged. Tables hold none.
template <typename T>
using Kept = std::conditional_t<std::is_same_v<T, MelTables>, const T&, T>;

template <typename Op, typename... Args>
class Call final : public OpCall {
 public:
  Call(const char* name, Op op, const std::tuple<Args&...>& args) : name_(name), op_(op), args_(args) {}
  const char* name() const override { return name_; }
  void run(Ops& ops) const override {
    std::apply([&](const auto&... args) { (ops.*op_)(args...); }, args_);
  }
  void for_each_tensor(const std::function<void(Tensor&, Role)>& visit) override {
    std::apply([&](auto&... args) { (tensors_of(args, visit), ...); }, args_);
  }
  std::string text() const override {
    std::string words = name_;
    std::apply([&](const auto&... args) { ((words.append(" ").append(text_of(args))), ...); }, args_);
    return words;
  }

 private:
  const char* name_;
  Op op_;
  std::tuple<Kept<std::remove_const_t<Args>>...> args_;
};

}  // namespace

#define MELGRAD_OP(name, parameters, arguments)        \
  void OpsDecorator::name parameters {                 \
    Call bound(#name, &Ops::name, std::tie arguments); \
    call(bound);                                       \
  }
#include "kernels/op_overrides.h"

}  // namespace melgrad
