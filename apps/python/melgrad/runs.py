"""Run folders: trained, and read."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import _melgrad
from .arguments import Path, path_of, setting_text, whole_number
from .errors import InputError, UsageError


@dataclass(frozen=True, eq=False)
class Run:
    """What a run folder holds beside the network."""

    folder: str
    metrics: list[dict[str, Any]]  # a row an epoch: pandas.DataFrame(run.metrics)
    events: list[dict[str, Any]]  # skipped steps and spikes of the loss
    result: dict[str, Any] | None  # the test; None where there was none
    about: dict[str, Any]  # data, commit, device, times


def read_run(folder: Path) -> Run:
    """The figures of a run. Raises InputError for a folder that is none."""
    path = os.fsdecode(path_of(folder))

    def read_text(name: str) -> str | None:
        try:
            with open(os.path.join(path, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{os.path.join(path, name)}: cannot be read ({error})") from None

    def read_json(name: str) -> dict[str, Any] | None:
        text = read_text(name)
        try:
            value = None if text is None else json.loads(text)
        except ValueError:
            value = text
        if value is not None and not isinstance(value, dict):
            raise InputError(f"{os.path.join(path, name)}: is damaged")
        return value

    about = read_json("run.json")
    if about is None:
        raise InputError(f"{path}: no run folder; there is no run.json in it")
    rows: list[dict[str, Any]] = []
    for line in (read_text("metrics.jsonl") or "").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the last line of a run that is being written, or was killed
            break
        if isinstance(row, dict):
            rows.append(row)
    epochs, events = ([r for r in rows if ("event" in r) == which] for which in (False, True))
    return Run(path, epochs, events, read_json("result.json"), about)


def train(data: Path | None = None, recipe: str | os.PathLike[str] | None = None, *, out: Path | None = None,
          resume: Path | None = None, set: Mapping[str, str | bool | int | float] | None = None, seed: int = 0,
          split: int | None = None, split_lists: Path | None = None, fold: str | int | None = None, group: str | None = None,
          start: Path | None = None, classes_are_folders: bool = False, device: str = "auto", precision: str = "f32",
          threads: int = 0, save_every: float = 60, test: bool = True,
          callback: Callable[[dict[str, Any]], object] | None = None) -> Run:
    """Trains a network, as `melgrad train` does and to the same bits, and tests it on the test tracks, as `melgrad evaluate`.

    data: a data set of sound, or a cache of features. recipe: its name, or a TOML file; without one the data say which.
    set: {"train.epochs": 60}, settings of the recipe. out: the run folder, a new one in runs/ if none is named. seed: of
    weights, order, crops and dropout. split: number of the random split; split_lists, fold, group: as the program's
    options. start: a model whose weights it starts with. resume: a run folder to go on in; of the settings only what ends
    training may change then.

    callback gets a dict an epoch, as Run.metrics has them. What it raises, and Ctrl-C, end the training once everything
    is saved: train(resume=...) goes on from there to the same bits. Other threads of Python run meanwhile.
    """
    asked = _melgrad.TrainingRequest()
    if (data is None) == (resume is None):
        raise UsageError("train: data, or resume=RUN")
    if resume is None:
        asked.data = path_of(data)
    elif seed or classes_are_folders or any(x is not None for x in (recipe, out, split, split_lists, fold, group, start)):
        raise UsageError("train: of a run that goes on, recipe, data, split, seed, out and start are known")
    if "" in (fold, group):
        raise UsageError("train: fold and group have a name")
    if sum(x is not None for x in (split, split_lists, fold)) > 1 or (group and not (split_lists is None and fold is None)):
        raise UsageError("train: split (with group, if there is one), split_lists or fold")
    for name, path in {"recipe": recipe, "out": out, "resume": resume, "start": start, "split_lists": split_lists}.items():
        if path is not None:
            setattr(asked, name, path_of(path))
    asked.set = [f"{key}={setting_text(value)}" for key, value in (set or {}).items()]
    asked.seed = whole_number("seed", seed, 0, 2**64 - 1)
    asked.random_split = split is not None
    asked.split = 0 if split is None else whole_number("split", split, 0, 2**63 - 1)
    asked.fold, asked.group = ("" if one is None else str(one) for one in (fold, group))
    asked.classes_are_folders, asked.test = bool(classes_are_folders), bool(test)
    asked.device, asked.precision = str(device), str(precision)
    asked.threads, asked.save_every = whole_number("threads", threads, 0, 1024), float(save_every)
    if not asked.save_every >= 0:
        raise UsageError(f"save_every={save_every!r}: seconds, 0 or more")
    log = logging.getLogger("melgrad")

    def hear(row: str) -> None:
        if callback:
            callback(json.loads(row))
    def tell(line: bytes, left_out: bool) -> None:
        log.log(logging.WARNING if left_out else logging.INFO, "%s", os.fsdecode(line))
    training = _melgrad.Training(asked, hear, tell)
    try:
        training.run()
    except KeyboardInterrupt:
        if not training.saved_step:
            raise
        folder = os.fsdecode(training.folder)
        raise KeyboardInterrupt(
            f"step {training.saved_step} is saved; go on with: melgrad.train(resume={folder!r})") from None
    return read_run(training.folder)
