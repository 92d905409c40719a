"""Music classification: trained networks, log-mel features, metrics of tags.

    import melgrad
    network = melgrad.load("runs/waltz")          # a run folder, a model file, or a name of `melgrad models`
    answer = network.predict("song.mp3")
    print(answer.top(3))                          # [("waltz", 0.94), ("tango", 0.03), ("polka", 0.01)]

Sound is a file, or an array of float samples in -1 ... 1, [frames] or [frames, channels], with its sample rate. Float32
arrays in C order are read where they are; float64 and strided ones are copied; integers are refused, since only their
owner knows their full scale. Results are NumPy arrays.

Errors are melgrad.Error and the exception of Python's that fits (ValueError, OSError, RuntimeError), one line each. melgrad
does not differentiate in Python: train() trains by a recipe, as the program does. What the program would say
beside its answers goes to the logger "melgrad".
"""
from __future__ import annotations

import atexit as _atexit
import functools as _functools
import operator as _operator
import os as _os
from collections.abc import Iterable as _Iterable
from collections.abc import Iterator as _Iterator
from collections.abc import Sequence as _Sequence
from dataclasses import dataclass as _dataclass
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any
from typing import Union as _Union

from . import _melgrad, metrics, onnx
from . import arguments as _arguments
from ._melgrad import version as __version__
from .errors import DeviceError, DivergedError, Error, InputError, InternalError, OutputError, UsageError
from .runs import Run, read_run, train

if _TYPE_CHECKING:
    import numpy as _np
    from numpy.typing import NDArray as _NDArray

    _Floats = _NDArray[_np.float32]
    _Path = _arguments.Path
    _Sound = _Union[_Path, _NDArray[_Any], _Sequence[float]]

__all__ = ["Cache", "DeviceError", "DivergedError", "Embedding", "Error", "InputError", "InternalError", "Network",
           "OutputError", "Prediction", "Run", "UsageError", "cache", "device_features", "features", "load", "metrics", "onnx", "presets", "read",
           "read_run", "train"]


_atexit.register(_melgrad.end)


@_dataclass(frozen=True, eq=False)
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
        return sorted(pairs, key=lambda pair: -pair[1])[:max(0, count)]


@_dataclass(frozen=True, eq=False)
class Embedding:
    """What a network's last layer sees of a sound."""

    mean: _Floats  # [width], over the segments
    segments: _Floats  # [segments, width]
    starts: _Floats  # [segments] in seconds


class Network:
    """A trained network, ready to predict; made by load(). Several threads may use one: they take turns."""

    def __init__(self, model: _Path, device: str = "auto", threads: int = 0, mix: str | None = None):
        self._threads = _arguments.whole_number("threads", threads, 0, 1024)
        self._network = _melgrad.Network(_arguments.path_of(model), str(device), self._threads, str(mix or ""))

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
    def recipe(self) -> dict[str, _Any]:
        """Every setting: recipe["name"], recipe["segment"]["frames"]."""
        return _arguments.settings_of(self._network.recipe_toml)

    @property
    def device(self) -> str:
        return self._network.device

    @property
    def digest(self) -> str:
        """XXH3 of the model's file, when it was loaded."""
        return self._network.digest

    def __repr__(self) -> str:
        return f"<melgrad.Network of {len(self.classes)} classes on {self.device}>"

    def predict(self, sound: _Sound, *, sample_rate: int | None = None, ffmpeg: bool = False) -> Prediction:
        """The answer to a file, or to samples at `sample_rate` Hz. `ffmpeg`: lets the program of that name decode what
        melgrad does not read itself."""
        if _arguments.is_path(sound):
            _arguments.no_rate(sample_rate)
            path = _arguments.path_of(sound)
            return Prediction(_os.fsdecode(path), self.classes, *self._network.predict_file(path, bool(ffmpeg)))
        return Prediction(None, self.classes, *self._network.predict_samples(*_arguments.samples_of(sound, sample_rate)))

    def predict_many(self, paths: _Iterable[_Path], *, threads: int | None = None,
                     ffmpeg: bool = False) -> _Iterator[Prediction]:
        """The answers to many files in their order, decoded by `threads` (0: all cores) while others are heard. A file without
        an answer is a Prediction whose `error` says why."""
        if _arguments.is_path(paths):
            raise UsageError("predict_many: takes a list of paths; predict takes one")
        files = [_arguments.path_of(path) for path in paths]
        decoding = self._threads if threads is None else _arguments.whole_number("threads", threads, 0, 1024)
        return self._answers(files, _melgrad.Many(self._network, files, bool(ffmpeg), decoding))

    def _answers(self, files: list[bytes], many: _melgrad.Many) -> _Iterator[Prediction]:
        import numpy as np

        for path in map(_os.fsdecode, files):
            try:
                yield Prediction(path, self.classes, *many.next())
            except InputError as error:
                none = np.zeros(0, np.float32)
                yield Prediction(path, [], none, none.reshape(0, len(self.classes)), none, [], str(error))

    def embed(self, sound: _Sound, *, sample_rate: int | None = None, ffmpeg: bool = False) -> Embedding:
        """What the last layer sees of a file, or of samples at `sample_rate` Hz."""
        if _arguments.is_path(sound):
            _arguments.no_rate(sample_rate)
            return Embedding(*self._network.embed_file(_arguments.path_of(sound), bool(ffmpeg)))
        return Embedding(*self._network.embed_samples(*_arguments.samples_of(sound, sample_rate)))


    def export(self, path: _Path, *, frontend: str = "conv", segments: str = "all",
               precision: str = "f32") -> None:
        """Writes the network as ONNX, from sound to answer, as `melgrad export` does (its help has the choices)."""
        self._network.write_onnx(_arguments.path_of(path), frontend, segments, precision)


def load(model: _Path, *, device: str = "auto", threads: int = 0, mix: str | None = None) -> Network:
    """A network from a run folder, a model file (.h5, .safetensors) or a name of `melgrad models`.

    device: "cpu", "cuda:N" or "auto". threads: of the CPU, 0 for all cores. mix: how channels become one (mean, louder,
    left, right), where that is not to be as the network was trained.
    """
    return Network(model, device, threads, mix)


def presets() -> list[str]:
    """The names of presets of features."""
    return _melgrad.presets()


def read(path: _Path, sample_rate: int | None = None, *, mix: str = "mean",
         ffmpeg: bool = False) -> tuple[_Floats, int]:
    """Mono samples in -1 ... 1 of a file, and their sample rate: its own, or the one given, to which it is resampled."""
    rate = 0 if sample_rate is None else _arguments.rate_of(sample_rate)
    return _melgrad.read_sound(_arguments.path_of(path), rate, str(mix), bool(ffmpeg))


@_functools.lru_cache(maxsize=16)
def _extractor(fields: tuple[tuple[str, str], ...], device: str) -> _melgrad.Features:
    return _melgrad.Features(fields, device)


def features(sound: _Sound, *, sample_rate: int | None = None, preset: str = "dong2018", target_rate: int | None = None,
             device: str = "cpu", ffmpeg: bool = False, **settings: str | bool | int | float) -> _Floats:
    """Log-mel features [frames, bands] of a file, or of samples at `sample_rate` Hz; on the CPU with one thread.

    Sound is resampled to the preset's rate, or to target_rate. settings change the preset: n_fft, hop_length, n_mels,
    fmin, fmax, log ... (`melgrad recipes --keys`, features.*).
    """
    made: _Floats = _extracted(_melgrad.Features.of_file, _melgrad.Features.of_samples, sound, sample_rate, preset,
                               target_rate, device, ffmpeg, settings)
    return made


def device_features(sound: _Sound, *, sample_rate: int | None = None, preset: str = "dong2018",
                    target_rate: int | None = None, device: str = "cuda", ffmpeg: bool = False,
                    **settings: str | bool | int | float) -> _Any:
    """The same, left where they were computed: an array of DLPack, as torch.from_dlpack takes it without a copy."""
    return _extracted(_melgrad.Features.of_file_on_device, _melgrad.Features.of_samples_on_device, sound, sample_rate, preset,
                      target_rate, device, ffmpeg, settings)


def _extracted(of_file: _Any, of_samples: _Any, sound: _Sound, sample_rate: int | None, preset: str,
               target_rate: int | None, device: str, ffmpeg: bool, settings: dict[str, str | bool | int | float]) -> _Any:
    if target_rate is not None:
        settings["sample_rate"] = target_rate
    fields = [("preset", str(preset)), *((name, _arguments.setting_text(value)) for name, value in settings.items())]
    extractor = _extractor(tuple(fields), str(device))
    if _arguments.is_path(sound):
        _arguments.no_rate(sample_rate)
        return of_file(extractor, _arguments.path_of(sound), bool(ffmpeg))
    return of_samples(extractor, *_arguments.samples_of(sound, sample_rate))


class Cache:
    """The features of a data set, as `melgrad extract` wrote them: cache[k] is track k, [frames, bands], read when it is asked
    for."""

    def __init__(self, path: _Path):
        self._file = _melgrad.FeatureFile(_arguments.path_of(path))
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
        return {name: _arguments.guessed(text) for name, text in self._file.fields}

    def __iter__(self) -> _Iterator[_Floats]:
        return (self[k] for k in range(len(self)))

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def _place(self, track: int) -> int:
        try:
            place = _operator.index(track)
        except TypeError:
            raise UsageError(f"track {track!r}: the number of a track, from 0 to {len(self) - 1}") from None
        if not -len(self) <= place < len(self):
            raise IndexError(f"track {place} of {len(self)}")
        return place % len(self)


def cache(path: _Path) -> Cache:
    """Opens a cache of features."""
    return Cache(path)
