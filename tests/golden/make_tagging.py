#!/usr/bin/env python3
"""Golden values of the tagging networks, computed by PyTorch in double precision.

    python3 make_tagging.py [output folder]

Writes tagging.json; tests/golden_tagging.h reads it and generates the same weights and inputs. For each network: its
number of trainable parameters at full width; at a small width, dropout off: logits and loss on a tape that trains, the
gradient of every parameter, the running statistics behind it, and the logits of an evaluation with these. For one
network the losses of twenty steps of Adam too. A tensor is stored as its norm and its products with generated vectors:
that shows any error, in a few numbers. What PyTorch reaches in float32 is the yardstick for any other float32
implementation.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from make_dong2018 import generator_words, uniform
from tagging_twins import TWINS, make_twin, named_values, own_layout

TAGS, PROJECTIONS = 10, 4
# Where two values of a pooling window are equal but for rounding, or one before a ReLU is 0, a gradient jumps: no float32
# implementation then agrees with another. So of each network the first batch counts whose gradients move by less than
# STEADY in float32, and when all weights and inputs move by a relative NUDGE, in each of TRIALS draws; or the steadiest
# of BATCHES.
NUDGE, STEADY, TRIALS, BATCHES = 3e-7, 5e-5, 8, 12
# The published number of parameters with 50 tags, where there is one, and the input that it stands for.
FULL = {
    "cnn1d": ((59049, 1), None),
    "cnn1d-rnn": ((59049, 1), None),
    "cnn1d-lstm": ((59049, 1), None),
    "cnn1d-gru": ((59049, 1), None),
    "cnn1d-chunks": ((7 * 59049, 1), None),
    "cnn2d-rnn": ((1813, 257), None),
    "cnn2d-lstm": ((1813, 257), None),
    "cnn2d-gru": ((1813, 257), None),
    "fcn": ((1813, 96), 447732),
    "crnn": ((1813, 96), 394100),
    "musicnn": ((188, 96), 784300),
    "musicnn-2019": ((187, 96), 787159),
    "vgg-2019": ((187, 96), 605748),
    "sample-cnn": ((59049, 1), 1869874),
    "sample-cnn-se": ((59049, 1), None),
    "short-chunk": ((231, 128), 3687348),
    "short-chunk-res": ((231, 128), 12104244),
    "harmonic": ((313, 257), 3631551),
    "resnet-se": ((256, 128), None),
    "modulation": ((256, 128), None),
}
# frames, bands, batch and width of the golden values. A batch norm of few rows has next to no gradient (of two rows,
# only what epsilon leaves), so networks with one behind the last pooling take larger batches.
SMALL = {
    "cnn1d": (19683, 1, 2, 1 / 8),
    "cnn1d-rnn": (6561, 1, 2, 1 / 8),
    "cnn1d-lstm": (6561, 1, 2, 1 / 8),
    "cnn1d-gru": (6561, 1, 2, 1 / 8),
    "cnn1d-chunks": (2 * 59049, 1, 2, 1 / 16),
    "cnn2d-rnn": (384, 96, 2, 1 / 8),
    "cnn2d-lstm": (384, 256, 2, 1 / 8),
    "cnn2d-gru": (384, 257, 2, 1 / 8),
    "fcn": (1280, 96, 2, 1 / 16),
    "crnn": (400, 96, 2, 1 / 8),
    "musicnn": (48, 96, 6, 1 / 8),
    "musicnn-2019": (48, 96, 6, 1 / 8),
    "vgg-2019": (68, 64, 6, 1 / 8),
    "sample-cnn": (59049, 1, 6, 1 / 16),
    "sample-cnn-se": (59049, 1, 6, 1 / 16),
    "short-chunk": (256, 128, 6, 1 / 16),
    "short-chunk-res": (160, 128, 6, 1 / 16),
    "harmonic": (313, 257, 6, 1 / 16),
    "resnet-se": (64, 128, 6, 1 / 4),
    "modulation": (72, 128, 6, 1),
}
# Adam divides by the gradient's size, and much of these networks' is near 1e-7: with the usual epsilon it magnifies
# rounding, PyTorch in float32 ends 1e-4 from double.
TRAINING = dict(network="cnn2d-gru", frames=384, bands=96, batch=4, width=0.25, steps=20, rate=1e-3, epsilon=1e-5)


def stream_of(name):
    """FNV-1a: the generator's seed for what is called `name`."""
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = (h ^ c) * 0x100000001B3 % 2**64
    return h


def initial_value(name, shape):
    """See golden::initial_value in tests/golden_tagging.h."""
    kind, scale, offset = name.rsplit(".", 1)[-1], 0.05, 0
    if len(shape) > 1:
        scale = np.sqrt(6 / (np.prod(shape[1:-1], dtype=np.int64) * (shape[0] + shape[-1])))
    elif kind in ("gamma", "running_variance"):
        scale, offset = 0.25, 1
    return uniform(stream_of(name), shape, scale) + np.float32(offset)


def set_values(twin):
    with torch.no_grad():
        for name, value in named_values(twin).items():
            if not name.startswith("filters."):  # they keep what they start from
                own = own_layout(name, value)
                own.copy_(torch.tensor(initial_value(name, own.shape)))


def batch(network, step, size, frames, bands):
    x = uniform(stream_of(f"{network} input {step}"), (size, frames, bands), 1.0)
    words = generator_words(stream_of(f"{network} targets {step}"), size * TAGS)
    targets = (words >> np.uint64(63)).astype(np.float64).reshape(size, TAGS)
    return np.abs(x) if network == "harmonic" else x, targets


def digest(name, value):
    flat = own_layout(name, value).detach().double().numpy().ravel()
    vectors = uniform(stream_of("projections"), (PROJECTIONS, flat.size), 1.0).astype(np.float64)
    return [float(f"{v:.12g}") for v in [np.linalg.norm(flat), *(vectors @ flat)]]


def nudge(generator, *tensors):
    for t in tensors:
        t *= 1 + NUDGE * (2 * torch.rand(t.shape, generator=generator, dtype=t.dtype) - 1)


def golden_run(network, draw, dtype, trial=None):
    """With the batch of step `draw`; of a `trial`, weights and inputs are nudged."""
    frames, bands, size, width = SMALL[network]
    twin = make_twin(network, width, TAGS, frames, bands).to(dtype)
    set_values(twin)
    x, targets = (torch.tensor(a, dtype=dtype) for a in batch(network, draw, size, frames, bands))
    if trial is not None:
        with torch.no_grad():
            nudge(torch.Generator().manual_seed(trial), x, *twin.parameters())
    logits = twin.train()(x)
    loss = F.binary_cross_entropy_with_logits(logits, targets)
    loss.backward()
    values = named_values(twin)
    kept = {k: v if v.grad is None else v.grad for k, v in values.items()}
    with torch.no_grad():
        evaluated = twin.eval()(x)
    return dict(loss=loss.item(), logits=logits.detach().double().flatten().tolist(),
                evaluated=evaluated.double().flatten().tolist(),
                tensors=[dict(name=k, shape=list(own_layout(k, v).shape), digest=digest(k, v))
                         for k, v in kept.items()])


def is_gradient(name):
    return not name.endswith(("running_mean", "running_variance")) and (
        not name.startswith("filters.") or name == "filters.q")


def deviation(a, b):
    return float(np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(b))


def tensor_deviation(ours, exact):
    """Of the worst tensor, relative to its norm, estimated from the products; golden::tensor_scales says more."""
    norms = {b["name"]: b["digest"][0] for b in exact}
    whole = np.linalg.norm([v for name, v in norms.items() if is_gradient(name)])
    worst = 0.0
    for a, b in zip(ours, exact):
        scale = norms[b["name"]]
        if is_gradient(b["name"]):
            scale = max(scale, 0.01 * whole, norms.get(b["name"].replace(".bias", ".weight"), 0))
        worst = max(worst, np.sqrt(3 * np.square(np.subtract(a["digest"], b["digest"])[1:]).mean()) / scale)
    return float(worst)


def steady_runs(network):
    """The number of that batch, its run in double and in single precision."""
    best = (float("inf"),)
    for draw in range(BATCHES):
        exact, single = golden_run(network, draw, torch.float64), golden_run(network, draw, torch.float32)
        moved = tensor_deviation(single["tensors"], exact["tensors"])
        for trial in range(TRIALS):
            if moved > best[0]:
                break
            nudged = golden_run(network, draw, torch.float64, trial)
            moved = max(moved, tensor_deviation(nudged["tensors"], exact["tensors"]))
        best = min(best, (moved, draw, exact, single), key=lambda b: b[0])
        if best[0] <= STEADY:
            break
    print(f"{network}: batch {best[1]}, gradients move by {best[0]:.1e}")
    return best[1:]


def train(dtype):
    t = TRAINING
    twin = make_twin(t["network"], t["width"], TAGS, t["frames"], t["bands"]).to(dtype).train()
    set_values(twin)
    optimizer = torch.optim.Adam(twin.parameters(), lr=t["rate"], eps=t["epsilon"])
    losses = []
    for step in range(t["steps"]):
        x, targets = batch(t["network"], step, t["batch"], t["frames"], t["bands"])
        loss = F.binary_cross_entropy_with_logits(twin(torch.tensor(x, dtype=dtype)), torch.tensor(targets, dtype=dtype))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def count(network, tags):
    shape, published = FULL[network]
    n = sum(p.numel() for p in make_twin(network, 1, tags, *shape).parameters())
    assert tags != 50 or published in (None, n), f"{network}: {n} parameters, {published} published"
    return n


def as_text(value, depth=2):
    """JSON with one line for each leaf of the first `depth` levels of objects and lists of objects."""
    if depth and isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(k)}: {as_text(v, depth - 1)}" for k, v in value.items()) + "\n}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(as_text(v, 1 if "tensors" in v else 0) for v in value) + "\n]"
    return json.dumps(value)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    networks = []
    for name in TWINS:
        frames, bands, size, width = SMALL[name]
        draw, exact, single = steady_runs(name)
        float32 = dict(logits=deviation(single["logits"], exact["logits"]),
                       tensors=tensor_deviation(single["tensors"], exact["tensors"]),
                       evaluated=deviation(single["evaluated"], exact["evaluated"]))
        networks.append(dict(name=name, full_input=FULL[name][0], parameters={str(t): count(name, t) for t in (10, 50)},
                             frames=frames, bands=bands, batch=size, draw=draw, width=width, float32=float32, **exact))
        print(name, networks[-1]["parameters"], exact["loss"], float32)
    losses, losses32 = train(torch.float64), train(torch.float32)
    print(losses[0], losses[-1], max(abs(a / b - 1) for a, b in zip(losses32, losses)))
    index = dict(made_with=f"PyTorch {torch.__version__}, float64, CPU", tags=TAGS, networks=networks,
                 training=TRAINING | dict(losses=losses, float32_losses=losses32))
    (folder / "tagging.json").write_text(as_text(index) + "\n")


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
