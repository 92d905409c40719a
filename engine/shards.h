// A step's examples in S shards, a power of two: each goes through the network by itself, and what they give
// is added in a fixed binary tree, ((0 + 1) + (2 + 3)) + ... The shards decide what comes out; on how many
// ranks they are computed, one after the other on each, does not.
//
// What is added: the gradients, the running statistics that each shard leaves, all of which begin with the
// same, and the shard's loss and hits. Afterwards every rank has the sums; statistics become the mean.
#pragma once

#include <optional>
#include <vector>

#include "engine/collective.h"
#include "engine/memory.h"

namespace melgrad {

class ParamStore;

class Shards {
 public:
  // `count` = S; the number of ranks divides it, and each has as many, neighbours. `params` is allocated.
  Shards(Device& device, ParamStore& params, std::int64_t count, Collective& ranks);

  std::int64_t count() const { return count_; }
  std::int64_t mine() const { return mine_; }    // of this rank
  std::int64_t first() const { return first_; }  // the first of them

  void begin();
  // One more of mine, in order, has been through the network: its gradients are in `params`. loss and hits
  // [1] are of the shard, `share` [1] what it has of the step (of S = 1: not looked at, it is 1).
  void add(Tensor loss, Tensor hits, Tensor share);
  // After the last one: gradients and running statistics in `params` are those of the step.
  void finish();
  // [1] each, of the step.
  Tensor loss() const { return loss_; }
  Tensor hits() const { return hits_; }

 private:
  bool together() const { return ranks_ != &alone(); }  // also of one rank, if others could be there
  void exchange();

  Device* device_;
  ParamStore* params_;
  Collective* ranks_;
  std::int64_t count_, mine_, first_;
  std::int64_t done_ = 0;
  std::optional<Slab> memory_;
  // [gradients | statistics | loss, hits] of a shard, later of the step; sums of so many neighbours as wait
  // for theirs, 1, 2, 4, ...; from each rank its part of mine.
  Tensor sums_, from_ranks_;
  std::vector<Tensor> waiting_;
  Tensor begun_with_;                            // the running statistics before the step
  Tensor mean_;                                  // [1] 1 / S
  Tensor gradients_, statistics_, loss_, hits_;  // within sums_
};

}  // namespace melgrad
