#include "tests/sim/simulator.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstring>
#include <exception>
#include <numeric>

#include "kernels/error.h"

#ifdef MELGRAD_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace melgrad::sim {
namespace {

constexpr std::size_t kStack = 256 * 1024;  // of a fiber; AddressSanitizer makes frames large
// Bytes behind each piece of shared memory; under AddressSanitizer the allocation ends with the piece.
#ifdef MELGRAD_ADDRESS_SANITIZER
constexpr std::int64_t kGuard = 0;
#else
constexpr std::int64_t kGuard = 64;
#endif
constexpr std::byte kGuardByte{0xA5}, kNanByte{0xFF};

// AddressSanitizer must be told of every change of stacks, and forgets nothing of memory that was unmapped.
struct StackSwitch {
#ifdef MELGRAD_ADDRESS_SANITIZER
  static void begin(const void* bottom, std::size_t size) { __asan_unpoison_memory_region(bottom, size); }
  void leave(const void* bottom, std::size_t size) { __sanitizer_start_switch_fiber(&fake_, bottom, size); }
  void arrive(const void** from_bottom, std::size_t* from_size) {
    __sanitizer_finish_switch_fiber(fake_, from_bottom, from_size);
  }

 private:
  void* fake_ = nullptr;
#else
  static void begin(const void* /*bottom*/, std::size_t /*size*/) {}
  void leave(const void* /*bottom*/, std::size_t /*size*/) {}
  void arrive(const void** /*bottom*/, std::size_t* /*size*/) {}
#endif
};

}  // namespace

// A fiber per thread of a block, kept from block to block and from launch to launch.
class Fibers {
 public:
  enum class State { idle, waiting, finished };

  ~Fibers() {
    stopping_ = true;
    for (std::size_t i = 0; i < fibers_.size(); ++i) resume(static_cast<int>(i));
  }

  void begin(int threads, const std::function<void(int)>& body) {
    body_ = &body;
    while (fibers_.size() < static_cast<std::size_t>(threads)) add();
    for (auto& fiber : fibers_) fiber->state = State::idle;
  }

  // Runs thread `index` to its next barrier or to its end.
  State resume(int index) {
    Fiber& fiber = *fibers_[static_cast<std::size_t>(index)];
    StackSwitch self;
    self.leave(fiber.bottom, fiber.size);
    fiber.context = std::move(fiber.context).resume();
    self.arrive(nullptr, nullptr);
    if (fiber.error) std::rethrow_exception(std::exchange(fiber.error, nullptr));
    return fiber.state;
  }

  // Called on a fiber: back to whoever resumed it.
  void leave(int index, State state) {
    Fiber& fiber = *fibers_[static_cast<std::size_t>(index)];
    fiber.state = state;
    fiber.self.leave(main_bottom_, main_size_);
    fiber.main = std::move(fiber.main).resume();
    fiber.self.arrive(&main_bottom_, &main_size_);
    if (stopping_ && state == State::waiting) throw Stop{};  // its launch failed; unwind what it was doing
  }

 private:
  struct Stop {};
  struct Fiber {
    boost::context::fiber context, main;
    StackSwitch self;
    const void* bottom = nullptr;
    std::size_t size = 0;
    State state = State::idle;
    std::exception_ptr error;
  };

  void add() {
    const int index = static_cast<int>(fibers_.size());
    fibers_.push_back(std::make_unique<Fiber>());
    Fiber& fiber = *fibers_.back();
    boost::context::protected_fixedsize_stack allocator(kStack);
    auto stack = allocator.allocate();
    fiber.bottom = static_cast<char*>(stack.sp) - stack.size;
    fiber.size = stack.size;
    StackSwitch::begin(fiber.bottom, fiber.size);
    fiber.context = boost::context::fiber(
        std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack), allocator,
        [this, index](boost::context::fiber&& main) { return life(index, std::move(main)); });
  }

  boost::context::fiber life(int index, boost::context::fiber&& main) {
    Fiber& fiber = *fibers_[static_cast<std::size_t>(index)];
    fiber.main = std::move(main);
    fiber.self.arrive(&main_bottom_, &main_size_);
    while (!stopping_) {
      try {
        (*body_)(index);
      } catch (const Stop&) {
        break;
      } catch (const Error&) {
        fiber.error = std::current_exception();
      }
      leave(index, State::finished);
    }
    fiber.self.leave(main_bottom_, main_size_);
    return std::move(fiber.main);
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  const std::function<void(int)>* body_ = nullptr;
  const void* main_bottom_ = nullptr;
  std::size_t main_size_ = 0;
  bool stopping_ = false;
};

void Block::wait(int thread) { fibers_->leave(thread, Fibers::State::waiting); }

void* Block::shared(std::size_t request, std::int64_t bytes, std::int64_t padded) {
  if (request == pieces_.size()) {
    shared_used_ += padded;
    require(shared_used_ <= shared_bytes_, "simulator: {} bytes of shared memory used, {} declared",
            shared_used_, shared_bytes_);
    pieces_.push_back({std::make_unique<std::byte[]>(static_cast<std::size_t>(bytes + kGuard)), bytes});
    std::fill_n(pieces_.back().memory.get(), bytes, kNanByte);
    std::fill_n(pieces_.back().memory.get() + bytes, kGuard, kGuardByte);
  }
  require(request < pieces_.size() && pieces_[request].bytes == bytes,
          "simulator: threads of a block ask for different shared memory");
  return pieces_[request].memory.get();
}

void Block::check_guards() const {
  for (const Piece& piece : pieces_) {
    const std::byte* guard = piece.memory.get() + piece.bytes;
    require(std::all_of(guard, guard + kGuard, [](std::byte b) { return b == kGuardByte; }),
            "simulator: block {} wrote behind {} bytes of shared memory", index_, piece.bytes);
  }
}

Simulator::Simulator(Order order) : order_(order), random_(1), fibers_(std::make_unique<Fibers>()) {}
Simulator::~Simulator() = default;

std::vector<std::int64_t> Simulator::ordered(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (order_ == Order::reversed) std::reverse(order.begin(), order.end());
  if (order_ == Order::shuffled) std::shuffle(order.begin(), order.end(), random_);
  return order;
}

void Simulator::run(std::int64_t blocks, int threads, std::int64_t shared_bytes,
                    const std::function<void(Block&, int)>& body) {
  try {
    for (const std::int64_t index : ordered(blocks)) {
      Block block(*fibers_, index, blocks, threads, shared_bytes);
      run_block(block, body);
      block.check_guards();
    }
  } catch (...) {
    fibers_ = std::make_unique<Fibers>();  // the old ones are in the middle of something
    throw;
  }
}

// All threads to the next barrier, again and again, each time in a fresh order, until all are done.
void Simulator::run_block(Block& block, const std::function<void(Block&, int)>& body) {
  const std::function<void(int)> thread_body = [&](int index) { body(block, index); };
  fibers_->begin(block.threads(), thread_body);
  for (bool done = false; !done;) {
    int waiting = 0;
    for (const std::int64_t index : ordered(block.threads())) {
      waiting += fibers_->resume(static_cast<int>(index)) == Fibers::State::waiting ? 1 : 0;
    }
    require(waiting == 0 || waiting == block.threads(),
            "simulator: {} of {} threads of block {} wait at a barrier that the others never reach", waiting,
            block.threads(), block.index());
    done = waiting == 0;
  }
}

}  // namespace melgrad::sim
