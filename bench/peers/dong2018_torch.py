#!/usr/bin/env python3
"""The network and both recipes of Dong 2018 in PyTorch: a peer to compare melgrad's accuracy and step time with.

    dong2018_torch.py CACHE --splits run/splits.json --recipe dong2018        train, test, print one JSON
    dong2018_torch.py CACHE --segment-frames 50 --split-seeds 0 1 2           splits drawn here instead
    dong2018_torch.py CACHE --time-steps 20                                   time training steps, nothing else

CACHE is a melgrad cache (HDF5, schema in io/README.md) or an .npz with X [track, band, frame] (uint8 is scaled by
1 / 255), T labels and N names. A split file is {"train": [names], "valid": [names], "test": [names]} or a list of these.
Recipes as in models/recipes/*.toml; every number of a recipe can be set (--rate, --epochs, ...).

On Linux glibc gives large blocks back to the kernel after each use, which can double the time of a step. For PyTorch's
best time set MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296; the JSON says whether it was set.
"""
import argparse
import copy
import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# The fields of models/recipes/<name>.toml that matter here.
RECIPES = {
    "dong2018": dict(segment_frames=256, overlap=0.5, skip_last_start=True, filters=64, dropout=0.2, l2_conv=0.01,
                     l2_dense=0.02, batch=150, own_crop=False, partial_batch=False, drop_batches=1, epochs=5500,
                     stop_block=500, stop_window=10, stop_change=0.01, validation="crop", validate_every=1,
                     optimizer="adadelta", rate=1.0, rho=0.95, epsilon=1e-7, schedule="inverse_time", decay=1e-5,
                     weight_decay=0.0, warmup=0, standardise="none"),
    "dong2018-fixed": dict(segment_frames=256, overlap=0.5, skip_last_start=False, filters=64, dropout=0.2, l2_conv=0.0,
                           l2_dense=0.0, batch=50, own_crop=True, partial_batch=True, drop_batches=0, epochs=200,
                           stop_block=0, stop_window=10, stop_change=0.01, validation="vote", validate_every=5,
                           optimizer="adamw", rate=1e-3, rho=0.95, epsilon=1e-7, schedule="cosine", decay=0.0,
                           weight_decay=0.05, warmup=20, standardise="bands"),
}


class Data:
    """Tracks as blocks of rows in one table [rows, bands]."""

    def __init__(self, path):
        read = self._read_npz if path.endswith(".npz") else self._read_cache
        self.table, self.first, self.rows, self.labels, self.names, self.classes = read(path)
        self.index = {name: i for i, name in enumerate(self.names)}

    @staticmethod
    def _read_npz(path):
        z = np.load(path, allow_pickle=False)
        x = z["X"].astype(np.float32) / (255 if z["X"].dtype == np.uint8 else 1)
        tracks, bands, frames = x.shape
        table = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1)).reshape(-1, bands))
        classes = sorted(set(z["T"].tolist()))
        labels = torch.tensor([classes.index(t) for t in z["T"].tolist()])
        return table, torch.arange(tracks) * frames, torch.full((tracks,), frames), labels, z["N"].tolist(), classes

    @staticmethod
    def _read_cache(path):
        import h5py
        text = lambda values: [v.decode() if isinstance(v, bytes) else str(v) for v in values]
        with h5py.File(path, "r") as f:
            items = f["items"]
            labels = np.asarray(items["labels"])
            if (labels.sum(axis=1) != 1).any():
                sys.exit(f"{path}: a track without exactly one label; this program trains a single-label classifier")
            column = lambda name: torch.from_numpy(np.asarray(items[name]).astype(np.int64))
            return (torch.from_numpy(np.asarray(f["features"]).astype(np.float32)), column("first_row"), column("rows"),
                    torch.from_numpy(labels.argmax(axis=1)), text(items["name"][:]), text(f["classes"][:]))

    def standardised(self, tracks):
        """The same tracks with each band at mean 0 and deviation 1 over `tracks`."""
        rows = torch.cat([self.table[self.first[t]:self.first[t] + self.rows[t]] for t in tracks.tolist()]).double()
        data = copy.copy(self)
        data.table = ((self.table - rows.mean(0)) / rows.std(0, correction=0)).float()
        return data

    def segments(self, tracks, starts, frames):
        """[N, 1, frames, bands]; starts within each track."""
        at = (self.first[tracks] + starts)[:, None] + torch.arange(frames)
        return self.table[at][:, None]

    def stratified_split(self, seed):
        """50 / 20 / 30 percent of each class."""
        order, parts = np.random.default_rng(seed), {"train": [], "valid": [], "test": []}
        for k in range(len(self.classes)):
            tracks = order.permutation(np.flatnonzero(self.labels.numpy() == k))
            a, b = round(0.5 * len(tracks)), round(0.7 * len(tracks))
            for part, chosen in zip(parts, (tracks[:a], tracks[a:b], tracks[b:])):
                parts[part] += [self.names[i] for i in chosen]
        return parts


class Dong2018(nn.Module):
    def __init__(self, r, bands, classes):
        super().__init__()
        flat = 64 * (((r.segment_frames - 2) // 4 - 4) // 4) * (((bands - 2) // 2 - 2) // 2)
        self.conv1 = nn.Conv2d(1, r.filters, (3, 3))  # (time, mel)
        self.conv2 = nn.Conv2d(r.filters, 64, (5, 3))
        self.dense1, self.dense2 = nn.Linear(flat, 32), nn.Linear(32, classes)
        self.dropout, self.l2_conv, self.l2_dense = nn.Dropout(r.dropout), r.l2_conv, r.l2_dense
        for layer in (self.conv1, self.conv2, self.dense1, self.dense2):  # Keras's defaults
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        # ReLU after pooling: the same function and the same gradient, with less work.
        x = F.relu(F.max_pool2d(self.conv1(x), (4, 2)))
        x = F.relu(F.max_pool2d(self.conv2(x), (4, 2)))
        x = F.relu(self.dense1(self.dropout(x.flatten(1))))
        return self.dense2(self.dropout(x))

    def penalty(self):
        """Keras's form: lambda sum w^2."""
        total = self.l2_dense * self.dense1.weight.square().sum()
        return total + self.l2_conv * (self.conv1.weight.square().sum() + self.conv2.weight.square().sum())


def make_optimizer(net, r):
    if r.optimizer == "adadelta":
        return torch.optim.Adadelta(net.parameters(), lr=r.rate, rho=r.rho, eps=r.epsilon)
    return torch.optim.AdamW(net.parameters(), lr=r.rate, eps=r.epsilon, weight_decay=r.weight_decay)


def rate_at(r, step, total):
    rate = r.rate
    if r.schedule == "inverse_time":
        rate /= 1 + r.decay * step
    elif r.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * min(1, step / total)))
    return rate * min(1, (step + 1) / r.warmup) if r.warmup else rate


def train_step(net, optimizer, x, labels, l2):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(net(x), labels)
    if l2:
        loss = loss + net.penalty()
    loss.backward()
    optimizer.step()
    return loss


@torch.no_grad()
def probabilities(net, data, tracks, starts, frames, chunk=256):
    net.eval()
    parts = [F.softmax(net(data.segments(t, s, frames)), 1) for t, s in zip(tracks.split(chunk), starts.split(chunk))]
    net.train()
    return torch.cat(parts)


def crop_accuracy(net, data, tracks, start, frames):
    starts = torch.full_like(tracks, start)
    return (probabilities(net, data, tracks, starts, frames).argmax(1) == data.labels[tracks]).double().mean().item()


def vote_accuracy(net, data, tracks, r):
    """Softmax summed over each track's overlapping segments, then argmax."""
    hop = max(1, round(r.segment_frames * (1 - r.overlap)))
    which, starts = [], []
    for i, track in enumerate(tracks.tolist()):
        spare = int(data.rows[track]) - r.segment_frames
        count = max(1, (spare - 1) // hop) if r.skip_last_start else spare // hop + 1
        which += [i] * count
        starts += range(0, count * hop, hop)
    which = torch.tensor(which)
    p = probabilities(net, data, tracks[which], torch.tensor(starts), r.segment_frames)
    votes = torch.zeros(len(tracks), p.shape[1], dtype=torch.float64).index_add_(0, which, p.double())
    return (votes.argmax(1) == data.labels[tracks]).double().mean().item()


def epoch_batches(r, train, generator):
    order = train[torch.randperm(len(train), generator=generator)]
    size = min(r.batch, len(train))
    batches = list(order.split(size))
    if not r.partial_batch:
        batches = [b for b in batches if len(b) == size]
    return batches[:max(1, len(batches) - r.drop_batches)]


def draw_starts(r, data, batch, generator):
    spare = data.rows[batch] - r.segment_frames
    count = torch.clamp(spare + (0 if r.skip_last_start else 1), min=1)
    if r.own_crop:
        return (torch.rand(len(batch), generator=generator, dtype=torch.float64) * count).long()
    return torch.randint(int(count.min()), (1,), generator=generator).expand(len(batch))


def stands_still(r, history):
    """The author's rule, asked after each block of epochs."""
    if not r.stop_block or len(history) % r.stop_block:
        return False
    block = history[-r.stop_block:]
    return abs(np.mean(block[-r.stop_window:]) - np.mean(block[:r.stop_window])) < r.stop_change


class Saved:
    """Where a split's training stands, in a file: a run of hours can be interrupted. Saved at the author's blocks of
    epochs, or every 100."""

    def __init__(self, r):
        self.path, self.every = r.state, r.stop_block or 100

    def load(self, net, optimizer, generator):
        if not self.path or not os.path.exists(self.path):
            return None
        s = torch.load(self.path, weights_only=False)
        net.load_state_dict(s["net"])
        optimizer.load_state_dict(s["optimizer"])
        generator.set_state(s["generator"])
        torch.set_rng_state(s["dropout"])
        return s["progress"]

    def save(self, epoch, net, optimizer, generator, progress):
        if self.path and epoch % self.every == 0:
            torch.save(dict(net=net.state_dict(), optimizer=optimizer.state_dict(), generator=generator.get_state(),
                            dropout=torch.get_rng_state(), progress=progress), self.path + ".part")
            os.replace(self.path + ".part", self.path)


def train_split(r, data, split, seed):
    train, valid, test = (torch.tensor([data.index[n] for n in split[part]]) for part in ("train", "valid", "test"))
    if r.standardise == "bands":
        data = data.standardised(train)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = Dong2018(r, data.table.shape[1], len(data.classes)).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(net, r)
    total = r.epochs * len(epoch_batches(r, train, torch.Generator()))
    saved = Saved(r)
    step, epoch, seconds, history, best, best_weights = (saved.load(net, optimizer, generator) or
                                                         (0, 0, 0.0, [], -1.0, None))
    while epoch < r.epochs and not (r.max_updates and step >= r.max_updates):
        for batch in epoch_batches(r, train, generator):
            began = time.perf_counter()
            starts = draw_starts(r, data, batch, generator)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(r, step, total)
            loss = train_step(net, optimizer, data.segments(batch, starts, r.segment_frames), data.labels[batch],
                              r.l2_conv or r.l2_dense)
            seconds, step = seconds + time.perf_counter() - began, step + 1
        epoch += 1
        if epoch % r.validate_every and epoch < r.epochs:
            continue
        accuracy = (vote_accuracy(net, data, valid, r) if r.validation == "vote" else
                    crop_accuracy(net, data, valid, int(starts[0]), r.segment_frames))
        history.append(accuracy)
        if accuracy > best:
            best, best_weights = accuracy, copy.deepcopy(net.state_dict())
        if r.verbose:
            print(f"epoch {epoch} step {step} loss {loss.item():.4f} valid {accuracy:.4f}", file=sys.stderr)
        if stands_still(r, history):
            break
        saved.save(epoch, net, optimizer, generator, (step, epoch, seconds, history, best, best_weights))
    result = dict(seed=seed, tracks=[len(train), len(valid), len(test)], epochs=epoch, updates=step,
                  seconds_per_step=seconds / step, final=vote_accuracy(net, data, test, r), best_validation=best)
    if best_weights is not None:
        net.load_state_dict(best_weights)
        result["best"] = vote_accuracy(net, data, test, r)
    return result


def time_steps(r, data):
    """Median seconds of a training step, input already cut out, after three warm-up steps."""
    generator, results = torch.Generator().manual_seed(0), {}
    batch = torch.randint(len(data.rows), (r.batch,), generator=generator)
    x, labels = data.segments(batch, draw_starts(r, data, batch, generator), r.segment_frames), data.labels[batch]
    for name in ("eager", "channels_last", "compile"):
        net = Dong2018(r, data.table.shape[1], len(data.classes))
        net = net.to(memory_format=torch.channels_last) if name == "channels_last" else net
        step = torch.compile(train_step) if name == "compile" else train_step
        optimizer, times = make_optimizer(net, r), []
        try:
            for _ in range(3 + r.time_steps):
                began = time.perf_counter()
                step(net, optimizer, x, labels, r.l2_conv or r.l2_dense)
                times.append(time.perf_counter() - began)
            results[name] = float(np.median(times[3:]))
        except Exception as error:  # torch.compile needs a compiler at hand; the other figures stand
            results[name] = f"failed: {str(error).splitlines()[0]}"
    return results


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--recipe", choices=RECIPES, default="dong2018")
    parser.add_argument("--splits", nargs="*", default=[], help="split files")
    parser.add_argument("--split-seeds", nargs="*", type=int, default=[], help="draw stratified splits instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-updates", type=int, default=0, help="stop after the epoch that reaches it; 0 = off")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--state", help="file that keeps the progress of one split, to go on after an interruption")
    parser.add_argument("--time-steps", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    for field, value in RECIPES["dong2018"].items():
        kind = (lambda text: text.lower() in ("1", "true", "yes")) if isinstance(value, bool) else type(value)
        parser.add_argument("--" + field.replace("_", "-"), type=kind)
    r = parser.parse_args()
    for field, value in RECIPES[r.recipe].items():
        if getattr(r, field) is None:
            setattr(r, field, value)
    return r


def main():
    r = parse_arguments()
    if r.threads:
        torch.set_num_threads(r.threads)
    data = Data(r.data)
    out = dict(peer="PyTorch", torch=torch.__version__, threads=torch.get_num_threads(), recipe=r.recipe,
               malloc_mmap_threshold=os.environ.get("MALLOC_MMAP_THRESHOLD_", "default"),
               settings={field: getattr(r, field) for field in RECIPES[r.recipe]} | dict(max_updates=r.max_updates))
    if r.time_steps:
        out["step_seconds"] = time_steps(r, data)
    else:
        splits = [data.stratified_split(seed) for seed in r.split_seeds]
        for path in r.splits:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            splits += content if isinstance(content, list) else [content]
        if not splits:
            sys.exit("no split: give --splits FILE or --split-seeds N")
        out["splits"] = [train_split(r, data, split, r.seed + i) for i, split in enumerate(splits)]
        for which in ("final", "best"):
            values = [s[which] for s in out["splits"] if which in s]
            if values:
                out["mean_" + which], out["std_" + which] = float(np.mean(values)), float(np.std(values))
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
