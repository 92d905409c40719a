"""How well scores rank and pick tags: what `melgrad evaluate` prints, of anybody's scores."""
from __future__ import annotations

import json as _json
from collections.abc import Sequence as _Sequence
from typing import Any as _Any

from ._melgrad import tag_figures as _tag_figures
from .errors import UsageError as _UsageError


def tags(targets: _Any, scores: _Any, *, names: _Sequence[str] | None = None, threshold: float = 0.5,
         resamples: int = 1000, seed: int = 1, threads: int = 0) -> dict[str, _Any]:
    """Precision, recall, F1, ROC-AUC, PR-AUC and accuracy of each tag and their means, each beside the figure of one who knows
    nothing, with 95 % bootstrap intervals over tracks.

    targets [tracks, tags] of 0 and 1, scores [tracks, tags], higher for more likely. The formulas stand in
    models/metrics/tag_metrics.h.
    """
    import numpy as np

    wanted, given = np.asarray(targets), np.asarray(scores)
    if given.ndim != 2 or wanted.shape != given.shape or given.size == 0:
        raise _UsageError(f"tags: targets {list(wanted.shape)} and scores {list(given.shape)}; both are [tracks, tags]")
    for what, array in (("targets", wanted), ("scores", given)):
        if array.dtype.kind not in "fiub":
            raise _UsageError(f"tags: {what} of {array.dtype}; numbers are wanted")
    if not np.isin(wanted, (0, 1)).all():
        raise _UsageError("tags: targets are 0 or 1")
    single = np.ascontiguousarray(given, np.float32)
    if any(len(np.unique(given[:, k])) != len(np.unique(single[:, k])) for k in range(given.shape[1])):
        raise _UsageError("tags: scores differ by less than float32 tells apart; give their ranks or logarithms")
    called = [str(k) for k in range(given.shape[1])] if names is None else [str(name) for name in names]
    if len(called) != given.shape[1]:
        raise _UsageError(f"tags: {len(called)} names of {given.shape[1]} tags")
    if not (0 <= int(resamples) <= 10**6 and int(seed) >= 0 and int(threads) >= 0 and float(threshold) == threshold):
        raise _UsageError("tags: resamples are 0 to 1000000, seed and threads 0 or more, threshold a number")
    figures: dict[str, _Any] = _json.loads(_tag_figures(
        single, np.ascontiguousarray(wanted, np.uint8), called, float(threshold), int(resamples), int(seed), int(threads)))
    return figures
