#!/usr/bin/env python3
"""What PyTorch does with the same work on the same GPU: a training step of the Dong 2018 network (batch 150,
256 and 50 frames x 64 bands), log-mel features of an hour of sound, cuDNN's recurrent layers, and a training step of each
tagging network.

    gpu_torch.py OUT.json [MELGRAD_BENCH]     which says the shapes of the tagging networks; without it they are left out

Each form PyTorch offers is timed, and the best counts: eager, channels last, torch.compile, in float32 (strict), TF32 and
bf16 autocast, with cudnn.benchmark on. Milliseconds are medians of CUDA events around single steps after a warm-up.
"""
import json
import statistics
import sys
import types

import torch
import torch.nn.functional as F
from dong2018_torch import Dong2018, RECIPES  # beside this file

DEVICE = "cuda"


def median_ms(run, warm_up=10, repetitions=40):
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repetitions):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def step_of(frames, bands, batch, arithmetic, channels_last, compiled):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
    recipe = types.SimpleNamespace(**RECIPES["dong2018"] | dict(segment_frames=frames))
    net = Dong2018(recipe, bands, 10).to(DEVICE)
    x = torch.randn(batch, 1, frames, bands, device=DEVICE)
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,), device=DEVICE)
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0, rho=0.95, eps=1e-7, capturable=True)

    def forward_backward():
        with torch.autocast(DEVICE, torch.bfloat16, enabled=arithmetic == "bf16"):
            loss = F.cross_entropy(net(x), labels)
        (loss + net.penalty()).backward()

    body = torch.compile(forward_backward) if compiled else forward_backward

    def step():
        optimizer.zero_grad(set_to_none=True)
        body()
        optimizer.step()

    return step


def graphed(step):
    """The whole step in one CUDA graph, as we do it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def time_steps(frames, forms):
    results = {}
    for form in forms:
        for arithmetic in ("f32", "tf32", "bf16"):
            try:
                step = step_of(frames, 64, 150, arithmetic, "channels_last" in form, form == "compile")
                results[f"{arithmetic} {form}"] = median_ms(graphed(step) if form.startswith("graph") else step)
            except Exception as error:  # one form failing leaves the others standing
                results[f"{arithmetic} {form}"] = f"failed: {str(error).splitlines()[0][:200]}"
    return results


def time_log_mel():
    rate, n_fft, hop = 22050, 512, 256
    wave = torch.randn(3600 * rate, device=DEVICE) * 0.1
    window = torch.hann_window(n_fft, device=DEVICE)
    filters = torch.rand(64, n_fft // 2 + 1, device=DEVICE)  # dense, as torchaudio has them; the values do not matter

    def run():
        spectrum = torch.stft(wave, n_fft, hop, window=window, return_complex=True)
        return torch.log(1 + filters @ (spectrum.real**2 + spectrum.imag**2))

    results = {"torch.stft, dense filters": 3600e3 / median_ms(run, 3, 10)}
    try:
        import torchaudio

        mel = torchaudio.transforms.MelSpectrogram(rate, n_fft, hop_length=hop, f_max=10000, n_mels=64, norm="slaney",
                                                   mel_scale="slaney").to(DEVICE)
        results["torchaudio"] = 3600e3 / median_ms(lambda: torch.log(1 + mel(wave)), 3, 10)
    except ImportError:
        results["torchaudio"] = "not installed"
    return results


def time_recurrent():
    """Microseconds of a layer as wide as its input, forward and backward: the cases of bench/recurrent_bench.cpp."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    results = {}
    for name, layer in (("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)):
        for steps, batch, hidden in ((18, 16, 32), (81, 16, 64), (81, 64, 128)):
            net = layer(hidden, hidden).to(DEVICE)
            x = torch.rand(steps, batch, hidden, device=DEVICE, requires_grad=True)
            gradient = torch.rand(steps, batch, hidden, device=DEVICE)

            def run(net=net, x=x, gradient=gradient):
                net.zero_grad(set_to_none=True)
                x.grad = None
                net(x)[0].backward(gradient)

            for form in ("eager", "graph"):
                try:
                    timed = graphed(run) if form == "graph" else run
                    results[f"{name}/{steps}x{batch}x{hidden} {form}"] = round(1000 * median_ms(timed), 1)
                except Exception as error:
                    results[f"{name}/{steps}x{batch}x{hidden} {form}"] = f"failed: {str(error).splitlines()[0][:200]}"
    return results


def time_tagging(program, results, write):
    """Milliseconds of a training step of each tagging network at the batch and shape of its recipe, recorded as a graph.
    torch.compile is left out: it takes longer than all the rest."""
    from tagging_step import TAGS, cases, make_twin  # beside this file

    for network, (_, frames, bands, batch) in cases(program).items():
        x = torch.rand(batch, frames, bands, device=DEVICE)
        targets = (torch.rand(batch, TAGS, device=DEVICE) < 0.3).float()
        for arithmetic in ("f32", "tf32", "bf16"):
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
            try:
                net = make_twin(network, 1, TAGS, frames, bands).float().train().to(DEVICE)
                if not network.startswith(("cnn1d", "sample")):
                    net = net.to(memory_format=torch.channels_last)
                optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, capturable=True)

                def step(net=net, optimizer=optimizer, arithmetic=arithmetic):
                    optimizer.zero_grad(set_to_none=True)
                    with torch.autocast(DEVICE, torch.bfloat16, enabled=arithmetic == "bf16"):
                        logits = net(x)
                    F.binary_cross_entropy_with_logits(logits.float(), targets).backward()
                    optimizer.step()

                results[f"{network} {arithmetic}"] = round(median_ms(graphed(step), 3, 15), 3)
            except Exception as error:
                results[f"{network} {arithmetic}"] = f"failed: {str(error).splitlines()[0][:200]}"
            write()


def copy_bandwidth():
    """Bytes read plus bytes written per second of a large copy on the device."""
    a = torch.empty(1 << 30, dtype=torch.uint8, device=DEVICE)
    b = torch.empty_like(a)
    return 2 * a.numel() / median_ms(lambda: b.copy_(a)) / 1e6


def main():
    torch.backends.cudnn.benchmark = True
    shapes = {f"{frames}x64x150": frames for frames in (256, 50)}
    steps = {shape: {} for shape in shapes}
    out = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(), "gpu": torch.cuda.get_device_name(),
           "copy_gb_per_s": copy_bandwidth(), "dong2018_step_ms": steps}

    def write():  # after each part: what takes too long leaves the others standing
        with open(sys.argv[1], "w") as file:
            json.dump(out, file, indent=1)

    for shape, frames in shapes.items():
        steps[shape] |= time_steps(frames, ("eager", "eager channels_last", "graph channels_last"))
        write()
    out["log_mel_x_real_time"] = time_log_mel()
    write()
    out["recurrent_us"] = time_recurrent()
    write()
    if len(sys.argv) > 2:
        out["tagging_step_ms"] = {}
        time_tagging(sys.argv[2], out["tagging_step_ms"], write)
    for shape, frames in shapes.items():
        steps[shape] |= time_steps(frames, ("compile",))
        write()


if __name__ == "__main__":
    main()
