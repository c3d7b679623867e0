"""What sampling a video costs: CPU seconds against `ffmpeg -vf fps=1` on the same file, and bytes from object storage.

The videos are 720p H.264 at 25 frames a second with B-frames, noise and motion, a keyframe every 50 or every 250
frames, and nothing is cut. ffmpeg decodes with one thread and writes nothing; Canvass finds, scales and hands over the
pictures at the size that a model is sent, less what starting and opening the file take. The bytes are those that are
fetched by range of an MP4 of 30 minutes and about 1 GB to see each of its keyframes, with its index at the front and at
the end, planning included. A budget is measured on a talk: a slide every 20 to 40 seconds, with noise; of its frames,
sampled once a second, only those may be kept that it takes to see every slide. What it costs to find cuts to the frame
is measured on a minute of film whose scenes last 14.3 s, with a keyframe at each cut, as x264 sets them, and with one
every 250 frames: frames decoded for a cut, and CPU seconds over those of sampling.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TARGETS = {"1 s, keyframes every 50": 0.65, "1 s, keyframes every 250": 1.0,
           "10 s, keyframes every 50": 0.05, "10 s, keyframes every 250": 0.45, "bytes": 0.04,
           "frames kept": 0.15}
RATE = 25
SIZE = (1056, 576)
WINDOW = 60
"""Samples of one call."""
SCENE = 14.3
"""Seconds of a scene."""


def main() -> None:
    """Make the videos, sample them both ways, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 seconds of video instead of 300")
    parser.add_argument("--sample", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sample:
        sample(options.sample[0], int(options.sample[1]), float(options.sample[2]))
        return
    seconds = 20 if options.quick else 300
    figures: dict[str, Any] = {"seconds": seconds, "targets": TARGETS}
    with tempfile.TemporaryDirectory(prefix="canvass-bench-") as folder:
        for group in (50, 250):
            path = Path(folder) / f"{group}.mp4"
            make(path, seconds, group)
            floor = cpu_seconds(ffmpeg(), "-v", "error", "-threads", "1", "-i", str(path), "-vf", "fps=1", "-f", "null",
                                "-")
            start_up = cpu_seconds(sys.executable, __file__, "--sample", str(path), "0", "1")
            for step in (1, 10):
                own = cpu_seconds(sys.executable, __file__, "--sample", str(path), str(seconds), str(step)) - start_up
                name = f"{step} s, keyframes every {group}"
                figures[name] = round(own / floor, 3)
                print(f"{name}: {own:.2f} CPU s, ffmpeg at 1 s {floor:.2f}: {own / floor:.3f} of it, at most "
                      f"{TARGETS[name]}", flush=True)
        for place, share in bytes_read(Path(folder), 1 if options.quick else 30).items():
            figures[f"bytes, index at the {place}"] = round(share, 4)
            print(f"keyframes, index at the {place}: {share:.2%} of the bytes read, at most {TARGETS['bytes']:.0%}",
                  flush=True)
        kept, missed = talk(Path(folder), 1 if options.quick else 20)
        figures |= {"frames kept": round(kept, 3), "slides missed": missed}
        print(f"a talk with a budget of 600/h: {kept:.3f} of the frames kept, at most {TARGETS['frames kept']}; "
              f"{missed} slides missed", flush=True)
        for threshold, name in ((40, "with a keyframe at each"), (0, "with a keyframe every 250 frames")):
            path = Path(folder) / f"film-{threshold}.mp4"
            make(path, min(seconds, 60), 250, scene=SCENE, threshold=threshold)
            for step in (1, 10):
                found, right, decoded, share = cut(str(path), min(seconds, 60), step)
                figures[f"cuts {name}, {step} s"] = [found, right, round(decoded, 1), round(share, 3)]
                print(f"cuts {name}, sampled every {step} s: {right} of {found} right to the frame, {decoded:.1f} "
                      f"frames decoded for one, {share:.3f} of the time of sampling")
    print(json.dumps(figures))


def ffmpeg() -> str:
    """The ffmpeg that comes as a wheel."""
    from imageio_ffmpeg import get_ffmpeg_exe

    return str(get_ffmpeg_exe())


def cpu_seconds(*command: str) -> float:
    """CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make(path: Path, seconds: int, group: int, bits: str = "3M", scene: float | None = None, threshold: int = 0
         ) -> None:
    """A moving, noisy picture, of another brightness in each scene of so many seconds."""
    light = f"eq=eval=frame:brightness='0.25*mod(floor((t+0.001)/{scene})\\,3)-0.25'," if scene else ""
    subprocess.run([ffmpeg(), "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate={RATE}", "-t",
                    str(seconds), "-vf", f"{light}noise=alls=12:allf=t", "-c:v", "libx264", "-preset", "veryfast",
                    "-b:v", bits, "-g", str(group), "-sc_threshold", str(threshold), "-pix_fmt", "yuv420p", str(path)],
                   check=True)


def sample(path: str, seconds: int, step: float) -> None:
    """Plan a video, draw its samples, a window at a time, and find its cuts, as a helper does."""
    from pipeline import cuts, frames

    frames.probe(path)
    count = int(seconds / step)
    for first in range(0, count, WINDOW):
        times, _ = frames.grab(path, first * step, step, min(WINDOW, count - first), SIZE)
        cuts.locate(path, times.cuts)


def cut(path: str, seconds: int, step: int) -> tuple[int, int, float, float]:
    """Of the cuts of a film how many were seen, how many of them were found to the frame, how many frames were decoded
    for one, and the CPU seconds that it took over those of sampling.
    """
    from pipeline import cuts, frames

    count, spent, more, decoded = seconds // step, 0.0, 0.0, 0
    found: list[float] = []
    for first in range(0, count, WINDOW):
        begun = time.process_time()
        times, _ = frames.grab(path, first * step, step, min(WINDOW, count - first), SIZE)
        sought = time.process_time()
        (exact, took), _ = cuts.locate(path, times.cuts)
        spent, more, decoded = spent + sought - begun, more + time.process_time() - sought, decoded + took
        found += exact
    true = [math.ceil(SCENE * RATE * place) / RATE for place in range(1, int(seconds / SCENE) + 1)]
    right = sum(any(abs(at - each) < 0.5 / RATE for each in true) for at in found)
    return len(found), right, decoded / max(1, len(found)), more / spent


def talk(folder: Path, minutes: int) -> tuple[float, int]:
    """The share of frames that a budget keeps of a talk, and how many slides none of them shows."""
    import random

    from PIL import Image, ImageDraw, ImageFont

    chance, starts = random.Random(1), [0]
    while starts[-1] < minutes * 60:
        starts.append(starts[-1] + chance.randint(20, 40))
    font, lines = ImageFont.load_default(40), []
    for place, (begins, ends) in enumerate(itertools.pairwise(starts)):
        slide = Image.new("RGB", (1280, 720), "white")
        ImageDraw.Draw(slide).text((100, 80 + 60 * (place % 8)), f"Point {place}: {chance.random():.6f}", "black", font)
        slide.save(folder / f"{place}.png")
        lines.append(f"file {place}.png\nduration {ends - begins}\n")
    (folder / "slides.txt").write_text("".join(lines))
    path = folder / "talk.mp4"
    subprocess.run([ffmpeg(), "-v", "error", "-f", "concat", "-i", str(folder / "slides.txt"), "-t", str(minutes * 60),
                    "-vf", f"fps={RATE},noise=alls=6:allf=t", "-c:v", "libx264", "-preset", "veryfast", "-g", "250",
                    "-pix_fmt", "yuv420p", str(path)], check=True)
    seen = sampled(path)
    missed = sum(not any(begins <= at < ends for at in seen) for begins, ends in itertools.pairwise(starts))
    return len(seen) / (minutes * 60), missed


def sampled(path: Path) -> list[float]:
    """The times of all frames of a video that a budget of 600 an hour lets through."""
    import null_engine

    from pipeline import storage
    from pipeline.fingerprints import of_job
    from pipeline.planning import Errand
    from pipeline.probing import plan_asset
    from pipeline.rendering import Helpers, render
    from schemas.job import Job

    chosen = null_engine.choice()
    job = Job.model_validate({"name": "bench", "inputs": [str(path)], "output": "/out", "transcribe": True,
                              "frames": {"budget": "600/h"}})
    helpers = Helpers(1, job.limits.seconds, job.limits.memory_mb)
    asset = storage.stat(str(path))
    try:
        return [view.time_s for part in plan_asset(Errand(asset, asset.version), job, chosen.limits,
                                                   of_job(job, chosen), helpers)
                for chunk in part.chunks
                for view in render([chunk], part, str(path), job, chosen.limits, helpers)[0].views
                if view.time_s is not None]
    finally:
        helpers.close()


@contextmanager
def counted() -> Iterator[list[int]]:
    """The sizes of all ranges that are fetched from a store."""
    import obstore

    fetched: list[int] = []
    plain = obstore.get_range

    def counting(store: Any, key: str, *, start: int, end: int) -> Any:
        fetched.append(end - start)
        return plain(store, key, start=start, end=end)

    obstore.get_range = counting
    try:
        yield fetched
    finally:
        obstore.get_range = plain


def bytes_read(folder: Path, minutes: int) -> dict[str, float]:
    """The share of a video on a real S3 server that is read to see all keyframes, by the place of its index."""
    import os

    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root), str(root / "tests")]  # where a folder named like each of ours lies: ours come first
    from s3_server import ENVIRONMENT, running_s3

    from pipeline import frames

    make(folder / "minute.mp4", 60, 250, "4750k")
    (folder / "s3").mkdir()
    shares = {}
    with running_s3(folder / "s3") as server, counted() as fetched:
        os.environ |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.endpoint}
        bucket = server.fresh_bucket()
        for place, flags in (("front", ["-movflags", "+faststart"]), ("end", [])):
            path = folder / f"{place}.mp4"
            subprocess.run([ffmpeg(), "-v", "error", "-stream_loop", str(minutes - 1), "-i", str(folder / "minute.mp4"),
                            "-c", "copy", *flags, str(path)], check=True)
            server.client.upload_file(str(path), bucket, path.name)
            uri, count, decoded = f"s3://{bucket}/{path.name}", minutes * 6, 0
            fetched.clear()
            frames.probe(uri)
            for first in range(0, count, WINDOW):
                times, _ = frames.grab(uri, first * 10.0, 10.0, min(WINDOW, count - first), SIZE)
                decoded += times.decoded
            if decoded != count + (count - 1) // WINDOW:  # a window is compared with the sample before it
                sys.exit(f"{decoded} frames were decoded of {count} keyframes")
            shares[place] = sum(fetched) / path.stat().st_size
            path.unlink()
    return shares


if __name__ == "__main__":
    main()
