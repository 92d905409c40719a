"""PyTorch twins of the tagging networks (models/), written from the papers and the authors' public code.

They compute in PyTorch's layout, [N, C, F, T] or [N, C, T]; kernels and pools are written (F, T). `named_values` gives
their parameters and running statistics melgrad's names and layouts. Dropout is left out: golden runs have none.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Convolution, batch norm, ReLU, max pool; the convolution keeps the size unless `pad` says otherwise."""

    def __init__(self, inputs, outputs, kernel, pool=1, stride=1, pad=None, relu=True):
        super().__init__()
        flat = isinstance(kernel, int)
        pad = pad if pad is not None else kernel // 2 if flat else tuple(k // 2 for k in kernel)
        self.conv = (nn.Conv1d if flat else nn.Conv2d)(inputs, outputs, kernel, stride, pad)
        self.norm = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(outputs)
        self.max_pool, self.pool, self.relu = F.max_pool1d if flat else F.max_pool2d, pool, relu

    def forward(self, x):
        h = self.norm(self.conv(x))
        return self.max_pool(F.relu(h) if self.relu else h, self.pool)


class Net(nn.Module):
    """x [N, T, F] -> logits [N, tags]. `c` scales a number of channels by the width."""

    def __init__(self, width, tags):
        super().__init__()
        self.width, self.tags = width, tags

    def c(self, channels):
        return max(1, math.floor(channels * self.width + 0.5))

    def chain(self, prefix, blocks, first=1):
        self.names = [f"{prefix}{k}" for k in range(first, first + len(blocks))]
        for name, block in zip(self.names, blocks):
            self.add_module(name, block)

    def run_chain(self, x):
        for name in self.names:
            x = getattr(self, name)(x)
        return x

    def head(self, inputs, hidden):
        """Dense, batch norm, ReLU, dense."""
        self.dense1, self.dense1_norm = nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden)
        self.dense2 = nn.Linear(hidden, self.tags)

    def run_head(self, x):
        return self.dense2(F.relu(self.dense1_norm(self.dense1(x))))


def spectrogram(x):
    return x.transpose(1, 2).unsqueeze(1)  # [N, 1, F, T]


# ---- the study of eight, on samples
class Cnn1d(Net):
    def __init__(self, width, tags, frames, bands, chunk=None):
        super().__init__(width, tags)
        self.chunk = chunk
        widths = [self.c(f) for f in (64, 64, 64, 128, 128, 128, 256, 256)]
        self.stack(widths)
        steps = 1 if chunk else frames // 3**8
        self.dense1 = nn.Linear(widths[-1] * steps, self.c(128))
        self.dense2 = nn.Linear(self.c(128), tags)

    def stack(self, widths):
        blocks = [Block(1, widths[0], 3, stride=3, pad=0)]
        blocks += [Block(i, o, 3, pool=3) for i, o in zip(widths, widths[1:])]
        self.chain("block", blocks, first=0)

    def features(self, x):
        x = x.transpose(1, 2)
        if self.chunk is None:
            return self.run_chain(x).transpose(1, 2).flatten(1)
        h = self.run_chain(torch.cat(x.split(self.chunk, dim=2)))  # [K N, C, T]
        return h.amax(2).unflatten(0, (-1, len(x))).amax(0)

    def forward(self, x):
        return self.dense2(F.relu(self.dense1(self.features(x))))


class Cnn1dRecurrent(Cnn1d):
    def __init__(self, width, tags, frames, bands, cell):
        Net.__init__(self, width, tags)
        widths = [self.c(f) for f in (64, 64, 64, 128, 128, 256)]
        self.stack(widths)
        self.recurrent = cell(widths[-1], self.c(128), batch_first=True)
        self.dense = nn.Linear(self.c(128), tags)

    def forward(self, x):
        states, _ = self.recurrent(self.run_chain(x.transpose(1, 2)).transpose(1, 2))
        return self.dense(states[:, -1])


# ---- the study of eight, on spectrograms, and CRNN
class Cnn2d(Net):
    def __init__(self, width, tags, frames, bands, cell):
        super().__init__(width, tags)
        self.norm = nn.BatchNorm2d(1)
        pools = [(2, 2), (3, 3), (4, 4), (4, 4)] if bands < 256 else [(4, 2), (4, 3), (4, 4), (4, 4)]
        widths = [1] + [self.c(f) for f in (64, 128, 128, 128)]
        self.chain("block", [Block(i, o, (3, 3), p) for i, o, p in zip(widths, widths[1:], pools)])
        self.recurrent = cell(widths[-1], self.c(32), num_layers=2, batch_first=True)
        self.dense = nn.Linear(self.c(32), tags)

    def forward(self, x):
        if x.shape[2] == 257:
            x = x[:, :, 1:]  # without the constant component
        h = self.run_chain(self.norm(spectrogram(x)))
        states, _ = self.recurrent(h.squeeze(2).transpose(1, 2))
        return self.dense(states[:, -1])


# ---- the field
class Fcn(Net):
    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        self.norm = nn.BatchNorm2d(1)
        pools = [(2, 4), (2, 4), (2, 4), (3, 5), (4, 4)]
        widths = [1] + [self.c(f) for f in (64, 128, 128, 128, 64)]
        self.chain("block", [Block(i, o, (3, 3), p) for i, o, p in zip(widths, widths[1:], pools)])
        self.dense = nn.Linear(widths[-1], tags)

    def forward(self, x):
        return self.dense(self.run_chain(self.norm(spectrogram(x))).flatten(1))


class Musicnn(Net):
    HEIGHTS, LENGTHS = (67, 38), (129, 65, 33)

    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        self.norm = nn.BatchNorm2d(1)
        for f in self.HEIGHTS:
            self.add_module(f"timbre{f}", Block(1, self.c(204), (f, 7), pad=(0, 3)))
        for t in self.LENGTHS:
            self.add_module(f"rhythm{t}", Block(1, self.c(51), t))
        front, mid = 2 * self.c(204) + 3 * self.c(51), self.c(64)
        self.mid1, self.mid2, self.mid3 = Block(front, mid, 7), Block(mid, mid, 7), Block(mid, mid, 7)
        self.head(2 * (front + 3 * mid), self.c(200))

    def forward(self, x):
        h = self.norm(spectrogram(x))
        timbre = [getattr(self, f"timbre{f}")(h).amax(2) for f in self.HEIGHTS]
        rhythm = [getattr(self, f"rhythm{t}")(h.mean(2)) for t in self.LENGTHS]
        front = torch.cat(timbre + rhythm, dim=1)
        first = self.mid1(front)
        second = self.mid2(first) + first
        third = self.mid3(second) + second
        h = torch.cat([front, first, second, third], dim=1)
        return self.run_head(torch.cat([h.amax(2), h.mean(2)], dim=1))


class Block2019(nn.Module):
    """Convolution, ReLU, batch norm with TensorFlow's settings, max pool."""

    def __init__(self, inputs, outputs, kernel, pool=1, stride=None, pad="same"):
        super().__init__()
        flat = isinstance(kernel, int)
        self.conv = (nn.Conv1d if flat else nn.Conv2d)(inputs, outputs, kernel, padding=pad)
        self.norm = norm_2019(outputs, flat)
        self.max_pool, self.pool, self.stride = F.max_pool1d if flat else F.max_pool2d, pool, stride

    def forward(self, x):
        return self.max_pool(self.norm(F.relu(self.conv(x))), self.pool, self.stride)


def norm_2019(channels, flat):
    return (nn.BatchNorm1d if flat else nn.BatchNorm2d)(channels, eps=1e-3, momentum=0.01)


class Musicnn2019(Net):
    HEIGHTS, LENGTHS = (38, 67), (128, 64, 32)

    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        self.norm = norm_2019(1, False)
        for f in self.HEIGHTS:
            self.add_module(f"timbre{f}", Block2019(1, self.c(204), (f, 7), pad=(0, 3)))
        for t in self.LENGTHS:
            self.add_module(f"rhythm{t}", Block2019(1, self.c(51), (1, t)))
        front, mid, hidden = 2 * self.c(204) + 3 * self.c(51), self.c(64), self.c(200)
        self.mid1, self.mid2, self.mid3 = Block2019(front, mid, 7), Block2019(mid, mid, 7), Block2019(mid, mid, 7)
        self.pooled_norm = norm_2019(2 * (front + 3 * mid), True)
        self.dense1, self.dense1_norm = nn.Linear(2 * (front + 3 * mid), hidden), norm_2019(hidden, True)
        self.dense2 = nn.Linear(hidden, tags)

    def forward(self, x):
        h = self.norm(spectrogram(x))
        blocks = [f"timbre{f}" for f in self.HEIGHTS] + [f"rhythm{t}" for t in self.LENGTHS]
        front = torch.cat([getattr(self, name)(h).amax(2) for name in blocks], dim=1)
        first = self.mid1(front)
        second = self.mid2(first) + first
        third = self.mid3(second) + second
        h = torch.cat([front, first, second, third], dim=1)
        h = self.dense1(self.pooled_norm(torch.cat([h.amax(2), h.mean(2)], dim=1)))
        return self.dense2(self.dense1_norm(F.relu(h)))


class Vgg2019(Net):
    POOLS = (((1, 4), 2), (2, 2), (2, 2), (2, 2), (4, 4))

    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        self.norm = norm_2019(1, False)
        widths = [1] + [self.c(128)] * 5
        self.chain("block", [Block2019(i, o, (3, 3), *pool) for i, o, pool in zip(widths, widths[1:], self.POOLS)])
        left = self.run_chain(torch.zeros(1, 1, bands, frames))
        self.dense = nn.Linear(left.numel(), tags)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()

    def forward(self, x):
        h = self.run_chain(self.norm(spectrogram(x)))  # [N, C, F, T]
        return self.dense(h.permute(0, 3, 2, 1).flatten(1))


SAMPLE_WIDTHS = (128, 128, 128, 256, 256, 256, 256, 256, 256, 512)


class SampleCnn(Net):
    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        widths = [self.c(f) for f in SAMPLE_WIDTHS]
        blocks = [Block(1, widths[0], 3, stride=3)]
        blocks += [Block(i, o, 3, pool=3) for i, o in zip(widths, widths[1:])]
        self.chain("block", blocks + [Block(widths[-1], widths[-1], 1)])
        self.dense = nn.Linear(widths[-1], tags)

    def forward(self, x):
        return self.dense(self.run_chain(x.transpose(1, 2)).flatten(1))


class Excitation(nn.Module):
    """Two convolutions, a gate per channel from their mean over time, the input added, ReLU, max pool."""

    def __init__(self, inputs, outputs, kernel, stride=1, pool=1):
        super().__init__()
        self.first = Block(inputs, outputs, kernel, stride=stride)
        self.second = Block(outputs, outputs, kernel, relu=False)
        self.squeeze, self.excite = nn.Linear(outputs, outputs), nn.Linear(outputs, outputs)
        if stride != 1 or inputs != outputs:
            self.shortcut = Block(inputs, outputs, kernel, stride=stride, relu=False)
        self.pool = pool

    def forward(self, x):
        h = self.second(self.first(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(h.mean(2)))))
        shortcut = self.shortcut(x) if hasattr(self, "shortcut") else x
        return F.max_pool1d(F.relu(shortcut + h * gate.unsqueeze(2)), self.pool)


class SampleCnnSe(Net):
    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        widths = [self.c(f) for f in SAMPLE_WIDTHS]
        blocks = [Excitation(1, widths[0], 3, stride=3)]
        blocks += [Excitation(i, o, 3, pool=3) for i, o in zip(widths, widths[1:])]
        self.chain("block", blocks + [Excitation(widths[-1], widths[-1], 1)])
        self.head(widths[-1], widths[-1])

    def forward(self, x):
        return self.run_head(self.run_chain(x.transpose(1, 2)).flatten(1))


class Residual(nn.Module):
    """Two convolutions and the input added, by way of a convolution if the first has a stride; ReLU, max pool."""

    def __init__(self, inputs, outputs, stride=1, pool=1):
        super().__init__()
        self.first = Block(inputs, outputs, (3, 3), stride=stride)
        self.second = Block(outputs, outputs, (3, 3), relu=False)
        self.shortcut = Block(inputs, outputs, (3, 3), stride=stride, relu=False) if stride > 1 else nn.Identity()
        self.pool = pool

    def forward(self, x):
        return F.max_pool2d(F.relu(self.shortcut(x) + self.second(self.first(x))), self.pool)


class ShortChunk(Net):
    def __init__(self, width, tags, frames, bands, residual):
        super().__init__(width, tags)
        self.norm = nn.BatchNorm2d(1)
        widths = [1] + [self.c(f) for f in (128, 128, 256, 256, 256, 256, 512)]
        block = (lambda i, o: Residual(i, o, stride=2)) if residual else (lambda i, o: Block(i, o, (3, 3), pool=2))
        self.chain("block", [block(i, o) for i, o in zip(widths, widths[1:])])
        self.head(widths[-1], widths[-1])

    def forward(self, x):
        return self.run_head(self.run_chain(self.norm(spectrogram(x))).amax((2, 3)))


class Gated(nn.Module):
    """Two convolutions times a gate for each channel, and the input added, by way of a convolution if shapes differ."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = Block(inputs, outputs, (3, 3), stride=stride)
        self.second = Block(outputs, outputs, (3, 3), relu=False)
        self.squeeze = nn.Linear(outputs, max(outputs // 4, 1))
        self.excite = nn.Linear(max(outputs // 4, 1), outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else Block(inputs, outputs, (1, 1), stride=stride, pad=0, relu=False)

    def forward(self, x):
        h = self.second(self.first(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(h.mean((2, 3))))))
        return F.relu(self.shortcut(x) + h * gate[..., None, None])


class ResnetSe(Net):
    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        widths = [self.c(f) for f in (32, 64, 128, 256)]
        self.stem = Block(2, widths[0], (5, 7), stride=(2, 4), pad=(2, 3), pool=(2, 1))
        steps = zip(widths[:1] + widths, widths, (1, 2, 2, 2))
        self.chain("block", [Gated(i, o, stride) for i, o, stride in steps])
        self.pool_norm, self.dense = nn.BatchNorm1d(2 * widths[-1]), nn.Linear(2 * widths[-1], tags)

    def forward(self, x):
        x = spectrogram(x)
        h = self.run_chain(self.stem(torch.cat([x, 1.5 * (x - x.mean(3, keepdim=True))], 1)))
        return self.dense(self.pool_norm(torch.cat([h.amax((2, 3)), h.mean((2, 3))], 1)))


def wave(cycles, deviation):
    """Cosines and sines under a Gaussian envelope, of energy 1 together; the cosines of a wave have mean 0."""
    half = int(2.5 * deviation + 1)
    x = torch.arange(-half, half + 1, dtype=torch.float64)
    envelope = torch.exp(-((x / deviation) ** 2) / 2)
    cosine, sine = envelope * torch.cos(2 * torch.pi * cycles * x), envelope * torch.sin(2 * torch.pi * cycles * x)
    if cycles:
        cosine = cosine - envelope * cosine.sum() / envelope.sum()
    norm = torch.sqrt((cosine**2 + sine**2).sum())
    return cosine / norm, sine / norm


class Modulations(nn.Module):
    """Spectrogram [N, 1, F, T] -> what moves at each rate and scale, in dB [N, rates * positions * 9]"""

    def __init__(self, bands, rates=5, stride=8):
        super().__init__()
        scales = [wave(0, 8)] + [wave(c, 1 / (torch.pi * c)) for c in (1 / 32, 1 / 16, 1 / 8, 1 / 4)]
        parts = [scales[0][0]] + [part for scale in scales[1:] for part in scale]
        rows = []
        for centre in range(0, bands, stride):
            for part in parts:  # a row of a band matrix: what lies outside the bands is cut off
                row, half = torch.zeros(bands + 2 * len(part), dtype=torch.float64), len(part) // 2
                row[centre + len(part) - half : centre + len(part) + half + 1] = part
                rows.append(row[len(part) : len(part) + bands])
        filters = torch.stack(rows)  # of the second of each band's two values, what it is above its mean
        self.register_buffer("bands", torch.stack([torch.zeros_like(filters), filters], 2).flatten(1))
        self.register_buffer("floor", torch.full((len(parts),), 0.01, dtype=torch.float64))
        self.strides = [min(2**k, 8) for k in range(rates)]
        for k in range(rates):
            rate = 0.375 / 2**k
            cosine, sine = wave(rate, 1 / (torch.pi * rate))
            w = torch.zeros(len(parts), len(parts), 1, len(cosine), dtype=torch.float64)
            w[0, 0, 0] = cosine
            for i in range(1, len(parts), 2):  # cos a cos b -+ sin a sin b
                w[i, i, 0], w[i, i + 1, 0] = cosine, -sine
                w[i + 1, i, 0], w[i + 1, i + 1, 0] = cosine, sine
            self.register_buffer(f"time{k + 1}", w)

    def forward(self, x):
        x = torch.stack([x[:, 0], x[:, 0] - x[:, 0].mean(2, keepdim=True)], 2).flatten(1, 2)
        z = torch.einsum("of,nft->not", self.bands, x)
        z = z.unflatten(1, (-1, len(self.floor))).transpose(1, 2)  # [N, 9, positions, T]
        means = []
        for k, stride in enumerate(self.strides):
            h = F.relu(F.conv2d(z, getattr(self, f"time{k + 1}"), self.floor, stride=(1, stride)))
            means.append(h.mean(3).transpose(1, 2).flatten(1))
        return 10 * torch.log10(torch.clamp(torch.cat(means, 1), min=1e-10))


class Modulation(Net):
    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        self.filters = Modulations(bands)
        features = 5 * 9 * ((bands - 1) // 8 + 1)
        self.norm, self.dense = nn.BatchNorm1d(features), nn.Linear(features, tags)

    def forward(self, x):
        return self.dense(self.norm(self.filters(spectrogram(x))))


class Filters(nn.Module):
    """Power spectrum [N, T, bins] -> decibels [N, harmonic, level, T]; the bandwidth follows from q."""

    def __init__(self, harmonics=6, levels=128, rate=16000):
        super().__init__()
        pitch = 440 * 2 ** ((24 + torch.arange(levels, dtype=torch.float64) / 2 - 69) / 12)
        self.register_buffer("centres", torch.outer(torch.arange(1, harmonics + 1), pitch))
        self.q, self.rate = nn.Parameter(torch.ones(1)), rate

    def forward(self, x):
        f = torch.linspace(0, self.rate / 2, x.shape[2], dtype=x.dtype, device=x.device)
        band = (0.1079 * self.centres + 24.7) / self.q
        up = 1 + 2 * (f - self.centres[..., None]) / band[..., None]
        filters = torch.clamp(torch.minimum(up, 2 - up), min=0)  # [harmonic, level, bins]
        return 10 * torch.log10(torch.clamp(torch.einsum("ntk,hlk->nhlt", x, filters), min=1e-10))


class Harmonic(Net):
    def __init__(self, width, tags, frames, bands):
        super().__init__(width, tags)
        low, high = self.c(128), self.c(256)
        self.filters, self.norm = Filters(), nn.BatchNorm2d(6)
        self.first = Block(6, low, (3, 3), pool=2)
        self.low1, self.low2, self.low3 = (Residual(low, low, pool=2) for _ in range(3))
        self.middle = Block(low, high, (3, 3), pool=2)
        self.high1, self.high2 = (Residual(high, high, pool=(2, 3)) for _ in range(2))
        self.head(high, high)

    def forward(self, x):
        h = self.first(self.norm(self.filters(x)))
        h = self.middle(self.low3(self.low2(self.low1(h))))
        return self.run_head(self.high2(self.high1(h)).amax((2, 3)))


# ---- names
TWINS = {
    "cnn1d": (Cnn1d, {}),
    "cnn1d-rnn": (Cnn1dRecurrent, dict(cell=nn.RNN)),
    "cnn1d-lstm": (Cnn1dRecurrent, dict(cell=nn.LSTM)),
    "cnn1d-gru": (Cnn1dRecurrent, dict(cell=nn.GRU)),
    "cnn1d-chunks": (Cnn1d, dict(chunk=59049)),
    "cnn2d-rnn": (Cnn2d, dict(cell=nn.RNN)),
    "cnn2d-lstm": (Cnn2d, dict(cell=nn.LSTM)),
    "cnn2d-gru": (Cnn2d, dict(cell=nn.GRU)),
    "fcn": (Fcn, {}),
    "crnn": (Cnn2d, dict(cell=nn.GRU)),
    "musicnn": (Musicnn, {}),
    "musicnn-2019": (Musicnn2019, {}),
    "vgg-2019": (Vgg2019, {}),
    "sample-cnn": (SampleCnn, {}),
    "sample-cnn-se": (SampleCnnSe, {}),
    "short-chunk": (ShortChunk, dict(residual=False)),
    "short-chunk-res": (ShortChunk, dict(residual=True)),
    "harmonic": (Harmonic, {}),
    "resnet-se": (ResnetSe, {}),
    "modulation": (Modulation, {}),
}
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_variance"}
CELL = {"weight_ih": "weight_input", "weight_hh": "weight_state", "bias_ih": "bias_input", "bias_hh": "bias_state"}


def make_twin(name, width, tags, frames, bands):
    make, options = TWINS[name]
    return make(width, tags, frames, bands, **options)


def own_name(module, path, leaf):
    """melgrad's name of the parameter or statistic `leaf` of the module at `path`."""
    if isinstance(module, nn.RNNBase):  # weight_ih_l0: of the first layer
        kind, layer = leaf.rsplit("_l", 1)
        return f"{path}{int(layer) + 1}.{CELL[kind]}"
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        leaf = NORM[leaf]
    return f"{path.replace('_norm', '.norm')}.{leaf}"


def own_layout(name, value):
    """A view of a parameter, of its gradient or of a statistic as melgrad stores it."""
    if value.dim() == 4:
        return value.permute(0, 3, 2, 1)  # [O, C, F, T] -> [O, T, F, C]
    if value.dim() == 3:
        return value.permute(0, 2, 1).unsqueeze(2)  # [O, C, T] -> [O, T, 1, C]
    return value.t().flatten() if name == "filters.centres" else value  # [level, harmonic]


def named_values(twin):
    """{melgrad's name: parameter or statistic}"""
    values = {}
    for path, module in twin.named_modules():
        leaves = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        values |= {own_name(module, path, k): v for k, v in leaves.items() if k != "num_batches_tracked"}
    return values
