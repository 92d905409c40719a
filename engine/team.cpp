#include "engine/team.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/error.h"

namespace melgrad {
namespace {

// What the ranks share.
class Team {
 public:
  explicit Team(int size) : shown_(static_cast<std::size_t>(size)) {}

  int size() const { return static_cast<int>(shown_.size()); }

  // Waits until all are here.
  void meet() {
    std::unique_lock lock(mutex_);
    const auto turn = turn_;
    if (++here_ == size()) {
      here_ = 0;
      ++turn_;
      all_here_.notify_all();
    }
    all_here_.wait(lock, [&] { return turn_ != turn || error_ != nullptr; });
    if (turn_ == turn) throw Left{};
  }
  // Lets every rank look at what each shows; none goes on before all have looked.
  template <typename Look>
  void show(int rank, const void* memory, const Look& look) {
    shown_[static_cast<std::size_t>(rank)] = static_cast<const char*>(memory);
    meet();
    look(shown_);
    meet();
  }
  void end(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    all_here_.notify_all();
  }
  void expect_all() {
    const std::lock_guard lock(mutex_);
    if (error_) throw Left{};
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

  struct Left {};  // by a rank whose others have failed

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  int here_ = 0;
  std::uint64_t turn_ = 0;
  std::vector<const char*> shown_;
  std::exception_ptr error_;
};

class Member final : public Collective {
 public:
  Member(Team& team, int rank) : team_(&team), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return team_->size(); }

  void all_to_all(Tensor from, Tensor to) override {
    const auto row = static_cast<std::size_t>(from.bytes() / size());
    team_->show(rank_, from.f32(), [&](const std::vector<const char*>& shown) {
      auto* at = reinterpret_cast<char*>(to.f32());
      for (const char* memory : shown) {
        std::memcpy(at, memory + row * static_cast<std::size_t>(rank_), row);
        at += row;
      }
    });
  }
  void all_gather(Tensor from, Tensor to) override {
    const auto row = static_cast<std::size_t>(from.bytes());
    team_->show(rank_, from.f32(), [&](const std::vector<const char*>& shown) {
      auto* at = reinterpret_cast<char*>(to.f32());
      for (const char* memory : shown) {
        std::memmove(at, memory, row);
        at += row;
      }
    });
  }
  void broadcast(void* bytes, std::size_t count) override {
    team_->show(rank_, bytes, [&](const std::vector<const char*>& shown) {
      if (rank_ != 0) std::memcpy(bytes, shown[0], count);
    });
  }
  int agree(int number) override {
    int largest = number;
    team_->show(rank_, &number, [&](const std::vector<const char*>& shown) {
      for (const char* memory : shown) {
        int theirs = 0;
        std::memcpy(&theirs, memory, sizeof theirs);
        largest = std::max(largest, theirs);
      }
    });
    return largest;
  }
  void abort(const std::string& reason, int code) override {
    team_->end(std::make_exception_ptr(Error(static_cast<ErrorKind>(code), reason)));
    throw Team::Left{};
  }
  void expect_all() override { team_->expect_all(); }

 private:
  Team* team_;
  int rank_;
};

}  // namespace

void on_ranks(int size, const std::function<void(Collective& ranks)>& work) {
  Team team(size);
  std::vector<std::thread> threads;
  const auto one = [&](int rank) {
    Member member(team, rank);
    try {
      work(member);
    } catch (const Team::Left&) {  // another's error is told
    } catch (...) {
      team.end(std::current_exception());
    }
  };
  try {
    for (int rank = 0; rank < size; ++rank) threads.emplace_back(one, rank);
  } catch (...) {  // no further thread: those that are there wait for it
    team.end(std::current_exception());
  }
  for (std::thread& thread : threads) thread.join();
  team.rethrow();
}

}  // namespace melgrad
