#!/usr/bin/env python3
"""Golden training runs of the Dong 2018 network, computed by PyTorch in double precision.

    python3 make_dong2018.py [output folder]

Writes dong2018.json (settings, losses, index) and dong2018.bin (final weights of the small network, float32,
little-endian). tests/golden.h reads them and generates the same initial weights and batches: nothing but
results is stored. Each run is repeated in float32: its losses, and how far its final weights are from double, are stored
too, as the yardstick for any other float32 implementation.

Layouts in the files are melgrad's: activations [N, T, F, C], convolutions [O, kT, kF, C], dense [O, I] with I
flattening (T, F, C). Dropout is off. A loss is the batch's mean cross-entropy plus the L2 penalty, before the update.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

STEPS = 20
NETWORKS = {
    "small": dict(frames=40, bands=24, filters=8, classes=10, batch=6),
    "full": dict(frames=256, bands=64, filters=64, classes=10, batch=4),
}
CONV2_FILTERS, HIDDEN = 64, 32
L2 = {"conv1.weight": 0.01, "conv2.weight": 0.01, "dense1.weight": 0.02}
OPTIMIZERS = {
    "adadelta": dict(rate=1.0, rho=0.95, epsilon=1e-7, decay=1e-5),  # rate / (1 + decay t)
    "adam": dict(rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7),
    "adamw": dict(rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7, weight_decay=0.05),
    "sgd": dict(rate=0.01, momentum=0.9),
}


def generator_words(seed, count):
    """SplitMix64's output function; see golden_words in tests/golden.h."""
    i = np.arange(1, count + 1, dtype=np.uint64)
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + i * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(seed, shape, scale):
    """Uniform in [-scale, scale), exactly the same float32 numbers on every machine."""
    u = (generator_words(seed, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) * 2.0**-24
    return (np.float64(np.float32(scale)) * (2 * u - 1)).astype(np.float32).reshape(shape)


def initial_weights(net):
    t = ((net["frames"] - 2) // 4 - 4) // 4
    f = ((net["bands"] - 2) // 2 - 2) // 2
    shapes = {
        "conv1": (net["filters"], 3, 3, 1),
        "conv2": (CONV2_FILTERS, 5, 3, net["filters"]),
        "dense1": (HIDDEN, t * f * CONV2_FILTERS),
        "dense2": (net["classes"], HIDDEN),
    }
    weights = {}
    for name, shape in shapes.items():
        area = int(np.prod(shape[1:-1]))
        glorot = np.sqrt(6 / (shape[0] * area + shape[-1] * area))
        weights[name + ".weight"] = uniform(len(weights) + 1, shape, glorot)
        weights[name + ".bias"] = uniform(len(weights) + 1, shape[:1], 0.05)
    return weights


def batch(net, step):
    x = np.abs(uniform(1000 + step, (net["batch"], net["frames"], net["bands"]), 2.0))
    labels = generator_words(2000 + step, net["batch"]) % np.uint64(net["classes"])
    return x, labels.astype(np.int64)


def forward(w, x):
    """x [N, T, F] -> logits; PyTorch computes in [N, C, T, F]."""
    h = x[:, None]
    for layer in ("conv1", "conv2"):
        h = F.conv2d(h, w[layer + ".weight"].permute(0, 3, 1, 2), w[layer + ".bias"])
        h = F.max_pool2d(F.relu(h), (4, 2))
    h = h.permute(0, 2, 3, 1).flatten(1)
    h = F.relu(F.linear(h, w["dense1.weight"], w["dense1.bias"]))
    return F.linear(h, w["dense2.weight"], w["dense2.bias"])


def make_optimizer(kind, params):
    o = OPTIMIZERS[kind]
    if kind == "adadelta":
        return torch.optim.Adadelta(params, lr=o["rate"], rho=o["rho"], eps=o["epsilon"])
    if kind == "sgd":
        return torch.optim.SGD(params, lr=o["rate"], momentum=o["momentum"])
    cls = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
    return cls(params, lr=o["rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"],
               weight_decay=o.get("weight_decay", 0))


def train(net, kind, dtype):
    w = {k: torch.tensor(v, dtype=dtype, requires_grad=True) for k, v in initial_weights(net).items()}
    optimizer = make_optimizer(kind, list(w.values()))
    losses = []
    for step in range(STEPS):
        x, labels = batch(net, step)
        loss = F.cross_entropy(forward(w, torch.tensor(x, dtype=dtype)), torch.tensor(labels))
        loss = loss + sum(scale * w[name].square().sum() for name, scale in L2.items())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = OPTIMIZERS[kind]["rate"] / (1 + OPTIMIZERS[kind].get("decay", 0) * step)
        optimizer.step()
    return losses, {k: v.detach().double().numpy() for k, v in w.items()}


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    runs, blob = [], bytearray()
    for net_name, net in NETWORKS.items():
        for kind in OPTIMIZERS if net_name == "small" else ("adadelta", "adamw"):
            losses, weights = train(net, kind, torch.float64)
            losses32, weights32 = train(net, kind, torch.float32)
            error = sum(np.square(weights32[k] - v).sum() for k, v in weights.items())
            run = dict(network=net_name, optimizer=kind, losses=losses,
                       float32_losses=losses32,
                       float32_weight_nmse=error / sum(np.square(v).sum() for v in weights.values()), weights=[])
            for name, value in weights.items() if net_name == "small" else ():
                run["weights"].append(dict(name=name, shape=value.shape, offset=len(blob)))
                blob += value.astype("<f4").tobytes()
            runs.append(run)
            print(net_name, kind, losses[0], losses[-1], losses32[-1], run["float32_weight_nmse"])
    index = dict(made_with=f"PyTorch {torch.__version__}, float64, CPU", steps=STEPS, networks=NETWORKS,
                 optimizers=OPTIMIZERS, l2=L2, runs=runs)
    (folder / "dong2018.json").write_text(json.dumps(index, indent=1) + "\n")
    (folder / "dong2018.bin").write_bytes(blob)


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
