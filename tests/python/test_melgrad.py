"""The Python module beside the program, on music made up; run by tests/python.sh."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import melgrad
import numpy as np
import pytest
from conftest import child, program, samples_of


def predicted(folder, *files):
    return json.loads(program("--json", "--threads", 1, "predict", folder / "run", "--segments", *files))


def test_a_file_is_answered_as_the_program_does(folder, network, songs):
    ours, theirs = network.predict(songs[0]), predicted(folder, songs[0])[0]
    assert ours.file == songs[0] and ours.error is None and ours.notes == []
    assert {k: np.float32(v) for k, v in theirs["probabilities"].items()} == {k: np.float32(v) for k, v in ours.tags.items()}
    for k, segment in enumerate(theirs["segments"]):
        assert segment["start"] == pytest.approx(ours.starts[k], abs=1e-6)
        for j, name in enumerate(network.classes):
            assert np.float32(segment["probabilities"][name]) == ours.segments[k, j]
    assert list(ours.tags.values()) == sorted(ours.tags.values(), reverse=True)
    assert ours.top(2) == list(ours.tags.items())[:2]


def test_samples_are_the_file(network, songs):
    x, rate = samples_of(songs[0])
    whole = network.predict(songs[0])
    for form in (x, x[:, None], x.astype(np.float64), x.astype(">f4"), x.tolist(), np.repeat(x, 2)[::2], np.stack([x, x], axis=1), np.asfortranarray(
            np.stack([x, x], axis=1))):
        np.testing.assert_array_equal(network.predict(form, sample_rate=rate).probabilities, whole.probabilities)
    assert network.predict(x, sample_rate=rate).file is None
    before = x.copy()
    network.embed(x, sample_rate=rate)
    np.testing.assert_array_equal(x, before)


def test_another_rate_is_resampled(network, songs):
    x, rate = samples_of(songs[0])
    there = network.predict(np.repeat(x, 2), sample_rate=2 * rate)
    assert abs(there.probabilities - network.predict(x, sample_rate=rate).probabilities).max() < 0.2
    assert len(there.starts) == len(network.predict(x, sample_rate=rate).starts)


def test_many_files_keep_their_order_and_one_bad_file_is_one_result(network, songs, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    files = [*songs[:3], bad, *songs[3:5], tmp_path / "absent.wav"]
    answers = list(network.predict_many(files, threads=2))
    assert [a.file for a in answers] == [str(f) for f in files]
    assert [a.error is None for a in answers] == [True, True, True, False, True, True, False]
    assert answers[3].error.startswith(f"{bad}: ") and "\n" not in answers[3].error
    for answer, path in zip(answers, files):
        if answer.error is None:
            np.testing.assert_array_equal(answer.segments, network.predict(path).segments)
    next(network.predict_many(songs))  # given up in the middle


def test_embeddings_are_those_of_the_program(folder, network, songs, tmp_path):
    program("--threads", 1, "embed", folder / "run", songs[0], "--out", tmp_path / "e.npy")
    ours = network.embed(songs[0])
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy")[0], ours.mean)
    assert ours.segments.shape == (len(ours.starts), len(ours.mean))


def test_features_are_those_of_the_cache(folder, songs):
    cache = melgrad.cache(folder / "c.h5")
    assert len(cache) == 24 == len(cache.names) and cache.labels(0) == [cache.names[0].split("/")[0].split(".")[0]]
    k = next(i for i, name in enumerate(cache.names) if name in songs[5].replace(os.sep, "/"))
    direct = melgrad.features(songs[5], preset="dong2018")
    np.testing.assert_allclose(cache[k], direct, rtol=1e-3, atol=1e-3)  # kept as f16
    np.testing.assert_array_equal(cache[k - 24], cache[k])
    assert cache.settings["n_mels"] == 64 and cache.settings["sample_rate"] == 22050 and cache.split(k) == ""
    with pytest.raises(IndexError):
        cache[24]


def test_features_take_settings(songs):
    x, rate = samples_of(songs[0])
    one = melgrad.features(x, sample_rate=rate, preset="dong2018", n_mels=40, log="none")
    assert one.shape[1] == 40 and one.dtype == np.float32 and one.flags.c_contiguous and (one >= 0).all()
    assert "whisper" in melgrad.presets()
    for wrong in ({"preset": "dong2019"}, {"n_melz": 3}, {"n_mels": -1}, {"hop_length": 0}):
        with pytest.raises(ValueError):
            melgrad.features(x, sample_rate=rate, **wrong)


def test_what_is_no_number_is_silence_in_features(songs):
    x, rate = samples_of(songs[0])
    broken, silent = x.copy(), x.copy()
    broken[1000:1100], silent[1000:1100] = np.nan, 0
    np.testing.assert_array_equal(melgrad.features(broken, sample_rate=rate), melgrad.features(silent, sample_rate=rate))


def test_nothing_is_copied_on_the_way_out(network, songs):
    answer = network.predict(songs[0])
    for array in (answer.probabilities, answer.segments, melgrad.features(songs[0])):
        assert not array.flags.owndata and array.base is not None and array.flags.writeable


def test_what_the_run_says_of_itself(folder, network):
    run = melgrad.read_run(folder / "run")
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3] and run.result["test"]["tracks"] > 0
    assert network.recipe["train"]["epochs"] == 3 and network.recipe["features"]["preset"] == "dong2018"
    assert network.recipe["model"]["architecture"] == "dong2018" and network.recipe["name"] == "dong2018-fixed" and\
        type(network.recipe["augment"]["noise"]) is float and network.sample_rate == 22050
    assert network.segment_seconds == pytest.approx(256 * 256 / 22050) and network.device == "cpu"
    assert "3 classes" in repr(network)
    with open(folder / "run" / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"epoch": 4, "st')  # being written
    assert len(melgrad.read_run(folder / "run").metrics) == 3


def test_an_exported_network_answers_alike(network, songs, tmp_path):
    network.export(tmp_path / "n.onnx")
    assert melgrad.onnx.check(tmp_path / "n.onnx", songs[0], network) < 1e-5
    for wrong in ({"frontend": "fft"}, {"segments": "two"}, {"precision": "f8"}):
        with pytest.raises(ValueError):
            network.export(tmp_path / "w.onnx", **wrong)
    with pytest.raises(melgrad.OutputError):
        network.export("/nowhere/n.onnx")
    assert not (tmp_path / "w.onnx").exists()


def test_a_file_is_read_as_samples(songs):
    x, rate = samples_of(songs[0])
    samples, own = melgrad.read(songs[0])
    np.testing.assert_array_equal(samples, x)
    assert own == rate and len(melgrad.read(songs[0], 16000)[0]) == -(-len(x) * 16000 // rate)
    with pytest.raises(ValueError):
        melgrad.read(songs[0], mix="middle")


def test_metrics_of_tags(tmp_path):
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    scores = np.array([[0.9, 0.2], [0.1, 0.4], [0.6, 0.8], [0.7, 0.1]])
    got = melgrad.metrics.tags(targets, scores, names=["drums", "flute"], resamples=50)
    assert got["tags"][0]["tag"] == "drums"
    assert got["tags"][0]["roc_auc"]["value"] == 0.75 and got["tags"][1]["roc_auc"]["value"] == 1
    tiny = 1 - 1e-9 * np.arange(4)[:, None] * np.ones(2)
    for wrong in ((targets[:3], scores), (targets * 2, scores), (targets, scores * np.nan), (targets[:0], scores[:0]),
                  (targets, tiny), (targets, scores.astype(complex)), (targets.astype(str), scores)):
        with pytest.raises((ValueError, OSError)):
            melgrad.metrics.tags(*wrong)


def test_a_digest_is_of_what_was_loaded(folder, songs, tmp_path):
    shutil.copytree(folder / "run", tmp_path / "run")
    loaded = melgrad.load(tmp_path / "run")
    digest, answer = loaded.digest, loaded.predict(songs[0]).probabilities
    shutil.rmtree(tmp_path / "run")
    assert loaded.digest == digest != "0" * 16
    loaded.export(tmp_path / "n.onnx")
    np.testing.assert_allclose(answer, loaded.predict(songs[0]).probabilities)
    assert melgrad.onnx.check(tmp_path / "n.onnx", songs[0], loaded) < 1e-5


def test_many_are_a_list(network):
    for one in ("song.wav", pathlib.Path("song.wav"), b"song.wav"):
        with pytest.raises(ValueError, match="a list of paths"):
            network.predict_many(one)


def test_features_at_another_rate(songs):
    x, rate = samples_of(songs[0])
    half = melgrad.features(x, sample_rate=rate, target_rate=11025, fmax=5000)
    assert half.shape[0] == 1 + -(-len(x) * 11025 // rate) // 256
    np.testing.assert_array_equal(melgrad.features(songs[0], target_rate=11025, fmax=5000), half)


def test_a_cache_is_walked_through(folder):
    cache = melgrad.cache(folder / "c.h5")
    assert sum(1 for _ in cache) == len(cache) and cache.names[3] in cache and "x" not in cache
    np.testing.assert_array_equal(cache[np.int64(2)], cache[2])
    for wrong in (1.0, "1", None, slice(0, 2)):
        with pytest.raises(ValueError):
            cache[wrong]


@pytest.mark.parametrize("name, content", [("run.json", "{"), ("run.json", "3"), ("result.json", "[]"), ("result.json", None)])
def test_what_is_broken_of_a_run(folder, tmp_path, name, content):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / name).unlink(missing_ok=True)
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(melgrad.InputError, match=name):
        melgrad.read_run(tmp_path)


@pytest.mark.parametrize("folder_of_nothing", ["/etc/passwd", "/nowhere", b"/tmp", "a\0b", 3])
def test_what_no_run_is(folder_of_nothing):
    with pytest.raises(melgrad.Error):
        melgrad.read_run(folder_of_nothing)


@pytest.mark.parametrize("wrong", [{"threads": "2"}, {"threads": -1}, {"device": None}, {"mix": "middle"}])
def test_what_cannot_be_loaded_so(folder, wrong):
    with pytest.raises(melgrad.Error) as error:
        melgrad.load(folder / "run", **wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("sound, rate, says", [
    (np.zeros(99999, np.float32), None, "sample rate"),
    (np.zeros(99999, np.int16), 22050, "int16"),
    (np.zeros(99999, np.float32), 0, "sample_rate=0"),
    (np.zeros(99999, np.float32), 22050.5, "sample_rate=22050.5"),
    (np.zeros(99999, np.float32), "22050", "sample_rate='22050'"),
    (np.zeros(99999, np.float32), np.nan, "sample_rate=nan"),
    (np.zeros(99999, np.float32), [22050], "sample_rate="),
    (np.zeros(99999, bool), 22050, "bool"),
    (np.zeros(99999, np.complex64), 22050, "complex64"),
    (None, 22050, "neither a path nor samples"),
    (np.zeros((2, 3, 4), np.float32), 22050, r"shape \[2, 3, 4\]"),
    (np.zeros((2, 99999), np.float32), 22050, "channels are the last axis"),
    (np.zeros((9, 0), np.float32), 22050, "shape"),
    (np.zeros(0, np.float32), 22050, "too short"),
    (np.zeros(1000, np.float32), 22050, "too short"),
    ("", None, None),
    ("/", None, "/: "),
    ("song\0.wav", None, "zero byte"),
    ("/nowhere/song.wav", None, "/nowhere/song.wav: "),
    ("bytes\udcff.wav", None, "bytes\udcff.wav: "),
])
def test_wrong_sound_is_one_line(network, sound, rate, says):
    for function in (network.predict, network.embed):
        with pytest.raises(melgrad.Error, match=says) as error:
            function(sound, sample_rate=rate)
        assert "\n" not in str(error.value) and isinstance(error.value, (ValueError, OSError))


def test_nan_is_silence_and_said(network):
    x = np.full(100000, np.nan, np.float32)
    answer = network.predict(x, sample_rate=22050)
    assert np.isfinite(answer.probabilities).all() and answer.notes


def test_a_rate_beside_a_file_is_refused(network, songs):
    with pytest.raises(ValueError, match="a file says its own"):
        network.predict(songs[0], sample_rate=44100)


@pytest.mark.parametrize("model", ["/nowhere", "", "a\0b", "/etc/passwd"])
def test_what_is_no_model(model):
    with pytest.raises((melgrad.Error, ValueError)):
        melgrad.load(model)


def test_what_no_device_is(folder):
    with pytest.raises(RuntimeError):
        melgrad.load(folder / "run", device="cuda:99")
    with pytest.raises(melgrad.Error):
        melgrad.load(folder / "run", device="tpu")


def test_threads_take_turns_and_agree(network, songs):
    expected, wrong = [network.predict(song).probabilities for song in songs[:4]], []

    def work():
        for song, right in zip(songs[:4], expected):
            if not np.array_equal(network.predict(song).probabilities, right):
                wrong.append(song)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# What a forked child does, without threads of its parent: an answer, or one line; never a wait without end.
@pytest.mark.parametrize("parent, in_child, says", [
    ("n.predict(s)", "n.predict(s)", "DeviceError"),
    ("n.predict(s)", "melgrad.load(r)", "DeviceError"),
    ("n.predict(s)", "melgrad.features(s)", "done"),
    ("n.predict(s)", "melgrad.load(r, threads=1).predict(s)", "done"),
    ("melgrad.features(s)", "melgrad.features(s)", "done"),
])
def test_forks(folder, songs, parent, in_child, says):
    code = f"""
import melgrad, os
r, s = {str(folder / 'run')!r}, {songs[0]!r}
n = melgrad.load(r) if "n." in {parent!r} else None
{parent}
if os.fork() == 0:
    try:
        {in_child}
        print("done", flush=True)
    except melgrad.Error as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.wait()"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.stdout.startswith(says) and done.stdout.count("\n") == 1


@pytest.mark.parametrize("work", ["n.predict(s)", "melgrad.features(s)", "list(n.predict_many([s, s]))"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_interpreter_may_end_beside_daemons(folder, songs, work, threads):
    done = child(f"""
import melgrad, threading, time
n, s = melgrad.load({str(folder / 'run')!r}, threads={threads}), {songs[0]!r}
def for_ever():
    while True:
        {work}
for _ in range(3):
    threading.Thread(target=for_ever, daemon=True).start()
time.sleep(0.3)""")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.plain
def test_the_import_is_quick_and_takes_no_numpy():
    done = child("import sys, time; t = time.process_time(); import melgrad; t = time.process_time() - t;"
                 "assert 'numpy' not in sys.modules; print(t)")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.2  # a third of it where nothing else is at work


def test_the_interpreter_may_end_in_the_middle(folder, songs):
    done = child(f"import melgrad; n = melgrad.load({str(folder / 'run')!r}); m = n.predict_many({songs!r}); next(m)")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.plain
def test_memory_does_not_grow(network, songs):
    x, rate = samples_of(songs[0])
    x = x[:rate * 3 + 4000]

    def resident():
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def hear(times):
        for _ in range(times):
            network.predict(x, sample_rate=rate)
            try:
                network.predict(x[:100], sample_rate=rate)
            except melgrad.Error:
                pass
    hear(100)
    before = resident()
    hear(300)
    assert resident() - before < 1 << 20


def test_features_stay_on_the_device(songs):
    x, rate = samples_of(songs[0])
    there = melgrad.device_features(x, sample_rate=rate, device="cpu", n_mels=40)
    assert there.__dlpack_device__() == (1, 0)  # of the CPU
    array = np.from_dlpack(there)
    del there
    np.testing.assert_array_equal(array, melgrad.features(x, sample_rate=rate, n_mels=40))
    melgrad.device_features(x[::-1].copy(), sample_rate=rate, device="cpu", n_mels=40)
    np.testing.assert_array_equal(array, melgrad.features(songs[0], n_mels=40))
    np.testing.assert_array_equal(np.from_dlpack(melgrad.device_features(songs[0], device="cpu")), melgrad.features(songs[0]))


def test_a_cache_is_a_data_set_of_torch(folder):
    torch = pytest.importorskip("torch")
    from melgrad.torch import Tracks
    tracks = Tracks(folder / "c.h5")
    loader = torch.utils.data.DataLoader(tracks, batch_size=4, num_workers=2)
    features = torch.cat([x for x, _ in loader])
    cache = melgrad.cache(folder / "c.h5")
    np.testing.assert_array_equal(features.numpy(), np.stack(list(cache)))
    labels = torch.cat([y for _, y in loader])
    assert labels.shape == (24, 3) and (labels.sum(1) == 1).all() and [cache.classes[k] for k in labels.argmax(1)] == [
        cache.labels(k)[0] for k in range(24)]
