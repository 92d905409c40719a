"""What callers give, as the extension takes it. Not for callers."""
from __future__ import annotations

import json
import operator
import os
from typing import Any, Union

from .errors import UsageError

Path = Union[str, bytes, "os.PathLike[str]"]


def is_path(sound: Any) -> bool:
    return isinstance(sound, (str, bytes, os.PathLike))


def path_of(path: Any) -> bytes:
    if not is_path(path):
        raise UsageError(f"{path!r}: a {type(path).__name__}, and no path")
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise UsageError(f"{os.fsdecode(path)!r}: no path; it holds a zero byte")
    return encoded


def whole_number(name: str, value: Any, least: int, most: int, unit: str = "") -> int:
    """A whole number within bounds, of any type that is one."""
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name}={value!r}: a whole number{unit} from {least} to {most}") from None
    if isinstance(value, bool) or not least <= number <= most:
        raise UsageError(f"{name}={value!r}: a whole number{unit} from {least} to {most}")
    return number


def rate_of(value: Any) -> int:
    return whole_number("sample_rate", value, 1000, 384000, " of Hz")


def samples_of(sound: Any, sample_rate: int | None) -> tuple[Any, int]:
    """Float32 [frames, channels] in C order, without a copy where it is that already."""
    import numpy as np

    if sound is None:
        raise UsageError("None: neither a path nor samples")
    if sample_rate is None:
        raise UsageError("samples: say their sample rate, sample_rate=44100 for instance")
    rate = rate_of(sample_rate)
    array = np.asarray(sound)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise UsageError(f"samples: {array.dtype}; give float32 in -1 ... 1 (16-bit integers divided by 32768)")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise UsageError(f"samples: shape {list(np.shape(sound))}; give [frames] or [frames, channels]")
    if array.shape[1] > 64:
        raise UsageError(f"samples: shape {list(np.shape(sound))} is {array.shape[1]} channels, the limit is 64; "
                         "channels are the last axis")
    with np.errstate(over="ignore"):  # what float32 cannot hold counts as no number
        return np.ascontiguousarray(array, dtype=np.float32), rate


def no_rate(sample_rate: int | None) -> None:
    if sample_rate is not None:
        raise UsageError("sample_rate: a file says its own")


def value_of(text: str) -> str | bool | int | float:
    """A value as TOML has it, whose strings are as JSON's."""
    if text.startswith('"'):
        return str(json.loads(text))
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return float(text)


def settings_of(toml: str) -> dict[str, Any]:
    """What the program prints of a recipe: sections, and lines key = value."""
    table: dict[str, Any] = {}
    section = table
    for line in toml.splitlines():
        if line.startswith("["):
            section = table.setdefault(line.strip("[]"), {})
        elif " = " in line and not line.startswith("#"):
            key, _, text = line.partition(" = ")
            section[key] = value_of(text)
    return table


def setting_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def guessed(text: str) -> str | bool | int | float:
    try:
        return value_of(text)
    except ValueError:
        return text
