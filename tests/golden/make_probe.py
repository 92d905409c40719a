#!/usr/bin/env python3
"""Golden logistic regressions, by scikit-learn 1.9.1 in double precision.

    python3 make_probe.py

Writes probe.json beside this file: for each case its C, the weights of the rows, the targets, and scikit-learn's
coefficients, constants and probabilities of the very rows it was fitted to. Rows are not stored: `uniform` there and in
tests/golden.h makes the same numbers.
"""
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from make_dong2018 import uniform

HERE = Path(__file__).resolve().parent
ROWS, WIDTH, CLASSES = 60, 7, 4


def fit(x, y, c, weights):
    return LogisticRegression(C=c, tol=1e-10, max_iter=100000).fit(x, y, sample_weight=weights)


def main():
    x = uniform(301, (ROWS, WIDTH), 1).astype(np.float64)
    noise = uniform(302, (ROWS, CLASSES), 1).astype(np.float64)
    score = x[:, :CLASSES] + 0.6 * noise
    cases = []
    for c in (0.1, 1, 100):
        for weighted in (False, True):
            weights = np.where(np.arange(ROWS) % 3 == 0, 0.5, 1.0) if weighted else np.ones(ROWS)
            label = score.argmax(1)
            one = fit(x, label, c, weights)
            cases.append(
                {
                    "one_class": True,
                    "targets": np.eye(CLASSES, dtype=int)[label].tolist(),
                    "coefficients": one.coef_.tolist(),
                    "constants": one.intercept_.tolist(),
                    "probabilities": one.predict_proba(x).tolist(),
                }
            )
            tags = (score > 0.5).astype(int)
            each = [fit(x, tags[:, k], c, weights) for k in range(CLASSES)]
            cases.append(
                {
                    "one_class": False,
                    "targets": tags.tolist(),
                    "coefficients": [m.coef_[0].tolist() for m in each],
                    "constants": [m.intercept_[0] for m in each],
                    "probabilities": np.stack([m.predict_proba(x)[:, 1] for m in each], 1).tolist(),
                }
            )
            for case in cases[-2:]:
                case.update({"c": c, "weights": weights.tolist()})
    out = {"rows": ROWS, "width": WIDTH, "classes": CLASSES, "cases": cases}
    (HERE / "probe.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
