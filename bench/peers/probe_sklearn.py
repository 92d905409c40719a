"""scikit-learn's LogisticRegression on the very folds, vectors and standardisation of `melgrad probe`.

Run: python3 probe_sklearn.py E.npy PROBE.json, where E.npy is what `melgrad embed ... --out E.npy` wrote (its
names beside it) and PROBE.json is `melgrad --json probe` of it or of the same embeddings in an .h5, by random
folds and one C. Prints one JSON object: both accuracies, the spread over the folds, on how many tracks the two
answer alike, the largest difference of a probability; and what scikit-learn's own shuffled stratified folds
give over several seeds, which is the noise of such a figure.
"""

import json
import sys

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEEDS = 10


def classifier(c):
    # tol far below what a probability shows: the problem is convex and has one solution.
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-8, max_iter=10000))


table, result = sys.argv[1], json.load(open(sys.argv[2]))
names = open(table.removesuffix(".npy") + ".names.txt").read().splitlines()
vectors = dict(zip(names, np.load(table).astype(np.float64)))
told = {p["track"]: p for p in result["test"]["predictions"]}
classes = result["test"]["classes"]
assert set(told) == set(names) and result["splits"] == "folds"

alike, accuracies, largest, right = 0, [], 0.0, 0
for fold in (f for f in result["fits"] if f["repeat"] == 0):
    tested = fold["tested"]
    train = [n for n in names if n not in set(tested)]
    model = classifier(fold["c"]).fit([vectors[n] for n in train], [told[n]["label"] for n in train])
    probabilities = model.predict_proba([vectors[n] for n in tested])
    order = [list(model.classes_).index(c) for c in classes]
    hits = 0
    for name, row in zip(tested, probabilities):
        answer = model.classes_[row.argmax()]
        hits += answer == told[name]["label"]
        alike += answer == told[name]["answer"]
        largest = max(largest, np.abs(row[order] - told[name]["probabilities"]).max())
    right += hits
    accuracies.append(hits / len(tested))

labels = [told[n]["label"] for n in names]
by_seed = [
    cross_val_score(
        classifier(result["fits"][0]["c"]),
        [vectors[n] for n in names],
        labels,
        cv=StratifiedKFold(len(accuracies), shuffle=True, random_state=seed),
    ).mean()
    for seed in range(SEEDS)
]
print(
    json.dumps(
        {
            "tracks": len(names),
            "melgrad": result["test"]["accuracy"],
            "scikit-learn": right / len(names),
            "scikit-learn_over_folds": {"mean": np.mean(accuracies), "deviation": np.std(accuracies, ddof=1)},
            "same_answers": alike,
            "largest_probability_difference": float(largest),
            "scikit-learn_own_folds": {"seeds": SEEDS, "mean": np.mean(by_seed), "lowest": min(by_seed),
                                       "highest": max(by_seed)},
            "version": sklearn.__version__,
        },
        indent=1,
    )
)
