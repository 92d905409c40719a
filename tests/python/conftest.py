"""What the tests of the module have in common: music made up, and a run trained on it a little by the program."""
import os
import subprocess
import sys
import wave

import melgrad
import numpy as np
import pytest

MELGRAD = os.environ["MELGRAD"]
os.environ["MELGRAD_CACHE"] = ""  # features are not kept for others


def pytest_configure(config):
    config.addinivalue_line("markers", "plain: not where the module is built with a sanitizer")


def program(*arguments):
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run([MELGRAD, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True, env=plain).stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Music of three styles, a run trained on it a little, and the cache of its features."""
    path = tmp_path_factory.mktemp("music")
    program("synth", "--out", path / "music", "--classes", 3, "--tracks-per-class", 8, "--seconds", 5)
    program("extract", path / "music", "--out", path / "c.h5")
    program("train", path / "c.h5", "--recipe", "dong2018-fixed", "--out", path / "run", "--set", "train.epochs=3",
            "--set", "train.batch=8")
    program("--json", "evaluate", path / "run")
    return path


@pytest.fixture(scope="session")
def network(folder):
    return melgrad.load(folder / "run", threads=1)


@pytest.fixture(scope="session")
def songs(folder):
    return sorted(str(p) for p in folder.glob("music/genres/*/*.wav"))


def samples_of(path):
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768, file.getframerate()


def child(code, **environment):
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **environment})
