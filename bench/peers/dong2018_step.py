#!/usr/bin/env python3
"""A training step of the Dong 2018 network on the CPU, in melgrad and in every form PyTorch offers, in turn; one JSON.

    dong2018_step.py MELGRAD_BENCH [--rounds 3]

Batch 150 of 256 frames x 64 bands, the author's recipe. PyTorch runs eager, channels last, compiled (torch.compile, needs
a C++ compiler), both, and with bf16 autocast; each in a process of its own with glibc told to keep memory. All use all
cores; every form gives its best step of all rounds.
"""
import argparse
import json
import os
import subprocess
import sys
import time
import types

FORMS = ["eager", "channels_last", "compiled", "channels_last+compiled", "bf16", "channels_last+bf16"]
BATCH, FRAMES, BANDS, STEPS = 150, 256, 64, 4
CASE = f"^dong2018_step/{FRAMES}x{BANDS}x{BATCH}/cpu/"


def torch_step(form):
    import torch
    import torch.nn.functional as F
    from dong2018_torch import RECIPES, Dong2018

    torch.manual_seed(0)
    recipe = types.SimpleNamespace(**RECIPES["dong2018"] | dict(segment_frames=FRAMES))
    net, x = Dong2018(recipe, BANDS, 10).train(), torch.rand(BATCH, 1, FRAMES, BANDS)
    if "channels_last" in form:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,))
    optimizer = torch.optim.Adadelta(net.parameters(), lr=recipe.rate, rho=recipe.rho, eps=recipe.epsilon)

    def forward_backward():
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in form):
            loss = F.cross_entropy(net(x), labels)
        (loss + net.penalty()).backward()

    body = torch.compile(forward_backward) if "compiled" in form else forward_backward
    best = float("inf")
    for step in range(2 + STEPS):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        body()
        optimizer.step()
        if step >= 2:
            best = min(best, time.perf_counter() - began)
    return dict(seconds=best, torch=torch.__version__, threads=torch.get_num_threads())


def torch_elsewhere(form):
    environment = os.environ | dict(MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="4294967296")
    run = subprocess.run([sys.executable, __file__, "--one", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, env=environment)
    if run.returncode != 0:
        return dict(error=run.stderr.strip().splitlines()[-1] if run.stderr.strip() else str(run.returncode))
    return json.loads(run.stdout.splitlines()[-1])


def melgrad_step(program):
    command = [program, f"--benchmark_filter={CASE}", "--benchmark_format=json", "--benchmark_min_time=0.5"]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    case = json.loads(out)["benchmarks"][0]
    assert case["time_unit"] == "ms"
    return case["real_time"] / 1000


def main():
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(torch_step(sys.argv[2])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="MELGRAD_BENCH")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ours, theirs, failed = float("inf"), {}, {}
    for _ in range(args.rounds):
        ours = min(ours, melgrad_step(args.program))
        for form in FORMS:
            run = torch_elsewhere(form)
            if "error" in run:
                failed[form] = run["error"]
                continue
            version, threads = run["torch"], run["threads"]
            theirs[form] = min(theirs.get(form, float("inf")), run["seconds"])
            print(f"melgrad {ours:.3f} s, PyTorch {form} {run['seconds']:.3f} s", file=sys.stderr)
    rounded = lambda values: {k: round(v, 4) for k, v in values.items()}
    json.dump(dict(what=f"a training step of dong2018, batch {BATCH}, {FRAMES} x {BANDS}", torch=version, threads=threads,
                   melgrad_seconds=round(ours, 4), torch_seconds=rounded(theirs), torch_failed=failed,
                   best_torch_over_melgrad=round(min(theirs.values()) / ours, 2)), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
