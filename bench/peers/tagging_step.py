#!/usr/bin/env python3
"""A training step of every tagging network, in melgrad and in PyTorch, in turn on the same machine; one JSON.

    tagging_step.py MELGRAD_BENCH [--networks cnn1d crnn ...] [--rounds 3]

Shapes, batch and optimizer are those of models/recipes/mtat-<network>.toml: the names of melgrad_bench's cases say
which. PyTorch's networks are the twins that the golden values of the tests come from (tests/golden/tagging_twins.py),
channels last where they are two-dimensional, without dropout; both use all cores. Rounds alternate between the
programs, and each gives its best, so that a busy moment hits none of them.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "golden"))
from tagging_twins import TWINS, make_twin  # noqa: E402

TAGS, STEPS = 10, 3


def cases(program):
    """{network: (case, frames, bands, batch)}"""
    names = subprocess.run([program, "--benchmark_list_tests"], capture_output=True, text=True, check=True).stdout
    found = {}
    for name in names.split():
        kind, _, rest = name.partition("/")
        if kind.startswith("mtat-") and kind.endswith("_step") and "/cpu/" in rest:
            found[kind[5:-5]] = (name, *map(int, rest.split("/")[0].split("x")))
    return found


def melgrad_step(program, case):
    command = [program, f"--benchmark_filter=^{case}$", "--benchmark_format=json", "--benchmark_min_time=0.01"]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    run = json.loads(out)["benchmarks"][0]
    assert run["time_unit"] == "ms"
    return run["real_time"] / 1000, dict(parameters=round(run["parameters"]), step_MB=round(run["step_MB"]))


def torch_step(network, frames, bands, batch):
    """Best seconds of a step; in a process of its own, so that its memory is gone afterwards."""
    torch.manual_seed(0)
    twin = make_twin(network, 1, TAGS, frames, bands).float().train()
    if not network.startswith(("cnn1d", "sample")):
        twin = twin.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(twin.parameters(), lr=1e-3, eps=1e-8)
    x, targets = torch.rand(batch, frames, bands), (torch.rand(batch, TAGS) < 0.3).float()
    best = float("inf")
    for step in range(1 + STEPS):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(twin(x), targets).backward()
        optimizer.step()
        if step > 0:
            best = min(best, time.perf_counter() - began)
    return best


def torch_step_elsewhere(*arguments):
    # glibc otherwise returns PyTorch's large blocks to the kernel after each use, which can double its time.
    environment = os.environ | dict(MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="4294967296")
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True).stdout)


def main():
    if sys.argv[1:2] == ["--one"]:
        print(torch_step(sys.argv[2], *map(int, sys.argv[3:])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="MELGRAD_BENCH")
    parser.add_argument("--networks", nargs="*", choices=list(TWINS), default=list(TWINS))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    known, networks = cases(args.program), {}
    for network in args.networks:
        case, frames, bands, batch = known[network]
        ours = theirs = float("inf")
        for _ in range(args.rounds):
            seconds, counters = melgrad_step(args.program, case)
            ours, theirs = min(ours, seconds), min(theirs, torch_step_elsewhere(network, frames, bands, batch))
        networks[network] = dict(shape=[batch, frames, bands], **counters, melgrad_seconds=round(ours, 4),
                                 torch_seconds=round(theirs, 4), torch_over_melgrad=round(theirs / ours, 2))
        print(network, networks[network], file=sys.stderr)
    out = dict(what="a training step, batch and shape of the recipe, 10 tags; step_MB: melgrad's activations and gradients",
               torch=torch.__version__, threads=os.cpu_count(), networks=networks)
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
