// Collective: the ranks that train one network together, as one of them sees them. Ranks move bytes; what is
// added is added by melgrad, in an order of its own (engine/shards.h).
#pragma once

#include <cstddef>
#include <string>

#include "kernels/tensor.h"

namespace melgrad {

class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;  // 0 ... size() - 1
  virtual int size() const = 0;

  // ---- issued like operations of the device, by every rank in the same order
  // from, to [size, n] f32: row q of `from` goes to rank q, row q of `to` comes from there.
  virtual void all_to_all(Tensor from, Tensor to) = 0;
  // from [n] f32 -> to [size, n], row q from rank q. `from` may be this rank's row of `to`.
  virtual void all_gather(Tensor from, Tensor to) = 0;

  // ---- of the host
  // Whether what follows works; else only `abort` does (engine/device_ranks.h).
  virtual bool connected() const { return true; }
  // What rank 0 has there, to all.
  virtual void broadcast(void* bytes, std::size_t count) = 0;
  // The largest of all ranks' numbers.
  virtual int agree(int number) = 0;
  // Ends all ranks for this reason, with this exit code; does not return where there are others.
  virtual void abort(const std::string& reason, int code) = 0;
  // Called while this rank waits for its device, and so perhaps for others: leaves where these have ended.
  virtual void expect_all() {}
};

// The text that rank 0 has there, on all.
std::string broadcast_text(Collective& ranks, std::string text);

// One rank, by itself.
Collective& alone();

}  // namespace melgrad
