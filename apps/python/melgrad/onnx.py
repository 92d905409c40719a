"""Exported networks beside the networks that they were exported from."""
from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from . import Network


def check(file: str | _os.PathLike[str], sound: str | _os.PathLike[str], network: Network) -> float:
    """The largest difference between the probabilities of a sound's segments by `network` and by onnxruntime, which has to be
    installed, on a file that network.export wrote with segments="all". Above 1e-4 something is wrong."""
    import onnxruntime  # type: ignore[import-untyped]

    from . import read

    session = onnxruntime.InferenceSession(_os.fspath(file), providers=["CPUExecutionProvider"])
    samples, rate = read(sound, network.sample_rate)
    theirs: _Any = session.run(["segments"], {"audio": samples})[0]
    return float(abs(theirs - network.predict(samples, sample_rate=rate).segments).max())
