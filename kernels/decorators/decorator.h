// OpsDecorator: an Ops whose every call goes through one function of a derived class, as an OpCall that can
// be run on another Ops, written down, and asked for its tensors. What watches or checks a device is derived
// from it (kernels/decorators/trace.h, kernels/reference/comparing_ops.h). Nothing here names an operation:
// each is passed on as kernels/op_overrides.h declares it, and what it does with a tensor is in the type of
// the parameter.
#pragma once

#include <functional>
#include <string>
#include <tuple>

#include "kernels/device.h"
#include "kernels/ops.h"

namespace melgrad {

// One call of one operation, with its arguments. Lives as long as the call.
class OpCall {
 public:
  enum class Role {
    input,    // read only
    output,   // written as a whole; what it held before does not matter
    changed,  // read and written
  };

  virtual ~OpCall() = default;
  virtual const char* name() const = 0;
  virtual void run(Ops& ops) const = 0;
  // Every tensor argument in order, those within Dropout and BatchPlan too. `visit` may put another one in
  // its place: `run` then works on that.
  virtual void for_each_tensor(const std::function<void(Tensor&, Role)>& visit) = 0;
  // The name and all arguments, addresses included.
  virtual std::string text() const = 0;
};

class OpsDecorator : public Ops {
 public:
#define MELGRAD_OP(name, parameters, arguments) \
  void name parameters override { pass(#name, &Ops::name, std::tie arguments); }
#include "kernels/op_overrides.h"

 protected:
  virtual void call(OpCall& call) = 0;

 private:
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

  template <typename Op, typename... Args>
  void pass(const char* name, Op op, const std::tuple<Args&...>& args) {
    Call<Op, Args...> bound(name, op, args);
    call(bound);
  }

  using Visit = std::function<void(Tensor&, OpCall::Role)>;
  // A parameter of a type not named here may hold tensors: whoever adds one says which, below.
  template <typename T>
  static void tensors_of(T& /*setting*/, const Visit& /*visit*/) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, BatchNorm> ||
                  std::is_same_v<T, Conv2d> || std::is_same_v<T, Pool2d> ||
                  std::is_same_v<T, const MelTables>);
  }
  static void tensors_of(Tensor& t, const Visit& visit) { visit(t, OpCall::Role::input); }
  static void tensors_of(Out& t, const Visit& visit) { visit(t, OpCall::Role::output); }
  static void tensors_of(InOut& t, const Visit& visit) { visit(t, OpCall::Role::changed); }
  static void tensors_of(Grad& g, const Visit& visit) {
    visit(g.tensor, g.write == Write::overwrite ? OpCall::Role::output : OpCall::Role::changed);
  }
  static void tensors_of(Dropout& d, const Visit& visit) { visit(d.counter, OpCall::Role::input); }
  static void tensors_of(Recurrent& r, const Visit& visit) { visit(r.lengths, OpCall::Role::input); }
  static void tensors_of(Augment& a, const Visit& visit) { visit(a.counter, OpCall::Role::input); }
  static void tensors_of(Mixup& m, const Visit& visit) { visit(m.counter, OpCall::Role::input); }
  static void tensors_of(Schedule& s, const Visit& visit) { visit(s.factor, OpCall::Role::input); }
  static void tensors_of(BatchPlan& p, const Visit& visit) {
    for (Tensor* t : {&p.order, &p.first_row, &p.rows, &p.labels, &p.step, &p.counter, &p.class_weights})
      visit(*t, OpCall::Role::input);
  }

  static std::string text_of(const Tensor& t);
  static std::string text_of(Write write);
  static std::string text_of(const Grad& gradient);
  static std::string text_of(float value);
  static std::string text_of(bool value);
  static std::string text_of(std::int64_t value);
  static std::string text_of(Activation f);
  static std::string text_of(const BatchNorm& norm);
  static std::string text_of(const Recurrent& recurrent);
  static std::string text_of(const Augment& augment);
  static std::string text_of(const Mixup& mixup);
  static std::string text_of(const Conv2d& conv);
  static std::string text_of(const Pool2d& pool);
  static std::string text_of(const Dropout& dropout);
  static std::string text_of(const Schedule& schedule);
  static std::string text_of(const BatchPlan& plan);
  static std::string text_of(const MelTables& mel);
};

// A device with other operations; memory and copies are those of `inner`.
class DeviceDecorator : public Device {
 public:
  explicit DeviceDecorator(Device& inner) : inner_(&inner) {}

  std::string name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  Precision precision() const override { return inner_->precision(); }
  bool is_host() const override { return inner_->is_host(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void poison(void* memory, std::size_t bytes) override { inner_->poison(memory, bytes); }
  void unpoison(void* memory, std::size_t bytes) override { inner_->unpoison(memory, bytes); }
  void to_device(Tensor to, const void* from) override { inner_->to_device(to, from); }
  void to_host(void* to, Tensor from) override { inner_->to_host(to, from); }
  std::unique_ptr<Staging> make_staging() override { return inner_->make_staging(); }
  std::int64_t free_memory() const override { return inner_->free_memory(); }
  void synchronise() override { inner_->synchronise(); }
  double seconds_of(const std::function<void()>& work) override { return inner_->seconds_of(work); }
  // Every step is issued anew, so that each of its calls is seen.
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }

 private:
  Device* inner_;
};

}  // namespace melgrad
