"""`canvass report` as a user types it."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from report_rows import write

from jobs.cli import main


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job whose output holds one object and no answer."""
    (tmp_path / "job.yaml").write_text("{name: made, inputs: [in], output: out, transcribe: true}")
    write(str(tmp_path / "out"), "assets", [{"asset": "/a", "version": "v", "status": "ok", "kind": "pdf"}])
    return tmp_path / "job.yaml"


def test_a_report_is_written_into_the_output_and_said(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(job)]) == 0
    path = job.parent / "out" / "report.html"
    size = path.stat().st_size / 1e6
    assert capsys.readouterr().out == f"{path}: 0 answers of 1 objects, 0 pictures, {size:.1f} MB\n"


def test_a_report_is_written_where_the_user_says(job: Path) -> None:
    assert main(["report", str(job), "--out", str(job.parent / "new" / "mine.html")]) == 0
    assert (job.parent / "new" / "mine.html").read_text("utf-8").startswith("<!doctype html>")
    assert not (job.parent / "out" / "report.html").exists()


def test_a_job_that_never_ran_is_told_to_run_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.yaml").write_text("{name: made, inputs: [in], output: out, transcribe: true}")
    assert main(["report", str(tmp_path / "job.yaml")]) == 2
    assert "holds no tables: run the job first" in capsys.readouterr().err


def test_a_report_is_served_until_ctrl_c_and_no_file_is_written(job: Path) -> None:
    serving = subprocess.Popen([sys.executable, "-m", "jobs.cli", "report", str(job), "--serve"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert serving.stdout is not None
    address = serving.stdout.readline().split()[0]
    with urllib.request.urlopen(address) as reply:
        assert reply.read().startswith(b"<!doctype html>")
    serving.send_signal(signal.SIGINT)
    assert serving.communicate(timeout=30)[1] == ""
    assert serving.returncode == 0
    assert not (job.parent / "out" / "report.html").exists()


def test_a_cap_of_nothing_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(job), "--max-mb", "0"])
    assert "'0' is no number from 1 on" in capsys.readouterr().err
