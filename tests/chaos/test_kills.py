"""Kills at random moments: of the run, of its workers, of everything at once. Nothing is lost, nothing doubled.

KILLS and SEED in the environment set how many there are and which (`make chaos`).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disturbed import RUN_SECONDS, Disturbed, Undisturbed
from polling_reader import Reader

KINDS = ("driver", "driver", "actor", "actor", "task", "machine")
MOST_OF_A_RUN = 2
"""Workers of one kind that are killed in one run: of a shard that kills its worker three times a run despairs."""

COMPACT_EVERY_SECONDS = 15.0


@contextmanager
def compacting(job: Disturbed) -> Iterator[list[int]]:
    """Compacts the job's output again and again; the exit statuses."""
    statuses: list[int] = []
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(COMPACT_EVERY_SECONDS):
            if (Path(job.output) / "shards" / "_delta_log").exists():
                statuses.append(job.start("compact").wait())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def one_life(job: Disturbed, left: int) -> None:
    """Run the job from nothing to its end, with at most so many kills."""
    running: subprocess.Popen[bytes] | None = None
    of_run: Counter[str] = Counter()
    while left:
        if running is None:
            running, of_run = job.start(), Counter()
        kind = job.chance.choice([kind for kind in KINDS if of_run[kind] < MOST_OF_A_RUN])
        if job.disturb(running, kind):
            left -= 1
            of_run[kind] += 1
        if kind in ("driver", "machine"):
            running.wait(60)
        if running.poll() is not None:
            if running.returncode >= 0:
                break  # it came to its end
            running = None
    if running is not None:
        running.wait(RUN_SECONDS)
    job.finish()


def test_kills_lose_and_double_nothing_and_no_reader_sees_half_a_commit(
        tmp_path: Path, undisturbed: Undisturbed) -> None:
    wanted, seed = int(os.environ.get("KILLS", "10")), int(os.environ.get("SEED", "1"))
    kills: Counter[str] = Counter()
    lives = runs = polls = compactions = lost = doubled = 0
    while kills.total() < wanted:
        lives += 1
        folder = tmp_path / str(lives)
        folder.mkdir()
        job = Disturbed(folder, undisturbed.inputs, str(folder / "out"), random.Random(seed + lives))
        reader = Reader(job.output, undisturbed.counts)
        try:
            with compacting(job) as statuses:
                one_life(job, wanted - kills.total())
        finally:
            reader.close()
            job.close()
        kills += job.kills
        runs, polls, compactions = runs + job.runs, polls + reader.polls, compactions + len(statuses)
        missing, extra = job.differences(undisturbed.rows)
        lost, doubled = lost + missing, doubled + extra
        print(f"\nlife {lives}: {dict(job.kills)} in {job.runs} runs; in all {kills.total()} kills {dict(kills)}, "
              f"{runs} runs, {compactions} compactions, {polls} polls of the readers: {lost} rows lost, "
              f"{doubled} doubled", flush=True)
        assert (lost, doubled, reader.wrong) == (0, 0, []), job.log()[-6000:]
        assert set(statuses) <= {0, -signal.SIGKILL}, job.log()[-6000:]  # they die with the machine
        shutil.rmtree(folder)
