#!/usr/bin/env python3
"""What melgrad hears of files that other programs made, against ffmpeg's decoding: MP3 of variable and average rate without
a length header, Ogg Vorbis and Opus joined from two halves, and files cut at 60 % in ten formats.
  python3 tests/hearing/run.py FOLDER [FILES]     FOLDER of FLAC files, searched; FILES: only so many (100); DECODE is the
                                                  program, build/cpu/bin/decode_audio if not set
Needs lame, oggenc, opusenc, sox, ffmpeg. One table on standard output; exit code 1 if a file was refused, or cut and not
said to be."""
import array, os, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DECODE = os.environ.get("DECODE", "build/cpu/bin/decode_audio")


def run(*words):
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])


def join(out, halves):
    out.write_bytes(b"".join(h.read_bytes() for h in halves))


def make(source, folder):
    """The files of one source: {format: (path, cut)}."""
    wav = folder / "whole.wav"
    run("sox", source, "-b", 16, wav)
    seconds = float(subprocess.check_output(["soxi", "-D", wav]))
    halves = [folder / "a.wav", folder / "b.wav"]
    run("sox", wav, halves[0], "trim", 0, seconds / 2)
    run("sox", wav, halves[1], "trim", seconds / 2)
    files = {}
    for name, words in (("MP3, VBR, no length", ["-V4", "-t"]), ("MP3, ABR, no length", ["--abr", "128", "-t"]),
                        ("MP3, VBR, LAME header", ["-V4"])):
        files[name] = folder / (words[0] + str(len(words)) + ".mp3"), False
        run("lame", "--quiet", *words, wav, files[name][0])
    for name, end, words in (("Ogg Vorbis, two links", "ogg", ["oggenc", "-Q", "IN", "-o"]),
                             ("Opus, two links", "opus", ["opusenc", "--quiet", "IN"])):
        parts = [folder / f"{h.stem}.{end}" for h in halves]
        for half, part in zip(halves, parts):
            run(*[half if w == "IN" else w for w in words], part)
        files[name] = folder / f"two.{end}", False, parts
        join(files[name][0], parts)
    for name, end, words in (("WAV", "wav", []), ("AIFF", "aiff", []), ("AU", "au", []), ("FLAC", "flac", []),
                             ("Ogg Vorbis", "ogg", []), ("CAF", "caf", ["-c:a", "pcm_s16be"]), ("W64", "w64", []),
                             ("RF64", "rf64.wav", ["-rf64", "always"]), ("ADPCM WAV", "adpcm.wav", ["-c:a", "adpcm_ms"])):
        path = folder / f"cut.{end}"
        if end == "ogg":
            run("oggenc", "-Q", wav, "-o", path)
        else:
            run("ffmpeg", "-v", "error", "-i", wav, *words, path)
        cut(path)
        files[name + ", cut"] = path, True
    for name, end, words in (("MP3", "mp3", ["lame", "--quiet", "-V4"]), ("Opus", "opus", ["opusenc", "--quiet"])):
        path = folder / f"cut.{end}"
        run(*words, wav, path)
        cut(path)
        files[name + ", cut"] = path, True
    return files


def floats(data):
    values = array.array("f")
    values.frombytes(data[: len(data) // 4 * 4])
    return values


def compare(ours, theirs):
    """Difference of lengths; shift of ours within theirs at the start; largest difference of samples where both are."""
    # Decoders differ in how much of the encoder's delay they leave in: look for the shift by the loudest stretch.
    best = None
    middle = min(len(ours), len(theirs)) // 2
    probe = ours[middle: middle + 400]
    for shift in range(-2400, 2401):
        other = theirs[middle + shift: middle + shift + 400]
        if middle + shift < 0 or len(other) < len(probe):
            continue
        worst = 0.0
        for x, y in zip(probe, other):
            worst = max(worst, abs(x - y))
            if best is not None and worst >= best[0]:
                break
        else:
            best = worst, shift
    shift = best[1] if best else 0
    from_ours, from_theirs = max(0, -shift), max(0, shift)
    n = min(len(ours) - from_ours, len(theirs) - from_theirs)
    differences = sorted(abs(ours[from_ours + i] - theirs[from_theirs + i]) for i in range(n))
    at_most = differences[-1] if n else 0
    return len(ours) - len(theirs), shift, at_most, differences[int(n * 0.999)] if n else 0


def examine(source):
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        files = make(source, Path(temporary))
        lines = subprocess.check_output([DECODE] + [str(f[0]) for f in files.values()], text=True).splitlines()
        for (name, (path, is_cut, *parts)), line in zip(files.items(), lines):
            _, rate, _, _, said, note = line.split("\t")
            if rate == "0":
                rows[name] = None, note, is_cut
                continue
            # ffmpeg trims only the first of joined streams, so it is given them one by one.
            theirs = b"".join(
                subprocess.run(["ffmpeg", "-v", "quiet", "-i", str(p), "-ac", "1", "-ar", rate, "-f", "f32le", "-"],
                               stdout=subprocess.PIPE).stdout for p in (parts[0] if parts else [path]))
            ours = floats(Path(str(path) + ".f32").read_bytes())
            rows[name] = compare(ours, floats(theirs)), said == "1", is_cut
    return rows


def main():
    sources = sorted(Path(sys.argv[1]).rglob("*.flac"))[: int(sys.argv[2]) if len(sys.argv) > 2 else 100]
    table, bad = {}, 0
    with ThreadPoolExecutor(int(os.environ.get("JOBS", 2))) as pool:
        for rows in pool.map(examine, sources):
            for name, row in rows.items():
                table.setdefault(name, []).append(row)
    print(f"{'format':24}{'files':>6}{'refused':>9}{'length, samples':>18}{'shift':>14}{'largest':>10}{'99.9 %':>9}  said to be cut")
    for name, rows in table.items():
        heard = [r for r in rows if r[0] is not None]
        span = lambda i: f"{min(r[0][i] for r in heard)} ... {max(r[0][i] for r in heard)}" if heard else ""
        top = lambda i: f"{max(r[0][i] for r in heard):.1e}" if heard else ""
        said = sum(1 for r in heard if r[1])
        wrong = len(rows) - len(heard) + sum(1 for r in heard if r[1] != r[2])
        bad += wrong
        print(f"{name:24}{len(rows):>6}{len(rows) - len(heard):>9}{span(0):>18}{span(1):>14}{top(2):>10}{top(3):>9}  "
              f"{said} of {len(rows) if rows[0][2] else 0}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
