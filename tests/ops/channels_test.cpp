#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

TEST_P(OpTest, scale_channels_forward) {
  for (const cases::Channels& p : cases::channels()) {
    SCOPED_TRACE(p.name);
    Random random(1);
    const auto x = random.array<float>(p.x), g = random.array<float>({p.x[0], p.x[2]});
    Check c = check("scale_channels_forward");
    const Tensor tx = c.input(x), tg = c.input(g),
                 y = c.output_exact(reference::scale_channels_forward(x, g));
    c.run([&](Ops& ops) { ops.scale_channels_forward(tx, tg, y); });
  }
}

TEST_P(OpTest, scale_channels_backward) {
  for (const cases::Channels& p : cases::channels()) {
    SCOPED_TRACE(p.name);
    Random random(1);
    const auto x = random.array<float>(p.x), g = random.array<float>({p.x[0], p.x[2]}),
               dy = random.array<float>(p.x);
    const auto expected = reference::scale_channels_backward(x.as<double>(), g.as<double>(), dy.as<double>());
    Check c = check("scale_channels_backward");
    const Tensor tx = c.input(x), tg = c.input(g), tdy = c.input(dy);
    const Grad& dx = c.gradient(expected.dx, tolerance::kElementwise);
    const Grad& dg = c.gradient(expected.dg, tolerance::kReduction);
    c.run([&](Ops& ops) { ops.scale_channels_backward(tx, tg, tdy, dx, dg); });
  }
}

// Each of the two Writes is its own.
TEST_P(OpTest, scale_channels_backward__writes) {
  Random random(1);
  const Shape shape{3, 31, 33};
  const auto x = random.array<float>(shape), g = random.array<float>({3, 33}),
             dy = random.array<float>(shape), before = random.array<float>({3, 33});
  const auto expected = reference::scale_channels_backward(x.as<double>(), g.as<double>(), dy.as<double>());
  Check c = check("scale_channels_backward");
  const Tensor tx = c.input(x), tg = c.input(g), tdy = c.input(dy),
               dx = c.output(expected.dx, tolerance::kElementwise),
               dg = c.state(before, before.as<double>() + expected.dg, tolerance::kReduction);
  c.run([&](Ops& ops) {
    ops.scale_channels_backward(tx, tg, tdy, {dx, Write::overwrite}, {dg, Write::accumulate});
  });
}

TEST_P(OpTest, copy_columns) {
  struct Case {
    Index rows, from_width, from_column, to_width, to_column, columns;
  };
  for (const Case& k : {Case{1, 1, 0, 1, 0, 1}, Case{31, 33, 0, 33, 0, 33}, Case{257, 3, 1, 31, 30, 1},
                        Case{33, 257, 3, 64, 7, 57}, Case{3, 31, 0, 288, 257, 31}})
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      Random random(1);
      const auto from = random.array<float>({k.rows, k.from_width}),
                 before = random.array<float>({k.rows, k.to_width});
      Check c = check("copy_columns");
      const Tensor tfrom = c.input(from),
                   to = c.state_exact(before, reference::copy_columns(from, k.from_column, before,
                                                                      k.to_column, k.columns, write));
      c.run([&](Ops& ops) { ops.copy_columns(tfrom, k.from_column, to, k.to_column, k.columns, write); });
    }
}

TEST_P(OpTest, swap_axes) {
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{1, 257, 3}, Shape{31, 33, 1}, Shape{3, 31, 257},
                             Shape{257, 3, 33}, Shape{33, 31, 3}}) {
    SCOPED_TRACE(shape.str());
    const auto x = Random(1).array<float>(shape);
    Check c = check("swap_axes");
    const Tensor tx = c.input(x);
    const Grad& y = c.gradient(reference::swap_axes(x).as<double>(), tolerance::kExact);
    c.run([&](Ops& ops) { ops.swap_axes(tx, y); });
  }
}

}  // namespace
}  // namespace melgrad
