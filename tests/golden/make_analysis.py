#!/usr/bin/env python3
"""Golden figures of `melgrad analyze`: librosa 0.11, scipy 1.17, scikit-learn 1.9, in double precision.

    python3 make_analysis.py

Writes analysis.json beside this file:
  content      librosa's spectral measures of mel_input.f32 (make_mel.py), the means over the frames that are at most
               60 dB weaker than the strongest
  rank_tests   scipy.stats.mannwhitneyu, method "asymptotic"
  components   PCA of a wide table and of a tall one
  groups       LinearDiscriminantAnalysis of four groups: coordinates and answers for other rows
  projection   a table of two groups, its PCA and its discriminant (StandardScaler, PCA, LinearDiscriminantAnalysis),
               and the discriminant's ROC-AUC on five folds of rows in sequence
"""
import json
from pathlib import Path

import librosa
import numpy as np
import scipy
import sklearn
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
RATE, N_FFT, HOP = 22050, 1024, 256


def content():
    y = np.fromfile(HERE / "mel_input.f32", "<f4").astype(np.float64)
    spectrum = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP, center=False, dtype=np.complex128))
    power = (spectrum**2).sum(axis=0)
    loud = power >= 1e-6 * power.max()
    mean = lambda values: float(values[0, loud].mean())
    rms = librosa.feature.rms(y=y, frame_length=len(y), hop_length=len(y), center=False, dtype=np.float64)[0, 0]
    return {
        "level": float(20 * np.log10(rms)),
        "zero_crossings": int(librosa.zero_crossings(y, pad=False).sum()) / (len(y) - 1),
        "centroid": mean(librosa.feature.spectral_centroid(S=spectrum, sr=RATE)),
        "roll_off": mean(librosa.feature.spectral_rolloff(S=spectrum, sr=RATE, roll_percent=0.85)),
        "flatness": mean(librosa.feature.spectral_flatness(S=spectrum)),
        "frames": len(loud),
        "loud_frames": int(loud.sum()),
    }


def rank_tests(rng):
    samples = [
        ("shifted", rng.normal(0.4, 1, 60), rng.normal(0, 1.5, 85)),
        ("ties", rng.integers(0, 6, 40), rng.integers(1, 7, 30)),
        ("apart", np.arange(20), np.arange(30) + 100),
        ("equal", np.arange(12), np.arange(12)),
        ("constant", np.full(9, 2), np.full(11, 2)),
        ("large", np.round(rng.gamma(2, 1, 700), 2), np.round(rng.gamma(2.5, 1, 900), 2)),
    ]
    for name, a, b in samples:
        a, b = np.round(a, 6), np.round(b, 6)
        test = mannwhitneyu(a, b, alternative="two-sided", method="asymptotic")
        auc = test.statistic / (len(a) * len(b))
        yield {"name": name, "a": a.tolist(), "b": b.tolist(), "auc": float(auc), "p": float(test.pvalue)}


def projection(rng):
    columns, sizes = 8, (45, 70)
    mix = rng.normal(size=(columns, columns)) * np.geomspace(1, 0.05, columns)[:, None]
    second = rng.permutation(np.repeat([0, 1], sizes))
    x = rng.normal(size=(sum(sizes), columns)) @ mix * np.geomspace(0.01, 1000, columns) + 50
    x += np.outer(second, rng.normal(size=columns) * 0.5 * x.std(axis=0))
    x[:, 3] = 7  # no spread at all
    x = np.round(x, 6)
    pca = make_pipeline(StandardScaler(), PCA()).fit(x)
    share = pca[1].explained_variance_ratio_
    kept = int(np.searchsorted(np.cumsum(share), 0.95)) + 1
    model = lambda: make_pipeline(StandardScaler(), PCA(kept), LinearDiscriminantAnalysis())
    fold = np.empty(len(x), int)
    for group in (0, 1):
        members = np.flatnonzero(second == group)
        fold[members] = np.arange(len(members)) * 5 // len(members)
    aucs = []
    for f in range(5):
        train, test = fold != f, fold == f
        # How many axes hold 95 % is decided anew for each fold.
        ratio = make_pipeline(StandardScaler(), PCA()).fit(x[train])[1].explained_variance_ratio_
        k = int(np.searchsorted(np.cumsum(ratio), 0.95)) + 1
        line = make_pipeline(StandardScaler(), PCA(k), LinearDiscriminantAnalysis()).fit(x[train], second[train])
        aucs.append(roc_auc_score(second[test], line.decision_function(x[test])))
    return {
        "rows": x.tolist(),
        "second": second.tolist(),
        "share": share.tolist(),
        "coordinates": pca.transform(x)[:, :3].tolist(),
        "axes_kept": kept,
        "line": model().fit(x, second).transform(x)[:, 0].tolist(),
        "fold_aucs": [float(a) for a in aucs],
    }


def components(rng):
    for name, rows, columns, count in [("wide", 14, 40, 5), ("tall", 40, 6, 6)]:
        x = np.round(rng.normal(size=(rows, columns)) * np.geomspace(3, 0.1, columns) + 2, 4)
        pca = PCA(count, svd_solver="full").fit(x)
        share = pca.explained_variance_ratio_
        yield {"name": name, "rows": x.tolist(), "variance": pca.explained_variance_.tolist(), "kept": float(share.sum()),
               "coordinates": pca.transform(x).tolist()}


def groups(rng):
    sizes, columns = (30, 18, 25, 9), 6
    mix = rng.normal(size=(columns, columns))
    draw = lambda: np.round(np.concatenate([rng.normal(size=(n, columns)) @ mix + k * np.arange(columns) * 0.3
                                            + np.eye(columns)[k] * 2 for k, n in enumerate(sizes)]), 4)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x, others = draw(), draw()
    lda = LinearDiscriminantAnalysis().fit(x, group)
    return {"rows": x.tolist(), "group": group.tolist(), "others": others.tolist(),
            "coordinates": lda.transform(others).tolist(), "answer": lda.predict(others).tolist()}


def main():
    rng = np.random.Generator(np.random.PCG64(1947))
    versions = f"librosa {librosa.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    out = {
        "made_by": versions,
        "content": content(),
        "rank_tests": list(rank_tests(rng)),
        "projection": projection(rng),
        "components": list(components(rng)),
        "groups": groups(rng),
    }
    (HERE / "analysis.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(versions)
    print(out["content"])
    print([(t["name"], t["auc"], t["p"]) for t in out["rank_tests"]])
    print("right:", sum(a == g for a, g in zip(out["groups"]["answer"], out["groups"]["group"])))
    print(out["projection"]["axes_kept"], out["projection"]["fold_aucs"], out["projection"]["share"])


if __name__ == "__main__":
    main()
