#include "kernels/cuda/convert.h"
#include "kernels/cuda/elements.h"

namespace melgrad {

void convert(Stream stream, Tensor from, Tensor to) {
  require(to.numel() == from.numel(), "convert: {} to {}", from.shape.str(), to.shape.str());
  with_type_of(to, [&](auto to_type) {
    with_type_of(from, [&](auto from_type) {
      using From = decltype(from_type);
      launch_elements(stream, elements<decltype(to_type)>(to), to.numel(), Write::overwrite,
                      Copy<From>{elements<From>(from)});
    });
  });
}

}  // namespace melgrad
