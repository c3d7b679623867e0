"""Outputs of every released schema version stay readable, and a run goes on with them (data/outputs/make.py)."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import bad_inputs
import polars as pl
import pytest
from pipelines import Runner

from jobs.querying import connect, export
from jobs.reviewing import export_queue, import_reviews
from schemas.job import Job
from schemas.records import SCHEMA_VERSION, TABLES

VERSIONS = sorted((Path(__file__).parent / "data" / "outputs").glob("v*"))
INPUTS = "/srv/canvass-example/in"
FIRST_REVIEWED = 3
"""The schema version from which on there are reviews."""


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an output as it was written then."""
    return Path(shutil.copytree(request.param, tmp_path / "out"))


def test_its_answers_are_read_as_they_were(output: Path) -> None:
    tables = connect(str(output))
    assert tables.execute("select asset[length($1) + 2:], status, rounds, missing_since is null from assets order by 1",
                          [INPUTS]).fetchall() == [
        ("dock-camera.mp4", "ok", 2, True), ("gone.png", "ok", 1, False), ("later.png", "ok", 1, True),
        ("page.pdf", "quarantined", 2, True), ("scan.png", "ok", 2, True), ("two pages.pdf", "ok", 2, True)]
    assert tables.execute("select asset[length($1) + 2:], question, value, verdict from answers where level = 'asset' "
                          "and status = 'answered' order by 1, 2", [INPUTS]).fetchall() == [
        ("dock-camera.mp4", "open", "yes", None), ("later.png", "due", "2026-05-04", "fail"),
        ("scan.png", "due", "2026-05-03", "pass")]
    assert tables.execute("select round(start_s), round(end_s) from events").fetchall() == [(3, 8)]


def test_every_column_of_today_is_there_in_every_table(output: Path, tmp_path: Path) -> None:
    counts = export(str(output), tmp_path / "files", "parquet")
    for name, schema in TABLES.items():
        assert connect(str(output)).execute(f"select * from {name}").to_arrow_table().column_names == schema.names
    for name, rows in counts.items():
        assert pl.read_parquet(tmp_path / "files" / f"{name}.parquet").height == rows
    assert counts["failures"] == 1


def test_what_a_person_said_has_the_word_and_is_kept(output: Path) -> None:
    said = connect(str(output)).execute(
        "select value, note from reviews union all select value, reason from answers where source = 'human' and "
        "level = 'asset' union all select value, null from answers where level = 'reviewed'").fetchall()
    reviewed = int(output_version(output)) >= FIRST_REVIEWED
    assert said == ([("2026-05-03", "as printed")] * 2 + [("2026-05-03", None)] if reviewed else [])


def output_version(output: Path) -> str:
    return str(json.loads((output / "_canvass.json").read_bytes())["schema_version"])


def test_a_run_goes_on_with_it(output: Path, tmp_path: Path, run: Runner) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "new.pdf", 1)
    tables = run(tmp_path)
    assert {row["asset"].rpartition("/")[2]: row["missing_since"] is None for row in tables["assets"]} == {
        "dock-camera.mp4": False, "gone.png": False, "later.png": False, "page.pdf": False, "scan.png": False,
        "two pages.pdf": False, "new.pdf": True}
    assert json.loads((output / "_canvass.json").read_bytes()) == {"schema_version": SCHEMA_VERSION}
    assert [row["asset"] for row in tables["transcripts"]].count(str(tmp_path / "in" / "new.pdf")) == 1


def test_a_person_s_answers_stand_in_it_in_the_place_of_the_engine_s(output: Path, tmp_path: Path) -> None:
    kind = {"id": "kind", "ask": "What is it?", "answer": ["letter", "invoice"], "severity": "high"}
    job = Job.model_validate({"name": "old", "inputs": [INPUTS], "output": str(output), "checklist": [kind]})
    assert export_queue(job, tmp_path / "queue", "csv") == 4
    with open(tmp_path / "queue" / "review.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(tmp_path / "done.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"correct_value": "letter"} for row in rows[:2])
    assert import_reviews(job, tmp_path / "done.csv", None).reviews == 2
    assert connect(str(output)).execute(
        "select coalesce(source, 'engine'), value, count(*) from answers where level = 'asset' and question = 'kind' "
        "group by all order by all").fetchall() == [("engine", None, 3), ("human", "letter", 2)]
