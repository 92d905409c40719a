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
    if given.ndim != 2 or wanted.shape != given.shape:
        raise _UsageError(f"tags: targets {list(wanted.shape)} and scores {list(given.shape)}; both are [tracks, tags]")
    if not np.isin(wanted, (0, 1)).all():
        raise _UsageError("tags: targets are 0 or 1")
    called = list(names) if names is not None else [str(k) for k in range(given.shape[1])]
    if len(called) != given.shape[1]:
        raise _UsageError(f"tags: {len(called)} names of {given.shape[1]} tags")
    figures: dict[str, _Any] = _json.loads(_tag_figures(
        np.ascontiguousarray(given, np.float32), np.ascontiguousarray(wanted, np.uint8), called, threshold, resamples, seed,
        threads))
    return figures
