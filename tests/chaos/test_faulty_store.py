"""A job on a real S3 server that fails one request in ten, whose run is killed meanwhile."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from disturbed import RUN_SECONDS, Disturbed, Undisturbed
from faulty_s3 import FAULTS, faulty_s3
from s3_server import S3Server

from pipeline.publishing import list_published


def test_a_store_that_fails_one_request_in_ten_loses_and_doubles_nothing(
        tmp_path: Path, undisturbed: Undisturbed, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faulty_s3.HANG_SECONDS", 2.0)
    inputs, output = undisturbed.upload(s3)
    seed = int(os.environ.get("SEED", "1"))
    with faulty_s3(s3.endpoint, 0.1, seed) as proxy:
        job = Disturbed(tmp_path, inputs, output, random.Random(seed),
                        {"AWS_ENDPOINT_URL": proxy.endpoint})
        try:
            for _ in range(2):
                running = job.start()
                job.disturb(running, "driver")
                running.wait(RUN_SECONDS)
            assert job.finish() == 1, job.log()[-6000:]
            assert job.start("compact").wait(120) == 0, job.log()[-6000:]
        finally:
            job.close()
    lost, doubled = job.differences(undisturbed.rows)
    print(f"\n{proxy.counts.total()} requests failed {dict(proxy.counts)}, {dict(job.kills)} kills: {lost} rows lost, "
          f"{doubled} doubled")
    assert set(proxy.counts) == set(FAULTS)
    assert (lost, doubled) == (0, 0)


def test_a_bucket_that_turns_read_only_in_the_middle_ends_the_run_which_goes_on_once_it_may_write(
        tmp_path: Path, undisturbed: Undisturbed, s3: S3Server) -> None:
    inputs, output = undisturbed.upload(s3)
    with faulty_s3(s3.endpoint) as proxy:
        job = Disturbed(tmp_path, inputs, output, random.Random(1), {"AWS_ENDPOINT_URL": proxy.endpoint})
        try:
            running = job.start()
            while len(list(list_published(output))) < 3:
                assert running.poll() is None, job.log()
                time.sleep(0.05)
            proxy.read_only = True
            assert running.wait(120) == 2, job.log()[-6000:]
            assert f"canvass: output {output}: " in job.log()
            assert "access denied" in job.log()
            proxy.read_only = False
            assert job.finish() == 1, job.log()[-6000:]
        finally:
            job.close()
    assert job.differences(undisturbed.rows) == (0, 0)
