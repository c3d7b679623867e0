"""Whether one long video keeps every worker of a cluster busy to the end: worst over mean worker time.

A video of 24 hours, a minute of five frames a second repeated, is sampled every ten seconds on a Ray cluster of two
nodes of one core each, on one machine. An engine that answers nothing notes which worker drew which window, and when.
A worker's time is that from the first window that any of them had until its own last one; the floor is 1, where all end
together.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import null_engine
from memory import make_video

from model_actors.choosing import EngineChoice
from model_actors.engine import Reply, Request
from schemas.job import Job

TARGET = 1.25
EVERY = 10.0


class NotingEngine(null_engine.NullEngine):
    """Notes the process and the time of each request in a file, a line each."""

    def __init__(self, notes: str) -> None:
        super().__init__(null_engine.SECONDS_PER_IMAGE, echo=False)
        self._notes = notes

    async def ask(self, request: Request) -> Reply:
        """At once."""
        with open(self._notes, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {time.time()} {len(request.views)}\n")
        return await super().ask(request)


def main() -> None:
    """Make the video, run a job on it, print what each worker did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two hours of video instead of 24")
    hours = 2 if parser.parse_args().quick else 24
    with tempfile.TemporaryDirectory(prefix="canvass-bench-") as folder:
        make_video(Path(folder) / "day.mp4", hours * 60)
        started = time.monotonic()
        workers = run(Path(folder))
        seconds = time.monotonic() - started
    begin = min(times[0] for times, _ in workers.values())
    spans = [times[-1] - begin for times, _ in workers.values()]
    ratio = max(spans) / (sum(spans) / len(spans))
    for number, (times, frames) in enumerate(workers.values(), 1):
        print(f"worker {number}: {len(times)} windows, {frames} frames, the last one after {times[-1] - begin:.1f} s")
    print(f"worst over mean worker time: {ratio:.3f}, at most {TARGET}; the whole run took {seconds:.0f} s")
    print(json.dumps({"hours": hours, "ratio": round(ratio, 3), "target": TARGET, "workers": len(workers),
                      "windows": [len(times) for times, _ in workers.values()], "seconds": round(seconds, 1)}))


def run(folder: Path) -> dict[int, tuple[list[float], int]]:
    """Run the job on a cluster of two nodes: of each worker the times of its windows, and how many frames it drew."""
    from ray.cluster_utils import Cluster

    from jobs.running import prepare
    from jobs.running import run as run_job

    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
                   "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *filter(None, sys.path)))}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False,
                                                            "object_store_memory": 150 << 20})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=150 << 20)
    cluster.wait_for_nodes()
    os.environ["RAY_ADDRESS"] = cluster.address
    notes = folder / "notes"
    plain = null_engine.choice()
    choice = EngineChoice(plain.name, plain.limits, plain.identity, plain.edition,
                          functools.partial(NotingEngine, str(notes)))
    job = Job.model_validate({
        "name": "bench", "inputs": [str(folder / "day.mp4")], "output": str(folder / "out"), "transcribe": True,
        "frames": {"every": EVERY}, "engine": {"kind": "embedded", "workers": 2}})
    try:
        with prepare(job, choice=choice) as prepared:
            ended = run_job(prepared, lambda _: None)
        if ended.failures or ended.assets_done != 1:
            sys.exit(f"the run went wrong: {ended}")
    finally:
        cluster.shutdown()
    found: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for line in notes.read_text().splitlines():
        process, at, frames = line.split()
        found[int(process)].append((float(at), int(frames)))
    return {process: (sorted(at for at, _ in asked), sum(frames for _, frames in asked))
            for process, asked in found.items()}


if __name__ == "__main__":
    main()
