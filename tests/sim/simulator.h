// Simulator: runs a CUDA kernel on the CPU, every thread of a block a fiber that runs until its next barrier.
//
// The order of blocks, and of threads between two barriers, can be chosen: a kernel that lacks a barrier
// gives another result in another order. Shared memory is handed out in pieces of exactly the size asked for,
// filled with NaN, each with guard bytes behind it and, under AddressSanitizer, memory that must not be
// touched. What is found wrong is thrown as Error (internal): a barrier that some threads never reach,
// threads that ask for different shared memory, more of it than the launch declares, or writing beyond it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace melgrad::sim {

enum class Order { forward, reversed, shuffled };

class Fibers;

// One block of a launch, as its threads see it.
class Block {
 public:
  Block(Fibers& fibers, std::int64_t index, std::int64_t blocks, int threads, std::int64_t shared_bytes)
      : fibers_(&fibers), index_(index), blocks_(blocks), threads_(threads), shared_bytes_(shared_bytes) {}
  std::int64_t index() const { return index_; }
  std::int64_t blocks() const { return blocks_; }
  int threads() const { return threads_; }
  void wait(int thread);  // at a barrier
  // The `request`-th piece that a thread asks for: `bytes` of memory, which take `padded` of what was
  // declared.
  void* shared(std::size_t request, std::int64_t bytes, std::int64_t padded);
  void check_guards() const;

 private:
  struct Piece {
    std::unique_ptr<std::byte[]> memory;
    std::int64_t bytes;
  };
  Fibers* fibers_;
  std::int64_t index_, blocks_;
  int threads_;
  std::int64_t shared_bytes_, shared_used_ = 0;
  std::vector<Piece> pieces_;
};

class Simulator {
 public:
  explicit Simulator(Order order);
  ~Simulator();
  void run(std::int64_t blocks, int threads, std::int64_t shared_bytes,
           const std::function<void(Block&, int)>& body);

 private:
  std::vector<std::int64_t> ordered(std::int64_t n);
  void run_block(Block& block, const std::function<void(Block&, int)>& body);

  Order order_;
  std::mt19937 random_;
  std::unique_ptr<Fibers> fibers_;
};

}  // namespace melgrad::sim
