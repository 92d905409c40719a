"""The Python package musicnn, run by today's TensorFlow, beside `melgrad predict` of the same wheel and sound.

Run in an environment with tensorflow-cpu, tf_keras and librosa:

    melgrad --json predict NAME AUDIO --segments --top 50 > predict.json
    python3 musicnn_tensorflow.py WHEEL MODEL AUDIO predict.json

where NAME was imported from MODEL of WHEEL (MTT_musicnn, MSD_musicnn, MTT_vgg, MSD_vgg). Decoding, spectrogram and
network are the package's, but for what no longer runs. Prints one JSON object: how many
segments both have, and the largest difference of one of their probabilities.
"""

import json
import os
import sys
import tempfile
import zipfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import librosa
import numpy as np
import tensorflow as tf
from tf_keras.src.legacy_tf_layers import convolutional, core, normalization, pooling

wheel, model, audio, predicted = sys.argv[1:]


class Layers:
    """tf.compat.v1.layers, which TensorFlow no longer has: Keras 2 keeps its functions."""

    def __getattr__(self, name):
        return next(getattr(m, name) for m in (convolutional, core, normalization, pooling) if hasattr(m, name))


tf.compat.v1.layers = Layers()


def batch_data(file, frames, hop):
    """The package's, but that ten thousand times a float16 is a float32, as it was before NumPy 2: now it is Inf."""
    samples, rate = librosa.load(file, sr=16000)
    mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=512, hop_length=256, n_mels=96).T
    values = np.log10(10000 * mel.astype(np.float16).astype(np.float32) + 1)
    starts = range(0, len(values) - frames + 1, hop)
    return np.stack([values[t : t + frames] for t in starts]), values


with tempfile.TemporaryDirectory() as folder:
    zipfile.ZipFile(wheel).extractall(folder)
    sys.path.insert(0, folder)
    from musicnn import extractor

    extractor.batch_data = batch_data
    sys.stdout, shown = sys.stderr, sys.stdout  # the package prints
    taggram, tags = extractor.extractor(audio, model=model, extract_features=False)
    sys.stdout = shown

(answer,) = json.load(open(predicted))
ours = np.array([[segment["probabilities"][tag] for tag in tags] for segment in answer["segments"]])
print(
    json.dumps(
        {
            "model": model,
            "segments": [len(taggram), len(ours)],
            "largest_difference": float(np.abs(taggram - ours[: len(taggram)]).max()),
            "tensorflow": tf.__version__,
        }
    )
)
