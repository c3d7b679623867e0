"""What the pipeline costs beside a bare loop that draws the same pages at the same sizes and reads their words.

The pipeline is the whole of it (plan, Ray Data, render, publish, fold) on an engine that answers nothing; the loop is
PyMuPDF's `get_pixmap` and `get_text("words")` in plain processes. Both run in two processes, and the figure is the
ratio of their CPU seconds, user and system, over their whole process trees (process_tree.py says how it is counted).
Start-up is kept apart: a run of the same job on as many files as there are processes is subtracted, in which every
process has started and met every kind of page, so that 2,000 further pages are left; the loop counts from its first
open. The order of the sides changes from one repetition to the next, and the ratio is the median over the repetitions.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import process_tree

TARGET = 1.25
PROCESSES = 2
PAGES = 100
"""Pages of a file, which are a shard."""


def main() -> None:
    """Build the corpus, run the repetitions, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 further pages, one repetition")
    parser.add_argument("--corpus", type=Path, help="keep the corpus in this folder and use it again")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side, inputs, output = options.side
        (_pipeline if side == "pipeline" else _loop)(Path(inputs), Path(output))
        return
    files, length = (PROCESSES + 2, 20) if options.quick else (PROCESSES + 20, PAGES)
    with tempfile.TemporaryDirectory(prefix="canvass-bench-") as temporary:
        folder = Path(temporary)
        corpus = options.corpus or folder / "corpus"
        _build(corpus / f"full-{files}", files, length)
        _build(corpus / "start", PROCESSES, length)
        print(f"corpus: {files * length} pages; a first run warms the file cache and tells the sizes", flush=True)
        _side("pipeline", corpus / f"full-{files}", folder / "first")
        sizes = _sizes(folder / "first")
        (folder / "sizes.json").write_text(json.dumps(sizes))
        rounds = [_repetition(corpus / f"full-{files}", corpus / "start", folder, number, files, length)
                  for number in range(1 if options.quick else options.repetitions)]
    figures: dict[str, Any] = {name: round(statistics.median(item[name] for item in rounds), 3) for name in rounds[0]}
    figures |= {"pages": (files - PROCESSES) * length, "repetitions": len(rounds), "target": TARGET,
                "ratios": [round(item["ratio"], 3) for item in rounds],
                "budget_560_share": round(sum(w * h > 280 * 2304 for _, _, w, h in sizes) / len(sizes), 3)}
    print(f"pipeline / bare loop: {figures['ratio']} (target: at most {TARGET})")
    print(json.dumps(figures, sort_keys=True))


def _build(folder: Path, files: int, length: int) -> None:
    import report_pages

    folder.mkdir(parents=True, exist_ok=True)
    todo = [(folder / f"report-{number:02}.pdf", length, number) for number in range(files)]
    todo = [item for item in todo if not item[0].exists()]
    if todo:
        with ProcessPoolExecutor(PROCESSES) as pool:
            list(pool.map(report_pages.draw, *zip(*todo, strict=True)))


def _side(side: str, inputs: Path, output: Path) -> process_tree.Watched:
    return process_tree.watch([sys.executable, __file__, "--side", side, str(inputs), str(output)])


def _repetition(full: Path, small: Path, folder: Path, number: int, files: int, length: int) -> dict[str, float]:
    watched: dict[str, process_tree.Watched] = {}
    floor: list[float] = []

    def loop() -> None:
        _side("loop", full, folder / "sizes.json")
        floor.append(json.loads((folder / "loop.json").read_text()))

    def pipeline() -> None:
        watched["start"] = _side("pipeline", small, folder / f"start-{number}")
        watched["full"] = _side("pipeline", full, folder / f"full-{number}")

    for step in (loop, pipeline) if number % 2 else (pipeline, loop):
        step()
    start, whole = watched["start"], watched["full"]
    pages = (files - PROCESSES) * length
    ours = (whole.cpu_seconds - start.cpu_seconds) / pages
    bare = floor[0] / (files * length)
    found = {"ratio": ours / bare, "pipeline_ms_a_page": 1000 * ours, "loop_ms_a_page": 1000 * bare,
             "start_cpu_s": start.cpu_seconds, "start_s": start.seconds, "full_cpu_s": whole.cpu_seconds,
             "full_s": whole.seconds,
             **{f"{kind}_ms_a_page": 1000 * (seconds - start.cpu.get(kind, 0.0)) / pages
                for kind, seconds in whole.cpu.items()}}
    print(f"repetition {number + 1}: " + ", ".join(f"{name} {value:.3g}" for name, value in found.items()), flush=True)
    return found


def _pipeline(inputs: Path, output: Path) -> None:
    import null_engine

    null_engine.run_on_ray(inputs, output, PROCESSES, null_engine.choice())


def _sizes(output: Path) -> list[tuple[str, int, int, int]]:
    """Which pages were drawn, and how large: the null engine noted it in the rows of `requests`."""
    from pipeline.tables import dataset

    rows = dataset(str(output), "requests").to_table(
        columns=["asset", "chunk_id", "output_tokens", "steps"]).to_pylist()
    return sorted((row["asset"], int(row["chunk_id"].partition("-")[2]), row["output_tokens"], row["steps"])
                  for row in rows)


def _loop(_inputs: Path, sizes: Path) -> None:
    todo: dict[str, list[tuple[int, int, int]]] = {}
    for path, *page in json.loads(sizes.read_text()):
        todo.setdefault(path, []).append(tuple(page))
    shares = [[(path, pages) for place, (path, pages) in enumerate(todo.items()) if place % PROCESSES == share]
              for share in range(PROCESSES)]
    started = time.monotonic()
    with ProcessPoolExecutor(PROCESSES) as pool:
        seconds = sum(pool.map(_draw_and_read, shares))
    (sizes.parent / "loop.json").write_text(json.dumps(seconds))
    print(f"bare loop: {seconds:.2f} CPU s, {time.monotonic() - started:.1f} s", flush=True)


def _draw_and_read(files: list[tuple[str, list[tuple[int, int, int]]]]) -> float:
    import pymupdf

    before = resource.getrusage(resource.RUSAGE_SELF)
    for path, pages in files:
        with pymupdf.open(path) as document:
            for number, width, height in pages:
                page = document[number - 1]
                matrix = pymupdf.Matrix((width - 0.01) / page.rect.width, (height - 0.01) / page.rect.height)
                page.get_pixmap(matrix=matrix, alpha=False)
                page.get_text("words")
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
