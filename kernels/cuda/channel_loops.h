// Loops over activations [groups, rows, channels], channels last, in which a thread keeps to one channel:
// what depends on the channel alone is read once, and no index is divided in the loop. A block takes up to 32
// channels side by side, so that a warp reads lines, and a piece of a group's rows; with fewer channels the
// threads that are left take more rows, and neighbours still read neighbouring memory.
//
// ChannelMap writes, ChannelReduce reduces each group's rows to one value per channel: each block its piece,
// a second launch the pieces, always in the same order, so that the result is the same to the bit.
#pragma once

#include "kernels/cuda/elements.h"

namespace melgrad {

constexpr int kChannelThreads = 256;

struct ChannelGrid {
  std::int64_t groups, rows, channels, rows_of_piece;
  int width, lanes;  // of a block: channels side by side, and rows below each other

  ChannelGrid(std::int64_t groups_, std::int64_t rows_, std::int64_t channels_, std::int64_t widest = 32)
      : groups(groups_),
        rows(rows_),
        channels(channels_),
        width(static_cast<int>(std::min(channels_, widest))),
        lanes(kChannelThreads / width) {
    constexpr std::int64_t kBlocks = 2048, kRowsOfThread = 8;  // enough blocks, each with enough to do
    const std::int64_t shared = (rows * groups * tiles() + kBlocks - 1) / kBlocks;
    rows_of_piece = std::max(shared, kRowsOfThread * lanes);
  }
  MELGRAD_HD std::int64_t tiles() const { return (channels + width - 1) / width; }
  MELGRAD_HD std::int64_t pieces() const { return (rows + rows_of_piece - 1) / rows_of_piece; }
  std::int64_t blocks() const { return groups * pieces() * tiles(); }
};

// What one thread takes: rows first, first + lanes, ... before end, counted through all groups.
struct ChannelPlace {
  std::int64_t group, piece, channel, first, end;
  int lane;
  bool active;

  MELGRAD_DEVICE ChannelPlace(const ChannelGrid& grid, std::int64_t block, int index) {
    const std::int64_t part = block / grid.tiles();
    lane = index / grid.width;
    group = part / grid.pieces();
    piece = part % grid.pieces();
    channel = block % grid.tiles() * grid.width + index % grid.width;
    active = lane < grid.lanes && channel < grid.channels;
    const std::int64_t from = piece * grid.rows_of_piece, to = from + grid.rows_of_piece;
    first = group * grid.rows + from + lane;
    end = group * grid.rows + (to < grid.rows ? to : grid.rows);
  }
};

// y[row * stride + channel] (+)= map.at(group, channel)(row); `stride`: elements from row to row of y
template <typename T, typename Map>
struct ChannelMap {
  static constexpr int kThreads = kChannelThreads;
  ChannelGrid grid;
  T* y;
  std::int64_t stride;
  bool accumulate;
  Map map;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const ChannelPlace my(grid, t.block(), t.index());
    if (!my.active) return;
    const auto value = map.at(my.group, my.channel);
    for (std::int64_t row = my.first; row < my.end; row += grid.lanes) {
      T& to = y[row * stride + my.channel];
      const float v = value(row);
      to = from_float<T>(accumulate ? to_float(to) + v : v);
    }
  }
};

// finish(place, state) by one thread for every channel of every piece. reduce.at(group, channel) gives the
// function that adds a row to a state: add(state, row). State{} is the state of no rows, and a.take(b) adds
// those of b.
template <typename Reduce, typename Finish>
struct ChannelReduce {
  static constexpr int kThreads = kChannelThreads;
  using State = typename Reduce::State;
  ChannelGrid grid;
  Reduce reduce;
  Finish finish;

  std::int64_t shared_bytes() const { return shared_size<State>(kThreads); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    State* states = t.template shared<State>(kThreads);
    const ChannelPlace my(grid, t.block(), t.index());
    State state{};
    if (my.active) {
      const auto add = reduce.at(my.group, my.channel);
      for (std::int64_t row = my.first; row < my.end; row += grid.lanes) add(state, row);
    }
    states[t.index()] = state;
    for (int lanes = grid.lanes; lanes > 1;) {
      const int half = (lanes + 1) / 2;
      t.sync();
      if (my.active && my.lane + half < lanes) states[t.index()].take(states[t.index() + half * grid.width]);
      lanes = half;
    }
    if (my.active && my.lane == 0) finish(my, states[t.index()]);
  }
};

template <typename State>
struct StoreState {
  State* part;  // [groups, pieces, channels]
  std::int64_t pieces, channels;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const State& state) const {
    part[(my.group * pieces + my.piece) * channels + my.channel] = state;
  }
};

template <typename S>
struct TakeStates {
  using State = S;
  const State* part;
  std::int64_t channels;
  struct At {
    const State* part;
    std::int64_t channels;
    MELGRAD_DEVICE void operator()(State& state, std::int64_t row) const { state.take(part[row * channels]); }
  };
  MELGRAD_DEVICE At at(std::int64_t /*group*/, std::int64_t channel) const {
    return {part + channel, channels};
  }
};

// Bytes of the memory that launch_reduce needs for the pieces.
template <typename Reduce>
std::int64_t reduce_bytes(const ChannelGrid& grid) {
  return grid.groups * grid.pieces() * grid.channels *
         static_cast<std::int64_t>(sizeof(typename Reduce::State));
}

// finish(place, state) once for every group and channel.
template <typename Reduce, typename Finish>
void launch_reduce(Stream stream, const ChannelGrid& grid, const Reduce& reduce, void* part,
                   const Finish& finish) {
  using State = typename Reduce::State;
  if (grid.pieces() == 1) {
    launch(stream, grid.blocks(), ChannelReduce<Reduce, Finish>{grid, reduce, finish});
    return;
  }
  auto* states = static_cast<State*>(part);
  launch(stream, grid.blocks(),
         ChannelReduce<Reduce, StoreState<State>>{grid, reduce, {states, grid.pieces(), grid.channels}});
  ChannelGrid rest(grid.groups, grid.pieces(), grid.channels, 4);  // few channels: more threads on each
  rest.rows_of_piece = rest.rows;
  launch(stream, rest.blocks(),
         ChannelReduce<TakeStates<State>, Finish>{rest, {states, grid.channels}, finish});
}

template <typename T, typename Map>
void launch_map(Stream stream, const ChannelGrid& grid, T* y, Write write, const Map& map) {
  launch(stream, grid.blocks(), ChannelMap<T, Map>{grid, y, grid.channels, write == Write::accumulate, map});
}

// A state of kN sums.
template <int kN>
struct Sums {
  double of[kN] = {};
  MELGRAD_DEVICE void take(const Sums& other) {
    for (int k = 0; k < kN; ++k) of[k] += other.of[k];
  }
};

}  // namespace melgrad
