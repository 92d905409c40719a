// How pointers are aligned, which the vendor's libraries want to know.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace melgrad {

// The largest power of two, at most 16, that divides all addresses. Tensors may be spans that begin at any
// element, and a library reads 16 bytes at a time only where it was promised that it may.
inline int alignment_of(std::initializer_list<const void*> pointers) {
  std::uintptr_t bits = 16;
  for (const void* p : pointers) bits |= reinterpret_cast<std::uintptr_t>(p);
  return static_cast<int>(bits & (~bits + 1));
}

}  // namespace melgrad
