#!/usr/bin/env python3
"""Accuracy over the number of training tracks, on splits whose validation and test tracks stay as they are.

    python3 bench/learning_curve.py MELGRAD CACHE LISTS OUT.json [--recipe NAME] [--seeds 3] [--jobs 2] [--set KEY=VALUE]...

LISTS is a folder of three lists of names (*train*, *valid*, *test*), as `melgrad train --split-lists` reads them; a
genre is what stands before the first dot of a name. Of every genre the first 4, 8, 16 ... tracks of a fixed order are
trained on, so that more tracks hold all of fewer, and at last all of them; about as many steps are taken as with all.
"""
import argparse
import hashlib
import json
import subprocess
import tempfile
import tomllib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def find(lists, part):
    found = [p for p in sorted(Path(lists).iterdir()) if part in p.name]
    if not found:
        raise SystemExit(f"{lists}: no list named *{part}*; melgrad train --split-lists says what is looked for")
    return found[0]


def nested(lines, seed):
    """{tracks of each genre: lines}, the last with all of them; another order for every seed."""
    genres = defaultdict(list)
    for line in lines:
        genres[Path(line).name.split(".")[0]].append(line)
    for tracks in genres.values():
        tracks.sort(key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    most = max(map(len, genres.values()))
    sizes = [n for n in (4, 8, 16, 32, 64, 128) if n < most] + [most]
    return {n: [line for tracks in genres.values() for line in tracks[:n]] for n in sizes}


def melgrad(program, *arguments):
    """What it prints; what it says beside that is seen, and an error ends all."""
    return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def one(a, recipe, lines, total, seed, epochs):
    with tempfile.TemporaryDirectory() as scratch:
        lists, run = Path(scratch) / "lists", Path(scratch) / "run"
        lists.mkdir()
        (lists / "train.txt").write_text("\n".join(lines) + "\n")
        for part in ("valid", "test"):
            (lists / f"{part}.txt").write_text(find(a.lists, part).read_text())
        batch = int(recipe["train"]["batch"])
        steps = epochs * (total // batch)
        sets = [f"train.epochs={max(1, round(steps / max(1, len(lines) // batch)))}", *a.set]
        options = [word for s in sets for word in ("--set", s)]
        melgrad(a.melgrad, "--threads", "1", "train", a.cache, "--recipe", a.recipe, "--split-lists", str(lists),
                "--seed", str(seed), "--out", str(run), *options)
        test = json.loads(melgrad(a.melgrad, "--json", "evaluate", str(run)))["test"]
        about = json.loads((run / "run.json").read_text())
        trained = len(json.loads((run / "splits.json").read_text())["train"])
    row = dict(train=trained, seed=seed, accuracy=test["accuracy"], tracks=test["tracks"])
    print(row, flush=True)
    return row, about


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("melgrad", "cache", "lists", "out"):
        parser.add_argument(name)
    parser.add_argument("--recipe", default="gtzan-small")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--set", action="append", default=[])
    a = parser.parse_args()
    recipe = tomllib.loads(melgrad(a.melgrad, "recipes", a.recipe))
    lines = find(a.lists, "train").read_text().split()
    with ThreadPoolExecutor(a.jobs) as pool:
        jobs = [pool.submit(one, a, recipe, part, len(lines), seed, int(recipe["train"]["epochs"]))
                for seed in range(a.seeds) for part in nested(lines, seed).values()]
        rows, abouts = zip(*(job.result() for job in jobs))
    about = abouts[0]
    Path(a.out).write_text(json.dumps(dict(
        what=f"accuracy of {rows[0]['tracks']} test tracks over the number of training tracks, recipe {a.recipe}",
        date=about["started"][:10], commit=about["commit"], machine=about["device_description"],
        command=f"python3 bench/learning_curve.py melgrad {Path(a.cache).name} LISTS OUT.json --recipe {a.recipe} "
                f"--seeds {a.seeds}" + "".join(f" --set {s}" for s in a.set), rows=rows), indent=1) + "\n")


if __name__ == "__main__":
    main()
