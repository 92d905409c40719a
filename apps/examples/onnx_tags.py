#!/usr/bin/env python3
"""Tags of a WAV file over time, from a file of `melgrad export` and onnxruntime, without melgrad.

    pip install onnxruntime
    python3 onnx_tags.py network.onnx song.wav
"""
import json
import sys
import wave

import numpy as np
import onnxruntime


def main(network, song):
    session = onnxruntime.InferenceSession(network)
    about = session.get_modelmeta().custom_metadata_map
    with wave.open(song) as file:
        if file.getsampwidth() != 2 or file.getframerate() != int(about["sample_rate"]):
            sys.exit(f"{song}: not 16 bits at {about['sample_rate']} Hz, which this example does not convert")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    audio = (samples.astype(np.float32) / 32768).mean(axis=1)
    classes = json.loads(about["classes"])
    probabilities, segments, starts = session.run(["probabilities", "segments", "starts"], {"audio": audio})
    for start, segment in zip(starts, segments):
        print(f"{start:6.1f} s  {classes[segment.argmax()]} {segment.max():.2f}")
    print(f"{song}: {classes[probabilities.argmax()]} {probabilities.max():.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
