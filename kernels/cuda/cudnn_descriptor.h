// A descriptor of cuDNN's graph interface: everything there (tensor, operation, engine, plan) is one of
// these, gets its attributes by name, is finalised, and then no longer changes. Copies share the descriptor;
// the last one destroys it.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "kernels/cuda/check.h"

namespace melgrad {

class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    check(cudnnBackendCreateDescriptor(type, &made), "cudnnBackendCreateDescriptor");
    owned_.reset(made, [](cudnnBackendDescriptor_t d) { cudnnBackendDestroyDescriptor(d); });
  }

  cudnnBackendDescriptor_t get() const { return owned_.get(); }

  template <typename T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::span<const T> values) {
    static_assert(!std::is_same_v<T, CudnnDescriptor>);
    check(
        cudnnBackendSetAttribute(get(), name, type, static_cast<std::int64_t>(values.size()), values.data()),
        "cudnnBackendSetAttribute");
  }
  template <typename T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, std::span<const T>(&value, 1));
  }
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.get());
  }
  void set(cudnnBackendAttributeName_t name, std::initializer_list<std::int64_t> values) {
    set(name, CUDNN_TYPE_INT64, std::span<const std::int64_t>(values.begin(), values.size()));
  }

  void finalise() { check(cudnnBackendFinalize(get()), "cudnnBackendFinalize"); }
  // For descriptors that may be refused, as an engine that cannot do a problem.
  bool try_finalise() { return succeeded(cudnnBackendFinalize(get())); }

  // How many values an attribute has.
  std::int64_t count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, type, 0, &count, nullptr), "cudnnBackendGetAttribute");
    return count;
  }
  // At most `most` of them.
  template <typename T>
  std::vector<T> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                        std::int64_t most) const {
    std::vector<T> found(static_cast<std::size_t>(most));
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, type, most, &count, found.data()),
          "cudnnBackendGetAttribute");
    found.resize(static_cast<std::size_t>(std::min(count, most)));
    return found;
  }
  // Descriptors are filled in by cuDNN, so they have to exist before.
  std::vector<CudnnDescriptor> descriptors(cudnnBackendAttributeName_t name,
                                           cudnnBackendDescriptorType_t type, std::int64_t most) const {
    std::vector<CudnnDescriptor> found;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t i = 0; i < most; ++i) raw.push_back(found.emplace_back(type).get());
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count, raw.data()),
          "cudnnBackendGetAttribute");
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(std::min(count, most)), found.end());
    return found;
  }

 private:
  std::shared_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>> owned_;
};

}  // namespace melgrad
