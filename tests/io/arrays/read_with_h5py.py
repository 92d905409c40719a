"""Reads a cache and a checkpoint with h5py alone, as io/README.md describes them, and prints what is in them.

Usage: read_with_h5py.py CACHE CHECKPOINT [NPZ]
Exits with 0 when everything has the documented form. With NPZ, also writes an archive for the C++ reader.
"""

import sys

import h5py
import numpy as np


def read_cache(path):
    with h5py.File(path, "r") as f:
        assert f.attrs["format"] == b"melgrad-cache" and f.attrs["version"] == 1
        features = f["features"]
        assert features.dtype == np.float16 and features.fletcher32 and features.chunks
        names = [n.decode() for n in f["items/name"][:]]
        classes = [c.decode() for c in f["classes"][:]]
        labels, first, rows = f["items/labels"][:], f["items/first_row"][:], f["items/rows"][:]
        assert labels.dtype == np.uint8 and labels.shape == (len(names), len(classes))
        assert all(f["items/" + name].dtype == np.uint64 for name in ("digest", "file", "content"))
        print("hop", f.attrs["mel_hop_length"].decode(), "preset", f.attrs["mel_preset"].decode())
        for i, name in enumerate(names):
            block = features[first[i] : first[i] + rows[i]].astype(np.float64)
            tags = ",".join(c for c, on in zip(classes, labels[i]) if on)
            print(name, tags, f["items/split"][i].decode(), f"{block.sum():.4f}")
        print("skipped", [p.decode() for p in f["skipped/path"][:]], [r.decode() for r in f["skipped/reason"][:]])


def read_checkpoint(path):
    with h5py.File(path, "r") as f:
        assert f.attrs["format"] == b"melgrad-checkpoint"
        print("recipe", f["text/recipe"][:].tobytes().decode().strip())
        for group in ("param", "moment0", "state"):
            for name, values in sorted(f[group].items()):
                assert values.fletcher32 and "xxh3" in values.attrs
                print(f"{group}/{name}", values.dtype, values.shape, values[...].ravel().tolist())


def write_npz(path):
    x = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    np.savez_compressed(
        path, X=x, F=np.asfortranarray(x), T=np.array(["blues", "jazz é"]), H=x.astype(np.float16), B=x > 3
    )


if __name__ == "__main__":
    read_cache(sys.argv[1])
    read_checkpoint(sys.argv[2])
    if len(sys.argv) > 3:
        write_npz(sys.argv[3])
