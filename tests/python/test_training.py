"""melgrad.train beside `melgrad train`."""
import logging
import os
import shutil
import signal
import threading

import melgrad
import numpy as np
import pytest
from conftest import child, program

SHORT = {"train.epochs": 3, "train.batch": 8}
ENDLESS = {"train.epochs": 100000, "train.batch": 8, "train.patience": 0}


def test_it_trains_as_the_program_does(folder, tmp_path):
    rows = []
    run = melgrad.train(folder / "c.h5", "dong2018-fixed", out=tmp_path / "run", set=SHORT, callback=rows.append)
    assert run.folder == str(tmp_path / "run")
    assert melgrad.load(run.folder).digest == melgrad.load(folder / "run").digest
    by_program = melgrad.read_run(folder / "run")
    assert run.result == by_program.result and run.about["recipe"] == "dong2018-fixed"
    assert rows == [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics]
    assert [row["loss"] for row in run.metrics] == [row["loss"] for row in by_program.metrics]


def test_sound_is_trained_on_while_python_runs(folder, tmp_path, caplog):
    (tmp_path / "music").symlink_to(folder / "music")
    counted, go_on = [0], threading.Event()

    def count():
        while not go_on.wait(0.001):
            counted[0] += 1
    threading.Thread(target=count).start()
    with caplog.at_level(logging.INFO, "melgrad"):
        run = melgrad.train(str(tmp_path / "music").encode(), out=tmp_path / "run", set={**SHORT, "train.epochs": 1}, split=4,
                            test=False)
    go_on.set()
    assert counted[0] > 20 and run.result is None and run.about["split"] == 4
    assert any("parameters" in line for line in caplog.messages) and any("recipe dong2018-fixed" in line for line in caplog.messages)


def test_what_is_left_out_is_a_warning(folder, tmp_path, caplog):
    shutil.copytree(folder / "music", tmp_path / "music")
    broken = next((tmp_path / "music").glob("genres/*/*.wav"))
    broken.write_bytes(b"RIFF")
    melgrad.train(tmp_path / "music", "dong2018-fixed", out=tmp_path / "run", set={**SHORT, "train.epochs": 1}, test=False)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "1 of 24 files" in warnings[0]


def test_a_callback_that_raises_ends_it_and_it_goes_on_to_the_same_bits(folder, tmp_path):
    class Enough(Exception):
        pass

    def stop(row):
        if row["epoch"] == 2:
            raise Enough("of it")
    with pytest.raises(Enough, match="of it"):
        melgrad.train(folder / "c.h5", "dong2018-fixed", out=tmp_path / "run", set=SHORT, callback=stop)
    stopped = melgrad.read_run(tmp_path / "run")
    assert len(stopped.metrics) == 2
    run = melgrad.train(resume=tmp_path / "run")
    assert melgrad.load(run.folder).digest == melgrad.load(folder / "run").digest and len(run.metrics) == 3
    longer = melgrad.train(resume=tmp_path / "run", set={"train.epochs": 4})
    assert len(longer.metrics) == 4


def test_ctrl_c_saves(folder, tmp_path):
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt, match=r"step \d+ is saved; go on with: melgrad.train\(resume="):
        melgrad.train(folder / "c.h5", "dong2018-fixed", out=tmp_path / "run", set=ENDLESS)
    assert (tmp_path / "run" / "checkpoint.h5").exists()
    program("train", "--resume", tmp_path / "run", "--set", f"train.epochs={len(melgrad.read_run(tmp_path / 'run').metrics) + 1}")


def test_the_interpreter_may_end_beside_a_training(folder, tmp_path):
    done = child(f"""
import melgrad, threading, time
threading.Thread(target=melgrad.train, args=({str(folder / 'c.h5')!r}, "dong2018-fixed"), daemon=True,
                 kwargs=dict(out={str(tmp_path / 'run')!r}, set={ENDLESS!r}, callback=lambda row: None)).start()
time.sleep(1.5)""")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run" / "checkpoint.h5").exists()


def test_several_train_at_once(folder, tmp_path):
    runs, threads = {}, []
    for k in range(3):
        def work(k=k):
            runs[k] = melgrad.train(folder / "c.h5", "dong2018-fixed", out=tmp_path / f"run{k}", set=SHORT, threads=1)
        threads.append(threading.Thread(target=work))
        threads[-1].start()
    for thread in threads:
        thread.join()
    alone = melgrad.train(folder / "c.h5", "dong2018-fixed", out=tmp_path / "alone", set=SHORT, threads=1)
    assert {melgrad.load(run.folder).digest for run in runs.values()} == {melgrad.load(alone.folder).digest}


@pytest.mark.parametrize("arguments, says", [
    (dict(), "data, or resume=RUN"),
    (dict(data="c.h5", resume="run"), "data, or resume=RUN"),
    (dict(resume="run", split=3), "are known"),
    (dict(data="c.h5", split=3, fold="1"), "split_lists or fold"),
    (dict(data="c.h5", fold="1", group="artist"), "split_lists or fold"),
    (dict(data=3), "no path"),
    (dict(data="/nowhere"), "/nowhere: no such file or folder"),
    (dict(data="c.h5", recipe="dong2019"), "dong2019"),
    (dict(data="c.h5", set={"train.epoch": 3}), "train.epoch"),
    (dict(data="c.h5", set={"train.epochs": -3}), "train.epochs"),
    (dict(data="c.h5", seed=-1), "seed=-1"),
    (dict(data="c.h5", split=1.5), "split=1.5"),
    (dict(data="c.h5", device="tpu"), "tpu"),
    (dict(data="c.h5", precision="f8"), "precision"),
    (dict(data="c.h5", precision="bf16", device="cpu"), "bf16"),
    (dict(data="c.h5", start="/nowhere"), "/nowhere"),
    (dict(data="c.h5", fold="7"), "fold"),
    (dict(data="c.h5", group="artist"), "artist"),
    (dict(data="c.h5", save_every="often"), "often"),
    (dict(data="c.h5", save_every=-1), "save_every=-1"),
    (dict(data="c.h5", save_every=float("nan")), "save_every=nan"),
    (dict(data="c.h5", fold=0), "fold"),
    (dict(data="c.h5", fold=""), "have a name"),
    (dict(data="c.h5", fold=0, group="artist"), "split_lists or fold"),
    (dict(resume="run", seed=3), "are known"),
    (dict(resume="/nowhere"), "/nowhere"),
])
def test_what_cannot_be_trained(folder, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.h5").symlink_to(folder / "c.h5")
    with pytest.raises((melgrad.Error, ValueError), match=says) as error:
        melgrad.train(**arguments)
    assert "\n" not in str(error.value)
    if not {"fold", "group"} & arguments.keys():  # which the data know alone
        assert os.listdir(tmp_path) == ["c.h5"]


def test_embeddings_in_a_pipeline(folder, songs):
    from melgrad.sklearn import Embedder
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    genres = [song.split(os.sep)[-2] for song in songs]
    pipeline = make_pipeline(Embedder(folder / "run", threads=1), LogisticRegression(max_iter=1000)).fit(songs, genres)
    assert pipeline.score(songs, genres) > 0.5
    network = melgrad.load(folder / "run")
    np.testing.assert_array_equal(Embedder(network).transform(songs[:2])[1], network.embed(songs[1]).mean)
    with pytest.raises(ValueError, match="a list of paths"):
        Embedder(network).transform(songs[0])
