"""Embeddings for scikit-learn: make_pipeline(Embedder("musicnn-mtt"), LogisticRegression()).fit(files, genres)."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin  # type: ignore[import-untyped, unused-ignore]

from . import Network, load
from .arguments import Path, is_path
from .errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]  # without types of their own
    """Sound files to what a trained network's last layer sees of them, [files, width]: the mean over a file's segments.

    model: a Network, or what melgrad.load takes. Nothing is fitted.
    """

    def __init__(self, model: Network | Path, device: str = "auto", threads: int = 0):
        self.model = model
        self.device = device
        self.threads = threads

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, files: Sequence[Path], y: Any = None) -> Embedder:
        return self

    def transform(self, files: Sequence[Path]) -> NDArray[np.float32]:
        if is_path(files):
            raise UsageError("Embedder: takes a list of paths")
        network = self.model
        if not isinstance(network, Network):
            network = load(network, device=self.device, threads=self.threads)
        return np.stack([network.embed(file).mean for file in files])
