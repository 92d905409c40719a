#include "engine/shards.h"

#include "engine/param.h"
#include "kernels/ops.h"

namespace melgrad {
namespace {

constexpr std::int64_t kAligned = 64;  // floats

// x as one row of one example: what scale_channels takes to multiply all of it by one number.
Tensor as_example(Tensor x) { return x.reshape({1, x.numel(), 1}); }

}  // namespace

Shards::Shards(Device& device, ParamStore& params, std::int64_t count, Collective& ranks)
    : device_(&device),
      params_(&params),
      ranks_(&ranks),
      count_(count),
      mine_(count / ranks.size()),
      first_(ranks.rank() * mine_) {
  require(count > 0 && (count & (count - 1)) == 0 && count % ranks.size() == 0,
          "Shards: {} of them on {} ranks", count, ranks.size());
  if (count == 1) return;
  const std::int64_t trained = params.grads().numel(), fixed = params.everything().numel() - trained,
                     pieces = ranks.size() * kAligned,
                     all = (trained + fixed + kAligned + pieces - 1) / pieces * pieces;
  std::int64_t levels = 0;
  while ((std::int64_t{1} << levels) < mine_) ++levels;
  waiting_.resize(static_cast<std::size_t>(levels));
  std::vector<Slab::Part> parts = {{&sums_, {all}}, {&mean_, {1, 1}}};
  for (Tensor& sum : waiting_) parts.push_back({&sum, {all}});
  if (fixed > 0) parts.push_back({&begun_with_, {fixed}});
  if (together()) parts.push_back({&from_ranks_, {ranks.size(), all / ranks.size()}});
  memory_.emplace(device, parts);
  gradients_ = sums_.span(0, trained, {trained});
  if (fixed > 0) statistics_ = sums_.span(trained, fixed, {fixed});
  loss_ = sums_.span(trained + fixed, 1, {1});
  hits_ = sums_.span(trained + fixed + 1, 1, {1});
  const float mean = 1.0F / static_cast<float>(count);
  device.to_device(mean_, &mean);
}

void Shards::begin() {
  done_ = 0;
  if (begun_with_) device_->ops().copy(params_->statistics(), begun_with_);
}

void Shards::add(Tensor loss, Tensor hits, Tensor share) {
  if (count_ == 1) {
    loss_ = loss;
    hits_ = hits;
    return;
  }
  Ops& ops = device_->ops();
  ops.copy(params_->grads(), gradients_);
  if (statistics_) {
    ops.copy(params_->statistics(), statistics_);
    if (done_ + 1 < mine_) ops.copy(begun_with_, params_->statistics());
  }
  ops.scale_channels_forward(as_example(loss), share.reshape({1, 1}), as_example(loss_));
  ops.scale_channels_forward(as_example(hits), share.reshape({1, 1}), as_example(hits_));
  std::size_t level = 0;
  for (; done_ >> level & 1; ++level) ops.add(waiting_[level], {sums_, Write::accumulate});
  ++done_;
  if (done_ < mine_) ops.copy(sums_, waiting_[level]);
}

void Shards::finish() {
  if (count_ == 1) return;
  require(done_ == mine_, "Shards: {} of {} are done", done_, mine_);
  if (together()) exchange();
  Ops& ops = device_->ops();
  ops.copy(gradients_, params_->grads());
  if (statistics_)
    ops.scale_channels_forward(as_example(statistics_), mean_, as_example(params_->statistics()));
}

// The upper part of the tree, each rank of its part of the sums: ranks have aligned subtrees.
void Shards::exchange() {
  const std::int64_t ranks = ranks_->size(), part = sums_.numel() / ranks;
  ranks_->all_to_all(sums_.reshape({ranks, part}), from_ranks_);
  const auto of = [&](std::int64_t rank) { return from_ranks_.span(rank * part, part, {part}); };
  for (std::int64_t apart = 1; apart < ranks; apart *= 2)
    for (std::int64_t r = 0; r < ranks; r += 2 * apart)
      device_->ops().add(of(r + apart), {of(r), Write::accumulate});
  ranks_->all_gather(of(0), sums_.reshape({ranks, part}));
}

}  // namespace melgrad
