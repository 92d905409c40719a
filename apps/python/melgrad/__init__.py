"""Music classification: trained networks, log-mel features, metrics of tags.

    import melgrad
    network = melgrad.load("runs/waltz")          # a run folder, a model file, or a name of `melgrad models`
    answer = network.predict("song.mp3")
    print(answer.top(3))                          # [("waltz", 0.94), ("tango", 0.03), ("polka", 0.01)]

Sound is a file, or an array of float samples in -1 ... 1, [frames] or [frames, channels], with its sample rate. Float32
arrays in C order are read where they are; float64 and strided ones are copied; integers are refused, since only their
owner knows their full scale. Results are NumPy arrays.

Errors are melgrad.Error and the exception of Python's that fits (ValueError, OSError, RuntimeError), one line each. melgrad
does not differentiate in Python: networks are trained by the program.
"""
from __future__ import annotations

import json as _json
import os as _os
from collections.abc import Iterable as _Iterable
from collections.abc import Iterator as _Iterator
from dataclasses import dataclass as _dataclass
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any
from typing import Union as _Union

from . import _melgrad, metrics
from ._melgrad import version as __version__
from .errors import DeviceError, DivergedError, Error, InputError, InternalError, OutputError, UsageError

if _TYPE_CHECKING:
    import numpy as _np
    from numpy.typing import NDArray as _NDArray

    _Floats = _NDArray[_np.float32]
    _Sound = _Union[str, _os.PathLike[str], _NDArray[_Any]]

__all__ = ["Cache", "DeviceError", "DivergedError", "Embedding", "Error", "InputError", "InternalError", "Network",
           "OutputError", "Prediction", "UsageError", "cache", "features", "load", "metrics", "presets", "read_run"]


def _is_path(sound: _Any) -> bool:
    return isinstance(sound, (str, _os.PathLike))


def _path(path: _Any) -> bytes:
    encoded = _os.fsencode(path)
    if b"\0" in encoded:
        raise UsageError(f"{_os.fsdecode(path)!r}: no path; it holds a zero byte")
    return encoded


def _samples(sound: _Any, sample_rate: int | None) -> tuple[_Any, int]:
    """Float32 [frames, channels] in C order, without a copy where it is that already."""
    import numpy as np

    if sample_rate is None:
        raise UsageError("samples: say their sample rate, sample_rate=44100 for instance")
    if isinstance(sample_rate, bool) or sample_rate != int(sample_rate) or not 1000 <= sample_rate <= 384000:
        raise UsageError(f"sample_rate={sample_rate}: a whole number of Hz from 1000 to 384000")
    array = np.asarray(sound)
    if array.dtype not in (np.float32, np.float64):
        raise UsageError(f"samples: {array.dtype}; give float32 in -1 ... 1 (16-bit integers divided by 32768)")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise UsageError(f"samples: shape {list(np.shape(sound))}; give [frames] or [frames, channels]")
    if array.shape[1] > 64:
        raise UsageError(f"samples: shape {list(np.shape(sound))} is {array.shape[1]} channels, the limit is 64; "
                         "channels are the last axis")
    return np.ascontiguousarray(array, dtype=np.float32), int(sample_rate)


def _no_rate(sample_rate: int | None) -> None:
    if sample_rate is not None:
        raise UsageError("sample_rate: a file says its own")


def _value(text: str) -> str | bool | int | float:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


@_dataclass(frozen=True)
class Prediction:
    """What a network answers to a sound: the mean over its segments, and each of them."""

    file: str | None  # None: samples
    classes: list[str]
    probabilities: _Floats  # [classes]
    segments: _Floats  # [segments, classes]
    starts: _Floats  # [segments] in seconds
    notes: list[str]  # on the sound: silent, cut short, ...
    error: str | None = None  # predict_many alone: why there is no answer; all arrays are empty then

    @property
    def tags(self) -> dict[str, float]:
        """Every class with its probability, the most probable first."""
        return dict(self.top(len(self.classes)))

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities."""
        pairs = zip(self.classes, self.probabilities.tolist())
        return sorted(pairs, key=lambda pair: -pair[1])[:count]


@_dataclass(frozen=True)
class Embedding:
    """What a network's last layer sees of a sound."""

    mean: _Floats  # [width], over the segments
    segments: _Floats  # [segments, width]
    starts: _Floats  # [segments] in seconds


class Network:
    """A trained network, ready to predict; made by load(). Several threads may use one: they take turns."""

    def __init__(self, model: str | _os.PathLike[str], device: str = "cpu", threads: int = 0, mix: str | None = None):
        self._network = _melgrad.Network(_path(model), device, threads, mix or "")
        self._threads = threads

    @property
    def classes(self) -> list[str]:
        """Genres or tags, in the order of probabilities."""
        return self._network.classes

    @property
    def sample_rate(self) -> int:
        """Hz to which sound is resampled."""
        return self._network.sample_rate

    @property
    def segment_seconds(self) -> float:
        """Length of a segment; a shorter sound has no answer."""
        return self._network.segment_seconds

    @property
    def recipe(self) -> dict[str, dict[str, str | bool | int | float]]:
        """Every setting by section and key, recipe["segment"]["frames"]."""
        sections: dict[str, dict[str, str | bool | int | float]] = {}
        for key, text in self._network.recipe:
            section, _, name = key.rpartition(".")
            sections.setdefault(section, {})[name] = _value(text)
        return sections

    @property
    def device(self) -> str:
        return self._network.device

    @property
    def digest(self) -> str:
        """XXH3 of the model's file."""
        return self._network.digest

    def __repr__(self) -> str:
        return f"<melgrad.Network of {len(self.classes)} classes on {self.device}>"

    def predict(self, sound: _Sound, *, sample_rate: int | None = None, ffmpeg: bool = False) -> Prediction:
        """The answer to a file, or to samples at `sample_rate` Hz. `ffmpeg`: lets the program of that name decode what
        melgrad does not read itself."""
        if _is_path(sound):
            _no_rate(sample_rate)
            path = _path(sound)
            return Prediction(_os.fsdecode(path), self.classes, *self._network.predict_file(path, ffmpeg))
        return Prediction(None, self.classes, *self._network.predict_samples(*_samples(sound, sample_rate)))

    def predict_many(self, paths: _Iterable[str | _os.PathLike[str]], *, threads: int | None = None,
                     ffmpeg: bool = False) -> _Iterator[Prediction]:
        """The answers to many files in their order, decoded by `threads` (0: all cores) while others are heard. A file without
        an answer is a Prediction whose `error` says why."""
        import numpy as np

        files = [_path(path) for path in paths]
        many = _melgrad.Many(self._network, files, ffmpeg, self._threads if threads is None else threads)
        for path in map(_os.fsdecode, files):
            try:
                yield Prediction(path, self.classes, *many.next())
            except InputError as error:
                none = np.zeros(0, np.float32)
                yield Prediction(path, [], none, none.reshape(0, len(self.classes)), none, [], str(error))

    def embed(self, sound: _Sound, *, sample_rate: int | None = None, ffmpeg: bool = False) -> Embedding:
        """What the last layer sees of a file, or of samples at `sample_rate` Hz."""
        if _is_path(sound):
            _no_rate(sample_rate)
            return Embedding(*self._network.embed_file(_path(sound), ffmpeg))
        return Embedding(*self._network.embed_samples(*_samples(sound, sample_rate)))


def load(model: str | _os.PathLike[str], *, device: str = "cpu", threads: int = 0, mix: str | None = None) -> Network:
    """A network from a run folder, a model file (.h5, .safetensors) or a name of `melgrad models`.

    device: "cpu", "cuda:N" or "auto". threads: of the CPU, 0 for all cores. mix: how channels become one (mean, louder,
    left, right), where that is not to be as the network was trained.
    """
    return Network(model, device, threads, mix)


def presets() -> list[str]:
    """The names of presets of features."""
    return _melgrad.presets()


_extractors: dict[tuple[_Any, ...], _melgrad.Features] = {}


def features(sound: _Sound, *, sample_rate: int | None = None, preset: str = "dong2018", device: str = "cpu",
             threads: int = 0, ffmpeg: bool = False, **settings: str | bool | int | float) -> _Floats:
    """Log-mel features [frames, bands] of a file, or of samples at `sample_rate` Hz.

    settings change the preset: n_fft, hop_length, n_mels, fmin, fmax, log ... (`melgrad recipes --keys`, features.*).
    """
    fields = [("preset", preset)]
    for name, value in settings.items():
        fields.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    key = (tuple(fields), device, threads, _os.getpid())
    if key not in _extractors:
        if len(_extractors) >= 16:
            _extractors.pop(next(iter(_extractors)))
        _extractors[key] = _melgrad.Features(fields, device, threads)
    extractor = _extractors[key]
    if _is_path(sound):
        _no_rate(sample_rate)
        return extractor.of_file(_path(sound), ffmpeg)
    return extractor.of_samples(*_samples(sound, sample_rate))


class Cache:
    """The features of a data set, as `melgrad extract` wrote them: cache[k] is track k, [frames, bands], read when it is asked
    for."""

    def __init__(self, path: str | _os.PathLike[str]):
        self._file = _melgrad.FeatureFile(_path(path))
        self.names: list[str] = self._file.names
        self.classes: list[str] = self._file.classes

    def __len__(self) -> int:
        return len(self._file)

    def __getitem__(self, track: int) -> _Floats:
        return self._file.features(self._place(track))

    def labels(self, track: int) -> list[str]:
        """The genre of a track, or its tags."""
        return [name for name, has in zip(self.classes, self._file.labels(self._place(track))) if has]

    def split(self, track: int) -> str:
        """"train", "valid", "test", or "" where the data set says nothing."""
        return self._file.split(self._place(track))

    @property
    def settings(self) -> dict[str, str | bool | int | float]:
        """How the features were made."""
        return {name: _value(text) for name, text in self._file.fields}

    def _place(self, track: int) -> int:
        if not -len(self) <= track < len(self):
            raise IndexError(f"track {track} of {len(self)}")
        return track % len(self)


def cache(path: str | _os.PathLike[str]) -> Cache:
    """Opens a cache of features."""
    return Cache(path)


@_dataclass(frozen=True)
class Run:
    """What a run folder holds beside the network."""

    metrics: list[dict[str, _Any]]  # a row an epoch: pandas.DataFrame(run.metrics)
    events: list[dict[str, _Any]]  # skipped steps and spikes of the loss
    result: dict[str, _Any] | None  # the test; None where there was none
    about: dict[str, _Any]  # data, commit, device, times


def read_run(folder: str | _os.PathLike[str]) -> Run:
    """The figures of a run. Raises InputError for a folder that is none."""
    path = _os.fspath(folder)

    def read(name: str) -> str | None:
        try:
            with open(_os.path.join(path, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    about = read("run.json")
    if about is None:
        raise InputError(f"{path}: no run folder; there is no run.json in it")
    rows: list[dict[str, _Any]] = []
    for line in (read("metrics.jsonl") or "").splitlines():
        try:
            rows.append(_json.loads(line))
        except ValueError:  # the last line of a run that is being written, or was killed
            break
    result = read("result.json")
    return Run([r for r in rows if "event" not in r], [r for r in rows if "event" in r],
               _json.loads(result) if result else None, _json.loads(about))
