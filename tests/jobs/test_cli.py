"""The command line as a user runs it: real Ray, real files, exit statuses and what is printed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bad_inputs
import pytest
from command_line import canvass, query

from pipeline.publishing import list_published

JOB = """
name: test
inputs: [in]
output: out
transcribe: true
checklist:
  - {id: due, ask: 'When is it due?', answer: date, look_for: [Due date], expect: 2026-05-03}
  - {id: kind, ask: 'What is it?', answer: [letter, invoice]}
"""


def job(folder: Path, text: str = JOB) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "job.yaml").write_text(text, encoding="utf-8")
    (folder / "in").mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A job over two good documents and one HTML page named .pdf, run once."""
    folder = job(tmp_path_factory.mktemp("cli"))
    bad_inputs.text_pdf(folder / "in" / "good.pdf", 2)
    bad_inputs.text_image(folder / "in" / "scan.png", ["Due date: 3 May 2026"], (700, 280))
    bad_inputs.wrong_content(folder / "in" / "page.pdf")
    return folder, canvass(folder, "run", "job.yaml")


def test_a_run_with_a_quarantined_object_answers_the_rest_and_ends_with_status_1(
        finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, ended = finished
    assert ended.returncode == 1, ended.stderr
    assert "Objects: 2 ok, 1 quarantined" in ended.stdout
    assert "probe/unsupported" in ended.stdout
    assert "it looks like HTML" in ended.stdout
    rows = query(folder, "select regexp_extract(asset, '[^/]*$') as name, status from assets order by name")
    assert rows == [{"name": "good.pdf", "status": "ok"}, {"name": "page.pdf", "status": "quarantined"},
                    {"name": "scan.png", "status": "ok"}]
    assert query(folder, "select value, verdict from answers where level = 'asset' and status = 'answered'") == [
        {"value": "2026-05-03", "verdict": "pass"}]


def test_a_second_run_asks_nothing_and_status_says_so(
        finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = finished
    shards = len(list(list_published(str(folder / "out"))))
    again = canvass(folder, "run", "job.yaml")
    assert again.returncode == 1
    assert len(list(list_published(str(folder / "out")))) == shards
    assert query(folder, "select count(*) as n from requests") == [{"n": 4}]
    status = canvass(folder, "status", "job.yaml")
    assert status.returncode == 0
    assert "Inputs:  3 done, 0 left" in status.stdout


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_export_writes_every_row_of_every_table_once(
        finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, kind: str) -> None:
    import duckdb

    folder, _ = finished
    ended = canvass(folder, "export", "job.yaml", str(tmp_path / "files"), "--format", kind)
    assert ended.returncode == 0, ended.stderr
    for name in ("assets", "transcripts", "answers", "failures", "requests", "shards"):
        (expected,) = query(folder, f"select count(*) as n from {name}")
        path = tmp_path / "files" / f"{name}.{kind}"
        assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(expected["n"],)]
    assert canvass(folder, "export", "job.yaml", str(tmp_path / "files")).returncode == 2


def test_plan_counts_what_a_run_would_ask_and_writes_nothing(tmp_path: Path) -> None:
    folder = job(tmp_path / "planned")
    bad_inputs.text_pdf(folder / "in" / "good.pdf", 3)
    bad_inputs.wrong_content(folder / "in" / "page.pdf")
    ended = canvass(folder, "plan", "job.yaml")
    assert ended.returncode == 0, ended.stderr
    assert "2 objects: 0 done, 2 to do" in ended.stdout
    assert "1 pdf: 3 pages" in ended.stdout
    assert "1 cannot be read" in ended.stdout
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("text", "message"), [
    (JOB + "chekclist: []", "did you mean 'checklist'?"),
    (JOB.replace("[in]", "[nowhere]"), "nothing is there"),
    (JOB.replace("[in]", "['s3://no-such-bucket-of-ours/x']"), "s3://no-such-bucket-of-ours/x"),
    (JOB.replace("output: out", "output: /proc/none"), "output /proc/none"),
    ("- a list", "a job file is a mapping"),
    (JOB + "engine: {kind: transformers, model: no-such-model}", "engine: model 'no-such-model' cannot be opened"),
])
def test_a_wrong_job_ends_with_status_2_and_runs_nothing(tmp_path: Path, text: str, message: str,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    folder = job(tmp_path / "wrong", text)
    bad_inputs.text_pdf(folder / "in" / "good.pdf", 1)
    ended = canvass(folder, "run", "job.yaml")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not (folder / "out").exists()


def test_a_missing_job_file_or_bad_sql_ends_with_status_2(
        finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = finished
    assert canvass(folder, "run", "none.yaml").returncode == 2
    assert canvass(folder, "sql", "job.yaml", "select nothing from nowhere").returncode == 2


def test_ctrl_c_leaves_a_committed_state_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = job(tmp_path / "stopped")
    for number in range(12):
        bad_inputs.text_image(folder / "in" / f"{number}.png", [f"Page {number}"] * 30, (1400, 1900))
    running = subprocess.Popen([sys.executable, "-m", "jobs.cli", "run", "job.yaml"], cwd=folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(list_published(str(folder / "out"))) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Interrupted: what was answered is committed." in out
    done = query(folder, "select count(*) as n from assets")[0]["n"]
    assert canvass(folder, "run", "job.yaml").returncode == 0
    assert query(folder, "select count(*) as n, count(distinct asset) as d from assets") == [{"n": 12, "d": 12}]
    assert query(folder, "select count(*) as n from transcripts") == [{"n": 12}]
    assert isinstance(done, int)
    assert 0 < done <= 12
