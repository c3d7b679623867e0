"""Runs a job while what runs it is killed at random, and holds what comes out against a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bad_inputs
import yaml
from pipelines import Tables
from s3_server import S3Server

from pipeline.fold import ORDER
from pipeline.tables import dataset

ROOT = Path(__file__).parent.parent
MARK = "CANVASS_CHAOS"
"""Environment variable by which the processes of a run are known, those of Ray among them."""

RUN_SECONDS = 600
"""A run that takes longer hangs, on a machine as busy as may be."""

UNEQUAL = {"run_id", "shard_id", "shards", "finished_at", "published_at", "render_seconds", "ask_seconds", "rounds",
           "fingerprint", "version", "stamp", "picture"}
"""Columns that differ between two runs of the same job, here or on a server."""

CHECKLIST = [
    {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": ["Due date"]},
    {"id": "kind", "ask": "What is it?", "answer": ["letter", "invoice"], "scope": "page"},
]


def make_corpus(folder: Path) -> None:
    """About 250 chunks: short documents, two and a video that are cut into parts, pictures, and what cannot be read."""
    folder.mkdir()
    for number in range(40):
        bad_inputs.text_pdf(folder / f"{number:02}.pdf", 1 + number % 3, 3)
    bad_inputs.text_pdf(folder / "long.pdf", 60, 2)
    bad_inputs.text_pdf(folder / "longer.pdf", 90, 2)
    for number in range(12):
        bad_inputs.text_image(folder / f"scan {number}.png", [f"Due date: {number + 1} May 2026"], (700, 280))
    bad_inputs.video(folder / "film.mp4", 24)
    bad_inputs.wrong_content(folder / "page.pdf")
    bad_inputs.encrypted_pdf(folder / "secret.pdf")
    bad_inputs.empty_file(folder / "nothing.png")


def settings(inputs: str, output: str) -> dict[str, Any]:
    """The job; every page is read from its picture, which takes long enough to be killed at."""
    return {"name": "chaos", "inputs": [inputs], "output": output, "transcribe": True, "page_text": "none",
            "checklist": CHECKLIST, "engine": {"kind": "embedded", "workers": 2}}


def rows(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, Counter[str]]:
    """The rows of the tables that do not say when and where they were made, each with how often it is there."""
    kept = {name: tables[name] for name in ORDER if name != "shards"}
    return {name: Counter(repr(sorted((key, value) for key, value in {**row, "asset": Path(row["asset"]).name}.items()
                                      if key not in UNEQUAL)) for row in found) for name, found in kept.items()}


def read(output: str) -> Tables:
    """All rows of all tables."""
    return {name: dataset(output, name).to_table().to_pylist() for name in ORDER}


@dataclass(frozen=True)
class Undisturbed:
    """The inputs of the job, the rows that come of them, and the numbers of rows by table and asset."""

    inputs: str
    rows: dict[str, Counter[str]]
    counts: dict[str, Counter[str]]

    def upload(self, s3: S3Server) -> tuple[str, str]:
        """Put the inputs into a fresh bucket; their address there, and that of an output beside them."""
        bucket = s3.fresh_bucket()
        for path in Path(self.inputs).iterdir():
            s3.client.upload_file(str(path), bucket, f"in/{path.name}")
        return f"s3://{bucket}/in/", f"s3://{bucket}/out"


@dataclass
class Disturbed:
    """A job that is run with disturbances. `kills` counts them by kind, `runs` how often it was started."""

    folder: Path
    inputs: str
    output: str
    chance: random.Random
    environment: dict[str, str] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        (self.folder / "job.yaml").write_text(yaml.safe_dump(settings(self.inputs, self.output)))

    def start(self, command: str = "run") -> subprocess.Popen[bytes]:
        """Start a command on the job."""
        self.runs += command == "run"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), MARK: self.mark, **self.environment}
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen([sys.executable, "-m", "jobs.cli", command, "job.yaml"], cwd=self.folder,
                                    stdout=log, stderr=log, env=environment, start_new_session=True)

    def log(self) -> str:
        """What the runs printed."""
        return (self.folder / "log").read_text(errors="replace")

    def processes(self, named: str = "") -> list[int]:
        """The live processes of the job's runs whose command lines hold a text."""
        return [pid for pid, command in _marked(self.mark) if named in command]

    def disturb(self, running: subprocess.Popen[bytes], kind: str) -> bool:
        """Kill something of a run at a random moment; False where the run ended before.

        `driver` is the run itself, `machine` every process of it at once, `actor` and `task` a worker of Ray.
        """
        worker = {"actor": "MapWorker", "task": "MapBatches(_plan_batch)"}.get(kind)
        deadline = time.monotonic() + 30
        if worker:
            while not self.processes(worker) and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(self.chance.uniform(0, 4) if kind == "actor" else 0)
        else:
            time.sleep(self.chance.uniform(1, 14))
        if running.poll() is not None:
            return False
        found = {"driver": [running.pid], "machine": self.processes()}.get(kind) or self.processes(worker or "")
        if not found:
            return False
        signal_all(found if kind == "machine" else [self.chance.choice(found)], signal.SIGKILL)
        self.kills[kind] += 1
        return True

    def finish(self) -> int:
        """Run until the job is done, undisturbed; the exit status."""
        return self.start().wait(RUN_SECONDS)

    def differences(self, expected: Mapping[str, Counter[str]]) -> tuple[int, int]:
        """How many rows of an undisturbed run are lost in the output, and how many are there that should not be."""
        found = rows(read(self.output))
        return (sum((expected[name] - found[name]).total() for name in expected),
                sum((found[name] - expected[name]).total() for name in expected))

    def close(self) -> None:
        """Leave no process behind."""
        signal_all(self.processes(), signal.SIGKILL)


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes, some of which may be gone already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """A process and all below it (Linux)."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _marked(mark: str) -> Iterator[tuple[int, str]]:
    """Processes with the mark in their environment, and their command lines (Linux)."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                    yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
