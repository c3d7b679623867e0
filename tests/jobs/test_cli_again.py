"""The command line on a job that is run again: what is left and why, retries, limits, leases, a disk that is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import bad_inputs
import pytest
from command_line import canvass, query

from pipeline.lease import Lease

ROOT = Path(__file__).resolve().parents[2]

JOB = """
name: test
inputs: [in]
output: out
transcribe: true
checklist:
  - {id: due, ask: 'When is it due?', answer: date, look_for: [Due date]}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job over two documents, run once."""
    folder = tmp_path_factory.mktemp("again")
    (folder / "job.yaml").write_text(JOB)
    (folder / "in").mkdir()
    bad_inputs.text_pdf(folder / "in" / "a.pdf", 1)
    bad_inputs.text_pdf(folder / "in" / "b.pdf", 1)
    assert canvass(folder, "run", "job.yaml").returncode == 0
    return folder


def test_status_and_plan_say_what_is_left_and_why(finished: Path) -> None:
    (finished / "other.yaml").write_text(JOB.replace("due?", "due to be paid?"))
    bad_inputs.text_pdf(finished / "in" / "a.pdf", 2)
    bad_inputs.text_pdf(finished / "in" / "c.pdf", 1)
    (finished / "in" / "b.pdf").rename(finished / "b.pdf")
    try:
        status = canvass(finished, "status", "job.yaml").stdout
        assert "Inputs:  0 done, 2 left\n        1 new\n        1 changed\n        1 no longer among" in status
        assert "Next: canvass run job.yaml" in status
    finally:
        (finished / "b.pdf").rename(finished / "in" / "b.pdf")
        (finished / "in" / "c.pdf").unlink()
        bad_inputs.text_pdf(finished / "in" / "a.pdf", 1)
    plan = canvass(finished, "plan", "other.yaml").stdout
    assert plan.startswith("2 objects: 0 done, 2 to do\n        2 with questions that are new, changed, or now apply\n")
    assert "Inputs:  2 done, 0 left" in canvass(finished, "status", "job.yaml").stdout


def test_status_tells_of_what_a_run_that_died_left_published(tmp_path: Path, finished: Path) -> None:
    shutil.copytree(finished, tmp_path / "died")
    for name in ("assets", "shards", "_folds"):
        shutil.rmtree(tmp_path / "died" / "out" / name)
    (tmp_path / "died" / "job.yaml").write_text(JOB.replace("[in]", f"[{finished}/in]"))
    assert "1 shards are published and not in the tables yet" in canvass(tmp_path / "died", "status", "job.yaml").stdout


def test_a_second_run_at_once_is_refused(finished: Path) -> None:
    lease = Lease(str(finished / "out"), "first")
    try:
        ended = canvass(finished, "run", "job.yaml")
        assert ended.returncode == 2
        assert "run first on" in ended.stderr
        assert "is at work on this output: wait for its end" in ended.stderr
    finally:
        lease.release()


def test_compact_says_what_it_did_and_refuses_to_take_files_from_a_run(finished: Path) -> None:
    ended = canvass(finished, "compact", "job.yaml")
    assert ended.returncode == 0, ended.stderr
    assert "transcripts       1 files, now 1" in ended.stdout
    refused = canvass(finished, "compact", "job.yaml", "--keep-hours", "0")
    assert refused.returncode == 2
    assert "'0' is no number from 1 on" in refused.stderr


def test_a_job_in_which_too_much_fails_is_stopped_and_goes_on_when_told(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB + "stop_if_failed_over: 25%\n")
    (tmp_path / "in").mkdir()
    for number in range(30):
        bad_inputs.wrong_content(tmp_path / "in" / f"{number:02}.pdf")
    ended = canvass(tmp_path, "run", "job.yaml")
    assert ended.returncode == 2
    assert "30 of 30 objects or stretches of them failed, over stop_if_failed_over (25%)" in ended.stderr
    assert query(tmp_path, "select status from runs") == [{"status": "stopped"}]
    assert "Last run: stopped" in canvass(tmp_path, "status", "job.yaml").stdout
    assert query(tmp_path, "select count(*) as n from assets") == [{"n": 30}]


def test_retry_asks_what_may_pass_now(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB.replace("[in]", "[in, elsewhere]"))
    (tmp_path / "in").mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "a.pdf", 1)
    bad_inputs.strokes_pdf(tmp_path / "elsewhere", 20_000)
    (tmp_path / "job.yaml").write_text(JOB.replace("[in]", "[in, elsewhere]") + "limits: {seconds: 1}\n")
    ended = canvass(tmp_path, "run", "job.yaml")
    assert ended.returncode == 1, ended.stderr
    assert query(tmp_path, "select category, retryable, attempts from failures") == [
        {"category": "timeout", "retryable": True, "attempts": 1}]
    assert "Next: canvass retry job.yaml      # 1 failed in a way that may pass now" in canvass(
        tmp_path, "status", "job.yaml").stdout
    ended = canvass(tmp_path, "retry", "job.yaml")
    assert ended.returncode == 1, ended.stderr
    assert query(tmp_path, "select category, attempts from failures") == [{"category": "timeout", "attempts": 2}]
    (tmp_path / "job.yaml").write_text(JOB.replace("[in]", "[in, elsewhere]"))
    ended = canvass(tmp_path, "run", "job.yaml")
    assert ended.returncode == 0, ended.stderr
    assert query(tmp_path, "select status, count(*) as n from assets group by all") == [{"status": "ok", "n": 2}]


FULL = """
set -e
mount -t tmpfs -o size=380k tmpfs out
status=0
"$PYTHON" -m jobs.cli run job.yaml 2> said || status=$?
echo "status $status"
mount -o remount,size=40m out
"$PYTHON" -m jobs.cli run job.yaml
"$PYTHON" -m jobs.cli sql job.yaml --json \
    "select count(*) as n, count(distinct asset) as d, count(distinct page) as pages from transcripts"
"""


def test_a_full_disk_ends_the_run_with_its_reason_and_what_was_committed_stays(tmp_path: Path) -> None:
    """On a file system of 380 kB, mounted in a name space of its own."""
    (tmp_path / "job.yaml").write_text(JOB)
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "a.pdf", 1)
    for number in range(4):
        bad_inputs.text_pdf(tmp_path / "in" / f"{number}.pdf", 150, 40)
    ended = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", FULL], cwd=tmp_path, check=False,
                           capture_output=True, text=True, timeout=600,
                           env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = (tmp_path / "said").read_text()
    assert "status 2" in ended.stdout.splitlines(), ended.stdout + said  # beside what Ray says of killed actors
    assert "No space left on device" in said
    assert ended.stdout.splitlines()[-1] == '{"n": 601, "d": 5, "pages": 150}'
