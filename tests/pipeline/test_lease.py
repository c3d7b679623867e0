"""The lease: one holder at a time, free again when it ends, dies, or does not renew it, whatever clocks say."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s3_server import S3Server

from pipeline import lease, storage
from pipeline.lease import LEASE, Lease, LeaseError


@pytest.fixture(params=["disk", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty output on disk or in a bucket."""
    if request.param == "disk":
        return str(tmp_path)
    server: S3Server = request.getfixturevalue("s3")
    return f"s3://{server.fresh_bucket()}/out"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of half a second."""
    monkeypatch.setattr(lease, "HELD_SECONDS", 0.5)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)


def write(output: str, **changed: Any) -> None:
    """Leave a lease of another machine that holds for a while."""
    held = {"run_id": "other", "host": "elsewhere", "boot": "b", "pid": 1, "started": "1", "until": time.time() + 10}
    storage.delete(f"{output}/{LEASE}")
    storage.put_if_absent(f"{output}/{LEASE}", json.dumps({**held, **changed}).encode())


def test_the_second_is_refused_and_told_who_holds_it(output: str) -> None:
    first = Lease(output, "first")
    with pytest.raises(LeaseError, match=r"run first on .* \(process \d+\) is at work on this output: wait"):
        Lease(output, "second")
    first.check()
    first.release()
    second = Lease(output, "second")
    second.check()
    second.release()


def test_a_lease_is_renewed_for_as_long_as_it_is_held(output: str, quick: None) -> None:
    first = Lease(output, "first")
    time.sleep(1.2)
    with pytest.raises(LeaseError, match="is at work"):
        Lease(output, "second")
    first.check()
    first.release()


def test_a_lease_of_another_machine_is_free_once_it_was_released(output: str) -> None:
    write(output)
    with pytest.raises(LeaseError, match=r"run other on elsewhere \(process 1\).*try again in \d+ s"):
        Lease(output, "second")
    write(output, until=0.0)
    Lease(output, "second").release()


def test_a_lease_of_a_dead_process_of_this_machine_is_free_at_once(tmp_path: Path) -> None:
    code = f"from pipeline.lease import Lease; import os; Lease({str(tmp_path)!r}, 'first'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert json.loads((tmp_path / LEASE).read_text())["until"] > time.time() + 20
    Lease(str(tmp_path), "second").release()


def test_a_holder_that_slept_is_told_that_another_has_taken_it(output: str, quick: None,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    first = Lease(output, "first")
    write(output, until=0.0)
    second = Lease(output, "second")
    time.sleep(1.0)
    with pytest.raises(LeaseError, match="another run has taken this output"):
        first.check()
    first.release()
    second.check()
    second.release()


def test_a_lease_that_cannot_be_read_is_free(tmp_path: Path) -> None:
    (tmp_path / LEASE).write_bytes(b"")
    Lease(str(tmp_path), "second").release()


@pytest.mark.parametrize("jump", [-1.0, 3600.0, 90 * 24 * 3600.0])
def test_a_lease_whose_date_says_nothing_is_watched_and_taken_where_nobody_renews_it(
        output: str, quick: None, jump: float) -> None:
    write(output, until=time.time() + jump)
    Lease(output, "second").release()


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_holder_whose_clock_is_wrong_keeps_its_lease(output: str, quick: None, ahead: int) -> None:
    """Another process, whose clock is an hour ahead or behind, renews its lease while we look at it."""
    code = f"""
import time, sys
real = time.time
time.time = lambda: real() + {ahead}
from pipeline import lease
lease.HELD_SECONDS, lease.RENEW_SECONDS = 0.5, 0.1
held = lease.Lease({output!r}, "ahead")
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LeaseError, match="another run is at work on this output"):
            Lease(output, "second")
        other.kill()


def test_a_run_whose_clock_goes_back_keeps_its_lease(output: str, quick: None,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    first = Lease(output, "first")
    real: Callable[[], float] = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    time.sleep(0.6)
    first.check()
    first.release()
