#!/usr/bin/env python3
"""Golden results of recurrent layers, computed by PyTorch's RNN (tanh), LSTM and GRU in double precision.

    python3 make_recurrent.py [output folder]

Writes recurrent.json (settings, index) and recurrent.bin (results, float32, little-endian). Inputs, weights and the
gradients of the results come from the generator of make_dong2018.py; tests/ops/recurrent_golden_test.cpp makes the same.

A layer has its input projection (w, b_input) and its recurrence (u, b). The loss is sum(y * dy) + sum(h_last * dh_last):
y of the last layer [T, N, directions H], h_last of all layers and directions, of each sequence after its own last step.
With lengths y is 0 beyond them (pack_padded_sequence). In the names of results, layer0 is the first layer and
layer0_reverse the other direction of a bidirectional one.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from make_dong2018 import uniform

STEPS, BATCH, INPUTS, HIDDEN = 7, 3, 5, 4
LENGTHS = [4, 7, 1]
CELLS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
PARAMS = {"w": "weight_ih", "u": "weight_hh", "b_input": "bias_ih", "b": "bias_hh"}


def generated(seed, shape, scale):
    return torch.tensor(uniform(seed, tuple(shape), scale), dtype=torch.float64)


def run(cell, layers, bidirectional, lengths):
    net = CELLS[cell](INPUTS, HIDDEN, layers, bidirectional=bidirectional, dtype=torch.float64)
    units = [(k, end) for k in range(layers) for end in ("", "_reverse")[: 1 + bidirectional]]
    params = {}
    for k, end in units:
        for name, theirs in PARAMS.items():
            params[f"layer{k}{end}.{name}"] = param = getattr(net, f"{theirs}_l{k}{end}")
            param.data = generated(len(params), param.shape, 0.5)
    x = generated(1000, (STEPS, BATCH, INPUTS), 2).requires_grad_()
    if lengths is None:
        y, last = net(x)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        y, last = net(packed)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=STEPS)
    h_last = last[0] if cell == "lstm" else last
    loss = (y * generated(2000, y.shape, 1)).sum() + (h_last * generated(3000, h_last.shape, 1)).sum()
    loss.backward()
    results = {"y": y, "h_last": h_last, "dx": x.grad}
    results.update({"d " + name: param.grad for name, param in params.items()})
    return {name: value.detach().numpy() for name, value in results.items()}


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    runs, blob = [], bytearray()
    for cell in CELLS:
        for layers, bidirectional in ((1, False), (2, False), (1, True)):
            for lengths in (None, LENGTHS):
                results = []
                for name, value in run(cell, layers, bidirectional, lengths).items():
                    results.append(dict(name=name, shape=value.shape, offset=len(blob)))
                    blob += value.astype("<f4").tobytes()
                runs.append(dict(cell=cell, layers=layers, bidirectional=bidirectional, lengths=lengths or [],
                                 results=results))
    index = dict(made_with=f"PyTorch {torch.__version__}, float64, CPU", steps=STEPS, batch=BATCH, inputs=INPUTS,
                 hidden=HIDDEN, runs=runs)
    (folder / "recurrent.json").write_text(json.dumps(index) + "\n")
    (folder / "recurrent.bin").write_bytes(blob)
    print(len(runs), "runs,", len(blob), "bytes")


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
