#!/usr/bin/env python3
"""What GTZAN's repeats and faults have to do with a recipe's mistakes, from the runs of `melgrad reproduce gtzan`.

    python3 bench/gtzan_mistakes.py FOLDER LISTS OUT.json [--recipe NAME] [--protocol repeat-free] [--top 30]

LISTS is the folder of the three fault-filtered lists: a track of the data that stands in none of them was left out as
faulty (repeated, of the same recording, mislabelled, distorted: Kereliuk, Sturm and Larsen 2015). Every test track counts by
its mean over the runs it was tested in.
"""
import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path


def stem(name):
    return Path(name).name.removesuffix(".wav").removesuffix(".au")


def read(path):
    return json.loads(Path(path).read_text())


def listed(lists):
    found = [p for p in Path(lists).iterdir() if any(part in p.name for part in ("train", "valid", "test"))]
    if len(found) != 3:
        sys.exit(f"{lists}: {len(found)} lists, not the three of the fault-filtered split")
    return {stem(line) for p in found for line in p.read_text().split()}


def tested(folder, recipe, protocol):
    """{track: [(genre, answer, {genre: probability})]} over the runs, and how many runs there were."""
    tracks, runs = defaultdict(list), 0
    for run in read(folder / "result.json")["runs"]:
        if run["recipe"] != recipe or run["protocol"] != protocol:
            continue
        test = read(folder / run["run"] / "result.json")["test"]
        runs += 1
        for one in test["predictions"]:
            probabilities = dict(zip(test["classes"], one["probabilities"]))
            tracks[stem(one["track"])].append((one["label"], one["answer"], probabilities))
    if not runs:
        sys.exit(f"{folder}: no run of {recipe} by {protocol}")
    return tracks, runs


def share(tracks, names):
    """Mean accuracy of these tracks, each by its mean over the runs; and how many there are."""
    rows = [sum(label == answer for label, answer, _ in tracks[n]) / len(tracks[n]) for n in names]
    return dict(tracks=len(rows), accuracy=round(sum(rows) / len(rows), 4) if rows else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("lists")
    parser.add_argument("out")
    parser.add_argument("--recipe", default="gtzan-best")
    parser.add_argument("--protocol", default="repeat-free")
    parser.add_argument("--top", type=int, default=30)
    a = parser.parse_args()
    kept = listed(a.lists)
    tracks, runs = tested(a.folder, a.recipe, a.protocol)
    mistakes = []
    for name, answers in tracks.items():
        genre = answers[0][0]
        mean = {g: sum(p[g] for _, _, p in answers) / len(answers) for g in answers[0][2]}
        taken_for = max(mean, key=mean.get)
        if taken_for != genre:
            mistakes.append(dict(track=name, taken_for=taken_for, probability=round(mean[taken_for], 3),
                                 faulty=name not in kept, runs=len(answers)))
    mistakes.sort(key=lambda m: -m["probability"])
    by_genre = {g: share(tracks, [n for n in tracks if n.split(".")[0] == g])
                for g in sorted({n.split(".")[0] for n in tracks})}
    faulty_mistakes = sum(m["faulty"] for m in mistakes)
    out = dict(what=f"mistakes of {a.recipe}, protocol {a.protocol}, {runs} runs, beside GTZAN's faults",
               faulty=share(tracks, [n for n in tracks if n not in kept]),
               others=share(tracks, [n for n in tracks if n in kept]), genres=by_genre,
               mistakes=dict(tracks=len(mistakes), faulty=faulty_mistakes), surest=mistakes[:a.top])
    Path(a.out).write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps({k: v for k, v in out.items() if k != "surest"}, indent=1))


main()
