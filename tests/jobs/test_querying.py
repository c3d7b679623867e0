"""The README's queries on the demo's tables, and what SQL and export do with tables that are not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import pytest
from pipelines import Runner
from s3_server import S3Server

from jobs.querying import connect, export, print_query
from schemas.job import JobError, load_job

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def output(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output folder of the demo with one unreadable file beside it."""
    folder = tmp_path_factory.mktemp("queries")
    broken = folder / "broken.pdf"
    broken.write_text("<html></html>")
    job = load_job(ROOT / "infra" / "demo" / "audit.yaml").model_dump()
    run(folder, inputs=[*job["inputs"], str(broken)], transcribe=True, checklist=job["checklist"])
    return str(folder / "out")


def readme(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_readmes_sql_queries_answer_what_they_promise(output: str) -> None:
    failed, unreadable, doubtful, screen = (connect(output).sql(query).fetchall() for query in readme("sql"))
    assert [(row[1], row[2], row[4], row[5]) for row in failed] == [("notice_days", "60", 1, "60")]
    assert [row[:3] for row in unreadable] == [("probe", "unsupported", 1)]
    assert all(row[5] is not None or row[4] < 0.8 for row in doubtful)
    assert [row[1:] for row in screen] == [("gate_open", 1, 5.0, 3.0)]


def test_the_readmes_polars_query_sums_totals_by_currency(output: str) -> None:
    (code,) = readme("python")
    names: dict[str, Any] = {"output": output}
    exec(code, names)
    assert names["totals"].rows() == [("EUR", 48750.0, 1)]


def test_the_demos_query_lists_every_answer_and_every_severe_check(output: str) -> None:
    rows = connect(output).sql((ROOT / "infra" / "demo" / "findings.sql").read_text("utf-8")).fetchall()
    assert len(rows) == 6 + 3


def test_tables_that_are_not_there_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="run the job first"):
        connect(str(tmp_path / "none"))
    with pytest.raises(JobError, match="run the job first"):
        export(str(tmp_path / "none"), tmp_path / "target", "parquet")


def test_an_output_that_cannot_be_read_is_a_clear_error(s3: S3Server, tmp_path: Path) -> None:
    for ask in (connect, lambda output: export(output, tmp_path / "files", "csv")):
        with pytest.raises(JobError, match=r"^output s3://no-such-bucket/audits: does not exist"):
            ask("s3://no-such-bucket/audits")


def test_export_refuses_a_folder_that_holds_files(output: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(JobError, match="is not empty"):
        export(output, tmp_path, "csv")


def test_query_results_are_printed_to_the_letter(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_query(output, "select '[draft] contract [/b] x' as text, max(finished_at)::varchar as at from assets", False)
    assert "[draft] contract [/b] x" in capsys.readouterr().out
    print_query(output, "select finished_at from assets limit 1", True)
    assert json.loads(capsys.readouterr().out)["finished_at"].endswith("+00:00")


@pytest.mark.parametrize("query", ["", "  ", "-- nothing"])
def test_a_query_that_asks_nothing_is_refused(output: str, query: str) -> None:
    with pytest.raises(JobError, match="sql: the query is empty"):
        print_query(output, query, as_json=False)


def test_a_line_that_stays_on_screen_over_frames_and_windows_is_one_row_of_screen_texts(
        run: Runner, tmp_path: Path) -> None:
    def shown(seconds: float) -> Any:
        lines = ["Gate 4 closed" if 20 <= seconds < 30 else "Gate 4 open", f"Car {int(seconds) // 10}"]
        return np.asarray(bad_inputs._picture(lines, (640, 360), 48))

    (tmp_path / "in").mkdir()
    bad_inputs.video(tmp_path / "in" / "gate.mp4", 40, 5, (640, 360), draw=shown)
    run(tmp_path)
    query = "select text, first_s, last_s, frames > 1 from screen_texts"
    rows = connect(str(tmp_path / "out")).sql(query).fetchall()
    assert sorted(rows, key=lambda row: (row[1], row[0])) == [
        ("Car 0", 0, 10, False), ("Gate 4 open", 0, 20, True), ("Car 1", 10, 20, True),
        ("Car 2", 20, 30, False), ("Gate 4 closed", 20, 30, False), ("Car 3", 30, 40, True),
        ("Gate 4 open", 30, 40, True)]
    question = {"id": "open", "ask": "When is it open?", "answer": "event", "look_for": ["Gate 4 open"]}
    run(tmp_path, checklist=[question])
    assert sorted(connect(str(tmp_path / "out")).sql(query).fetchall()) == sorted(rows)
    run(tmp_path, checklist=[question], transcribe=False)
    assert connect(str(tmp_path / "out")).sql(query).fetchall() == []
    assert connect(str(tmp_path / "out")).sql("select start_s, end_s from events order by 1").fetchall() == [
        (0, 20), (30, 40)]
