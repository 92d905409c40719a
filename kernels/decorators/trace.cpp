#include "kernels/decorators/trace.h"

namespace melgrad {

void TracingOps::call(OpCall& call) {
  if (keeps_) {
    lines_.push_back(call.text());
    ++counts_[call.name()];
  }
  try {
    call.run(*inner_);
    if (after_) after_();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device) throw;
    throw Error(error.kind(), fmt::format("{}: {}", call.text(), error.what()));
  }
}

}  // namespace melgrad
