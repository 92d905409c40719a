#!/usr/bin/env python3
"""Golden multi-label metrics, computed by scikit-learn 1.9.1 in double precision.

    python3 make_metrics.py

Writes metrics.json beside this file: cases of float32 scores and targets [tracks, tags] with the expected figures per
tag and their macro means. The scores of "many" are not stored: `uniform` below and in tests/golden.h makes the same
numbers. A tag of one class is null but for its accuracy (models/metrics/tag_metrics.h); where scikit-learn defines a figure for it
by convention, that is not used.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics

from make_dong2018 import uniform

HERE = Path(__file__).resolve().parent
FIGURES = ["precision", "recall", "f1", "roc_auc", "pr_auc", "accuracy"]


def figures(scores, targets, threshold):
    scores = scores.astype(np.float64)
    predicted = scores >= threshold
    out = dict.fromkeys(FIGURES)
    out["accuracy"] = metrics.accuracy_score(targets, predicted)
    if 0 < targets.sum() < len(targets):
        out["precision"] = metrics.precision_score(targets, predicted, zero_division=0)
        out["recall"] = metrics.recall_score(targets, predicted)
        out["f1"] = metrics.f1_score(targets, predicted)
        out["roc_auc"] = metrics.roc_auc_score(targets, scores)
        out["pr_auc"] = metrics.average_precision_score(targets, scores)
    return {name: None if value is None else float(value) for name, value in out.items()}


def macro(tags):
    values = {name: [tag[name] for tag in tags if tag[name] is not None] for name in FIGURES}
    return {name: float(np.mean(v)) if v else None for name, v in values.items()}


def make_cases():
    rng = np.random.Generator(np.random.PCG64(2016))
    n = 40
    smooth = rng.random((n, 4))
    labels = (rng.random((n, 4)) < 0.3 + 0.4 * smooth).astype(int)
    one_class = labels.copy()
    one_class[:, 1], one_class[:, 3] = 0, 1
    single = np.zeros((n, 3), int)
    single[7, :] = 1
    ranked = rng.random((n, 3)) * 0.5
    ranked[7] = [0.9, 0.25, 0.0]  # found first, somewhere in the middle, last
    constant = np.stack([np.full(n, 0.5), np.full(n, 0.2), np.zeros(n), np.ones(n)], axis=1)
    yield "smooth", smooth, labels, 0.5
    yield "other_threshold", smooth, labels, 0.2
    yield "nothing_predicted", smooth * 0.4, labels, 0.5
    yield "ties", np.round(smooth * 4) / 4, labels, 0.5
    yield "quantised", np.round(smooth * 10) / 10, labels, 0.3  # 0.3 as float32 is above 0.3
    yield "one_class", smooth, one_class, 0.5
    yield "constant", constant, labels, 0.5
    yield "single_positive", ranked, single, 0.5
    yield "one_track", smooth[:1], labels[:1], 0.5


def make_many():
    """3,000 tracks of 5 tags, from common to rare; every third score is rounded, so that some tie."""
    scores = uniform(31, (3000, 5), 1.0)
    scores[::3] = np.round(scores[::3] * 32) / 32
    rarity = np.array([-0.4, 0.2, 0.8, 1.2, 1.6], np.float32)
    return scores, (uniform(32, (3000, 5), 1.0) < scores - rarity).astype(int)


def main():
    out = {"made_by": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}", "cases": []}
    cases = [(name, scores.astype(np.float32), targets, threshold, True) for name, scores, targets, threshold in make_cases()]
    cases.append(("many", *make_many(), 0.25, False))
    for name, scores, targets, threshold, stored in cases:
        tags = [figures(scores[:, t], targets[:, t], threshold) for t in range(scores.shape[1])]
        case = {"name": name, "threshold": threshold, "shape": scores.shape, "tags": tags, "macro": macro(tags)}
        if stored:
            case["scores"] = [float(f"{x:.9g}") for x in scores.ravel()]
            case["targets"] = targets.ravel().tolist()
        else:
            case["positives"] = targets.sum(axis=0).tolist()
        out["cases"].append(case)
    (HERE / "metrics.json").write_text(json.dumps(out, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
    print(out["made_by"], len(out["cases"]), "cases")


if __name__ == "__main__":
    main()
