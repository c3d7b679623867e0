"""Whether memory stays flat as inputs grow: peak memory of a run for ever longer PDFs and videos.

Every input is planned, worked on and folded by itself with an engine that answers nothing, in a process tree whose
memory is the sum of the proportional set sizes, read each 100 ms (process_tree.py says how). Ray's own daemons are
given apart. The figure is the largest peak over the smallest, for PDFs of 100, 1,000 and 10,000 pages and for videos
of 1, 10 and 60 minutes and 24 hours; flat is a ratio near 1. A video of a minute is a single window of 60 frames, and
of all longer ones two are in memory, one being drawn and one asked about: what grows with length is told by the longer
ones alone.
Without --ray the shards of a plan are done one after another, two at a time, in one process with one helper.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import process_tree

TARGET = 1.25
FPS, WIDTH, HEIGHT = 5, 320, 180
PAGE_LINES, DENSE_LINES = 6, 48


def main() -> None:
    """Build the inputs, run each, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="PDFs of 20 and 200 pages, videos of 1 and 2 minutes")
    parser.add_argument("--ray", action="store_true", help="the whole run on Ray Data, not the bare work function")
    parser.add_argument("--echo", action="store_true", help="dense pages, whose words the engine gives as transcripts")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        mode, echo, source, output = options.work
        (_with_ray if mode == "ray" else _without_ray)(Path(source), Path(output), echo == "echo")
        return
    pages, minutes = ([20, 200], [1, 2]) if options.quick else ([100, 1000, 10_000], [1, 10, 60, 24 * 60])
    mode, echo = "ray" if options.ray else "plain", "echo" if options.echo else "silent"
    figures: dict[str, Any] = {"mode": mode, "engine": echo, "target": TARGET}
    with tempfile.TemporaryDirectory(prefix="canvass-bench-") as temporary:
        folder = Path(temporary)
        for name, sizes, build, end in (("pdf", pages, _pdf, "pdf"), ("video", minutes, make_video, "mp4")):
            peaks = []
            for size in sizes:
                source = folder / f"{name}-{size}"
                source.mkdir()
                build(source / f"input.{end}", size, options.echo)
                used = process_tree.watch([sys.executable, __file__, "--work", mode, echo, str(source),
                                           str(folder / f"output-{name}-{size}")], memory=True)
                peaks.append(used.peak_mb)
                figures[f"{name}_{size}"] = {
                    "peak_mb": round(used.peak_mb, 1), "daemons_mb": round(used.peak_daemons_mb, 1),
                    "peaks_mb": used.peaks_mb, "seconds": round(used.seconds, 1), "cpu_s": round(used.cpu_seconds, 1),
                    "source_mb": round((source / f"input.{end}").stat().st_size / 1e6, 2)}
                print(f"{name} of {size} {'pages' if name == 'pdf' else 'minutes'}: peak {used.peak_mb:.0f} MB "
                      f"{used.peaks_mb}, {used.seconds:.1f} s", flush=True)
            figures[f"{name}_ratio"] = round(max(peaks) / min(peaks), 3)
        figures["longer_videos_ratio"] = round(max(peaks[1:]) / min(peaks[1:]), 3)
    print(f"largest peak over smallest: PDF {figures['pdf_ratio']}, video {figures['video_ratio']}, of more than one "
          f"window {figures['longer_videos_ratio']} (flat: at most {TARGET})")
    print(json.dumps(figures, sort_keys=True))


def _pdf(path: Path, pages: int, dense: bool) -> None:
    """Pages that differ: a few lines of text and one rule each, or many lines."""
    import pymupdf

    with pymupdf.open() as document:
        for number in range(pages):
            page = document.new_page(width=595, height=842)
            lines = [f"Line {line} of page {number + 1}: item {number * 31 + line * 7}, amount {number * 13 + line}.50"
                     for line in range(DENSE_LINES if dense else PAGE_LINES)]
            page.insert_text((60, 80), lines, fontsize=11)
            page.draw_line((60, 60), (535, 60 + number % 7))
        document.save(path, deflate=True)


def make_video(path: Path, minutes: int, _dense: bool = False) -> None:
    """One encoded minute, its packets repeated with later timestamps."""
    import av

    minute = path.with_name("minute.mp4")
    _encode_minute(minute)
    with av.open(str(minute)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        assert video.time_base is not None
        length = round(60 / video.time_base)
        for turn in range(minutes):
            source.seek(0)
            for packet in source.demux(video):
                if packet.pts is None or packet.dts is None:
                    continue
                packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                packet.stream = copy
                target.mux(packet)
    minute.unlink()


def _encode_minute(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size = 5 * FPS
        for number in range(60 * FPS):
            image = np.full((HEIGHT, WIDTH, 3), 40 + number // FPS, np.uint8)
            left = number * 7 % (WIDTH - 60)
            image[40:140, left : left + 60] = (number * 3 % 255, 200, 90)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        target.mux(stream.encode())


def _with_ray(source: Path, output: Path, echo: bool) -> None:
    import null_engine

    null_engine.run_on_ray(source, output, 2, null_engine.choice(echo=echo))


def _without_ray(source: Path, output: Path, echo: bool) -> None:
    import null_engine

    from pipeline.claiming import claim
    from pipeline.folding import Folder
    from pipeline.planning import Errand
    from pipeline.probing import plan_assets
    from pipeline.publishing import Published
    from pipeline.rendering import Helpers
    from pipeline.sources import list_inputs
    from pipeline.work import Bench, Receipt, work

    chosen = null_engine.choice(echo=echo)
    setting = null_engine.setting_of(source, output, 1, chosen)
    claim(str(output))
    folder = Folder(str(output), (), setting.names)
    helpers = Helpers(1, setting.job.limits.seconds, setting.job.limits.memory_mb)
    shards: Iterator[Any] = iter(plan_assets(
        (Errand(item, item.version) for item in list_inputs(setting.job.inputs)), setting.job, chosen.limits,
        setting.names, helpers))

    async def two(bench: Bench) -> list[Receipt]:
        return await asyncio.gather(*(work(shard, setting, bench) for shard in islice(shards, 2)))

    async def everything() -> None:
        bench = Bench(chosen.build(), helpers)
        while receipts := await two(bench):
            for receipt in receipts:
                if receipt.failures:
                    sys.exit(f"the run went wrong: {receipt}")
                folder.add(Published(setting.names.engine, receipt.shard_id), receipt.parts)

    try:
        asyncio.run(everything())
    finally:
        helpers.close()
    if folder.fold() != 1:
        sys.exit("the asset was not folded")


if __name__ == "__main__":
    main()
