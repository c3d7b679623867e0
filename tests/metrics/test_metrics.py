"""Metrics on a real Ray: what a run did is what its Prometheus endpoint says, and the board asks for nothing else."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bad_inputs
import pytest
import ray
from engines import LIMITS, Doubtful

from jobs.running import prepare, run
from model_actors.choosing import EngineChoice
from pipeline.tables import dataset
from schemas.job import Job

BOARD = Path(__file__).parents[2] / "infra" / "grafana" / "canvass.json"
PATIENCE = 60
"""Seconds within which Ray must have exported everything; it does so every few seconds."""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
OURS = ("outcome", "state", "engine", "rung", "phase", "category")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = int(free.getsockname()[1])
    with pytest.MonkeyPatch.context() as patch:
        tests = Path(__file__).parent.parent
        patch.setenv("PYTHONPATH", f"{tests.parent}:{tests}")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        ray.init(address="local", num_cpus=2, object_store_memory=128 << 20, include_dashboard=False,
                 _metrics_export_port=found, log_to_driver=False)
        yield found
        ray.shutdown()


def scraped(port: int) -> Samples:
    """Our samples, by name and by those labels that are ours; what several workers say is summed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    found: Samples = {}
    for name, labels, value in re.findall(r"^(ray_canvass_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        own = frozenset((key, said) for key, said in re.findall(r'(\w+)="([^"]*)"', labels) if key in OURS)
        found[name, own] = found.get((name, own), 0.0) + float(value)
    return found


def asked_by_the_board() -> set[str]:
    board = json.loads(BOARD.read_text())
    return {name for panel in board["panels"] for target in panel.get("targets", ())
            for name in re.findall(r"ray_\w+", target["expr"])}


def waited_for(port: int, names: set[str], parts: int) -> Samples:
    """What is exported once all these names are, and so many parts."""
    ends = time.monotonic() + PATIENCE
    while True:
        found: Samples = {}
        with contextlib.suppress(OSError):  # it is not up at once
            found = scraped(port)
        done = sum(value for (name, _), value in found.items() if name == "ray_canvass_parts_total")
        if names <= {name for name, _ in found} and done == parts:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not exported: {names - {name for name, _ in found}}; parts {done} of {parts}")
        time.sleep(0.5)


def test_a_run_exports_what_it_did_and_all_that_the_board_shows(tmp_path: Path, port: int) -> None:
    (tmp_path / "in").mkdir()
    for name in ("one.pdf", "two.pdf", "refuse.pdf", "bug.pdf"):
        bad_inputs.text_pdf(tmp_path / "in" / name, 1)
    (tmp_path / "in" / "empty.pdf").write_bytes(b"")
    signed = {"id": "signed", "ask": "Is it signed?", "answer": "yes/no"}
    job = Job.model_validate({"name": "metrics", "inputs": [str(tmp_path / "in")], "output": str(tmp_path / "out"),
                              "checklist": [signed], "engine": {"kind": "embedded", "workers": 1}})
    with prepare(job, choice=EngineChoice("doubtful", LIMITS, {}, {}, Doubtful)) as ready:
        run(ready, lambda _: None)
        found = waited_for(port, asked_by_the_board(), 4)

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"ray_canvass_{name}", frozenset(labels.items())))

    told: dict[str, Any] = {
        "ok": value("parts_total", outcome="ok"), "failed": value("parts_total", outcome="failed"),
        "units": value("units_total"), "requests": value("requests_total", engine="scripted"),
        "asked": value("ask_seconds_count", engine="scripted"), "drawn": value("render_seconds_count"),
        "refused": value("failures_total", phase="ask", category="request"),
        "empty": value("failures_total", phase="probe", category="empty"),
        "written": value("output_tokens_total", engine="scripted")}
    assert told == {"ok": 2, "failed": 2, "units": 3, "requests": 3, "asked": 3, "drawn": 3, "refused": 1, "empty": 1,
                    "written": 2 * 3 * Doubtful.WRITTEN}
    rungs = Counter(rung for row in dataset(job.output, "requests").to_table().to_pylist() for rung in row["rungs"])
    assert len(rungs) == 2
    assert {rung: value("rungs_total", rung=rung) for rung in rungs} == rungs
    assert (value("broken_shards_total") or 0) >= 1
    assert value("shards_at_work") == 0
