#include "models/training/epoch_order.h"

#include <map>
#include <random>
#include <utility>

namespace melgrad {
namespace {

std::mt19937_64 generator(std::uint64_t seed, std::int64_t epoch) {
  return std::mt19937_64(seed * 0x9E3779B97F4A7C15ULL + static_cast<std::uint64_t>(epoch));
}

// The standard library's own differs from one to the next.
template <typename T>
void shuffle(std::vector<T>& values, std::mt19937_64& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random() % i]);
}

}  // namespace

std::vector<std::int32_t> shuffled_epoch(const std::vector<std::int32_t>& tracks, std::uint64_t seed,
                                         std::int64_t epoch) {
  std::mt19937_64 random = generator(seed, epoch);
  std::vector<std::int32_t> order = tracks;
  shuffle(order, random);
  return order;
}

std::vector<std::int32_t> balanced_epoch(const std::vector<std::int32_t>& tracks,
                                         const std::vector<std::int32_t>& labels, std::uint64_t seed,
                                         std::int64_t epoch) {
  std::mt19937_64 random = generator(seed, epoch);
  std::map<std::int32_t, std::vector<std::int32_t>> of_label;
  for (std::size_t i = 0; i < tracks.size(); ++i) of_label[labels[i]].push_back(tracks[i]);
  std::vector<std::vector<std::int32_t>> groups;
  for (const auto& [label, group] : of_label) groups.push_back(group);
  shuffle(groups, random);  // whose turn comes once more
  std::vector<std::int32_t> order;
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    auto& group = groups[i % groups.size()];
    const std::size_t at = i / groups.size() % group.size();
    if (at == 0) shuffle(group, random);
    order.push_back(group[at]);
  }
  shuffle(order, random);
  return order;
}

std::vector<std::int32_t> in_batches(std::vector<std::int32_t> order, std::int64_t steps, std::int64_t batch,
                                     std::int64_t shards) {
  if (std::ssize(order) >= steps * batch) {
    order.resize(static_cast<std::size_t>(steps * batch));
    return order;
  }
  const auto whole = order.begin() + (steps - 1) * batch;
  const std::vector<std::int32_t> rest(whole, order.end());
  order.erase(whole, order.end());
  const std::int64_t count = std::ssize(rest);
  auto next = rest.begin();
  for (std::int64_t s = 0; s < shards; ++s) {
    const std::int64_t own = count / shards + (s < count % shards ? 1 : 0);
    const std::int32_t repeated = own > 0 ? *next : rest.front();
    order.insert(order.end(), next, next + own);
    next += own;
    order.insert(order.end(), static_cast<std::size_t>(batch / shards - own), ~repeated);
  }
  return order;
}

}  // namespace melgrad
