"""Exported networks in onnxruntime beside melgrad, from the same samples; see onnx.sh."""
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import wave
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

MELGRAD = os.environ["MELGRAD"]
# What the export promises of a clip's probabilities; a single segment's are the mean of nothing.
CLIP, SEGMENT, HALF = 1e-5, 5e-5, 5e-3


def melgrad(*arguments):
    done = subprocess.run([MELGRAD, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"melgrad {' '.join(map(str, arguments))}: code {done.returncode}\n{done.stderr}")
    return done.stdout


def rate_of(path):
    with wave.open(str(path)) as file:
        return file.getframerate()


def samples_of(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def with_noise(path):
    """Made-up music has bins with nothing but rounding in them, which no two programs round alike: noise 60 dB below."""
    x = samples_of(path) + np.random.default_rng(1).uniform(-1e-3, 1e-3, int(31 * rate_of(path)))
    with wave.open(str(path)) as file:
        form = file.getparams()
    with wave.open(str(path), "wb") as file:
        file.setparams(form)
        file.writeframes(np.clip(np.round(x * 32768), -32768, 32767).astype("<i2").tobytes())
    return path


class Exported:
    """A network as an ONNX file, which the checker of onnx finds nothing wrong with."""

    def __init__(self, model, folder, *options):
        path = Path(folder) / "exported.onnx"
        melgrad("export", model, "--out", path, *options)
        self.size = path.stat().st_size
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 17)] and proto.ir_version == 8
        self.metadata = {entry.key: entry.value for entry in proto.metadata_props}
        self.operators = [node.op_type for node in proto.graph.node]
        session = onnxruntime.SessionOptions()
        session.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), session, providers=["CPUExecutionProvider"])

    def __call__(self, x):
        outputs = [output.name for output in self.session.get_outputs()]
        entry = self.session.get_inputs()[0].name
        return dict(zip(outputs, self.session.run(outputs, {entry: x})))


def predicted(model, files):
    answers = json.loads(melgrad("--json", "predict", model, "--top", 1000, "--segments", *files))
    return answers if isinstance(answers, list) else answers["files"]


def differences(model, files, network):
    """Of clips and of segments, the largest."""
    classes = json.loads(network.metadata["classes"])
    clip = segment = 0.0
    for file, ours in zip(files, predicted(model, files)):
        theirs = network(samples_of(file))
        row = lambda one: np.array([one["probabilities"][name] for name in classes])
        segments = np.array([row(one) for one in ours["segments"]])
        assert segments.shape == theirs["segments"].shape, (segments.shape, theirs["segments"].shape)
        assert np.allclose([one["start"] for one in ours["segments"]], theirs["starts"], atol=1e-4)
        clip = max(clip, abs(row(ours) - theirs["probabilities"]).max())
        segment = max(segment, abs(segments - theirs["segments"]).max())
    return clip, segment


def refuses(network, x, name):
    """Sound shorter than a segment has no answer."""
    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4
    try:
        network.session.run(None, {"audio": x}, quiet)
    except Exception:
        return
    sys.exit(f"{name}: {x.shape} samples are less than a segment, and were answered")


def check(name, model, files, folder):
    whole = Exported(model, folder)
    rate = int(whole.metadata["sample_rate"])
    clip, segment = differences(model, files[rate], whole)
    print(f"{name:22} {clip:8.1e} a clip {segment:8.1e} a segment, {whole.size / 1e6:6.2f} MB, "
          f"{len(whole.operators)} nodes", flush=True)
    assert clip <= CLIP and segment <= SEGMENT, f"{name}: further from melgrad than {CLIP} and {SEGMENT}"

    # The first segment alone, several clips at once; its embedding is that of the whole.
    x = samples_of(files[rate][0])
    of_whole = whole(x)
    width = int(whole.metadata["segment_samples"])
    if tomllib.loads(whole.metadata["recipe"])["features"]["top_db"] == 0:
        network, others = Exported(model, folder, "--segments", "one"), samples_of(files[rate][1])
        assert network(np.stack([x[:width], others[:width]]))["probabilities"].shape == (2, of_whole["segments"].shape[1])
        refuses(network, np.stack([x[:width - 1]] * 64), name)
        one = network(np.stack([x[:width + 2048], others[:width + 2048]]))  # whose last frames nothing mirrors
        for key, value in (("probabilities", of_whole["segments"][0]), ("embedding", of_whole["embedding"][0])):
            assert abs(one[key][0] - value).max() <= SEGMENT * max(1, abs(value).max()), (name, key)

    refuses(whole, x[:width - 1], name)
    refuses(whole, x[:width // 4], name)
    broken, silent = x.copy(), x.copy()
    broken[5000:5003], silent[5000:5003] = (np.nan, np.inf, -3e6), 0
    assert (whole(broken)["probabilities"] == whole(silent)["probabilities"]).all(), f"{name}: NaN"

    half = Exported(model, folder, "--precision", "f16")
    assert abs(half(x)["probabilities"] - of_whole["probabilities"]).max() <= HALF, f"{name}: f16"
    assert half.size < whole.size


def check_stft(model, files, folder):
    network = Exported(model, folder, "--frontend", "stft")
    assert "STFT" in network.operators
    clip, segment = differences(model, files[int(network.metadata["sample_rate"])], network)
    assert clip <= CLIP and segment <= SEGMENT, f"stft: {clip} {segment}"


def check_features(model, files, folder):
    """A cache's features go in as they are."""
    network = Exported(model, folder, "--frontend", "none")
    frames, bands = int(network.metadata["frames"]), int(network.metadata["bands"])
    x = np.random.default_rng(0).uniform(0, 4, (3, frames, bands)).astype(np.float32)
    together = network(x)["probabilities"]
    for k in range(3):
        assert abs(network(x[k:k + 1])["probabilities"][0] - together[k]).max() < 1e-6


def check_example(model, files, folder):
    """apps/examples/onnx_tags.py says what melgrad does."""
    path = f"{folder}/example.onnx"
    melgrad("export", model, "--out", path)
    song = files[int(Exported(model, folder).metadata["sample_rate"])][0]
    example = Path(__file__).parents[1] / "apps" / "examples" / "onnx_tags.py"
    lines = subprocess.run([sys.executable, example, path, song], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    answer = predicted(model, [song])[0]
    (name, probability), *_ = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])
    assert len(lines) == len(answer["segments"]) + 1 and lines[-1] == f"{song}: {name} {probability:.2f}", lines


def main():
    recipes = json.loads(melgrad("--json", "recipes"))
    names = sys.argv[1:] or [r["name"] for r in recipes if r["name"] not in ("mtat", "mtat-sota")]
    with tempfile.TemporaryDirectory() as folder:
        music, clips, files = Path(folder) / "music", Path(folder) / "clips", {}
        melgrad("synth", "--out", music, "--classes", 3, "--tracks-per-class", 4, "--seconds", 31)
        melgrad("synth", "--out", clips, "--layout", "mtat", "--clips", 16, "--seconds", 31)
        for rate in (16000, 22050):
            melgrad("synth", "--out", f"{folder}/{rate}", "--classes", 3, "--tracks-per-class", 1, "--seconds", 31,
                    "--sample-rate", rate, "--seed", 5)
            files[rate] = [with_noise(path) for path in sorted(Path(f"{folder}/{rate}").glob("genres/*/*.wav"))]
        for name in names:
            model = f"{folder}/{name}"
            melgrad("train", clips if name.startswith("mtat") else music, "--recipe", name, "--out", model, "--no-cache",
                    "--set", "train.epochs=2", "--set", "train.batch=4", "--set", "train.phases=")
            check(name, model, files, folder)
        for more in (check_stft, check_features, check_example):
            more(model, files, folder)
    print(f"{len(names)} networks: as melgrad answers")


main()
