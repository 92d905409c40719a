"""Caches of features as data sets of PyTorch: DataLoader(Tracks("features.h5"), num_workers=4)."""
from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]

from . import Cache
from .arguments import Path


class Tracks(torch.utils.data.Dataset):  # type: ignore[misc, type-arg, unused-ignore]
    """Track k as (features [frames, bands], labels [classes] of 0 and 1), tensors of float32 on what was read."""

    def __init__(self, path: Path):
        self.path = path
        self._opened = (os.getpid(), Cache(path))

    @property
    def cache(self) -> Cache:
        """Opened anew in each process: two may not read through one handle."""
        if self._opened[0] != os.getpid():
            self._opened = (os.getpid(), Cache(self.path))
        return self._opened[1]

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, track: int) -> tuple[Any, Any]:
        own = self.cache.labels(track)
        labels = np.array([name in own for name in self.cache.classes], np.float32)
        return torch.from_numpy(self.cache[track]), torch.from_numpy(labels)

    def __reduce__(self) -> tuple[type[Tracks], tuple[Path]]:
        return Tracks, (self.path,)
