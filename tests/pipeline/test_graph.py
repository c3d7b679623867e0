"""The graph on real Ray: receipts for every shard, engines that die, and objects that nobody could work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from engines import LIMITS, Scripted

from jobs.running import Prepared, Progress, prepare, run
from model_actors.choosing import EngineChoice
from pipeline.tables import dataset
from schemas.job import Job


def prepared(folder: Path, *names: str) -> Prepared:
    (folder / "in").mkdir()
    for name in names:
        bad_inputs.text_pdf(folder / "in" / name, 2)
    job = Job.model_validate({"name": "graph", "inputs": [str(folder / "in")], "output": str(folder / "out"),
                              "transcribe": True, "engine": {"kind": "embedded", "workers": 2}})
    return prepare(job, choice=EngineChoice("scripted", LIMITS, {}, {}, Scripted))


def rows(folder: Path, table: str, *columns: str) -> list[tuple[Any, ...]]:
    found = dataset(str(folder / "out"), table).to_table(columns=["asset", *columns]).to_pylist()
    return sorted((Path(row.pop("asset")).name, *row.values()) for row in found)


@pytest.fixture(autouse=True)
def _workers_find_the_tests_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = Path(__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{tests.parent}:{tests}")


def test_every_object_ends_once_though_engines_break_and_processes_die(tmp_path: Path) -> None:
    names = [f"{number:02}.pdf" for number in range(6)]
    shown: list[Progress] = []
    with prepared(tmp_path, *names, "break.pdf", "bug.pdf", "kill.pdf") as ready:
        ended = run(ready, shown.append)
    assert rows(tmp_path, "assets", "status") == sorted(
        [(name, "ok") for name in names] + [(name, "quarantined") for name in ("break.pdf", "bug.pdf", "kill.pdf")])
    died = "the worker that read or asked it died each time; see the logs of the engine"
    assert rows(tmp_path, "failures", "phase", "category", "retryable", "message") == [
        ("break.pdf", "ask", "crash", True, died),
        ("bug.pdf", "ask", "crash", True, "ZeroDivisionError: no frames to divide by; see the logs of the engine"),
        ("kill.pdf", "ask", "crash", True, died)]
    assert (ended.assets, ended.assets_done, ended.interrupted) == (9, 9, False)
    assert shown[-1].assets_done == 9
    runs = dataset(str(tmp_path / "out"), "runs").to_table().to_pylist()
    assert [(row["status"], row["assets"]) for row in runs] == [("finished", 9)]
