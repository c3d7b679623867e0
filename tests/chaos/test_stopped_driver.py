"""A run that is stopped until it looks dead, and wakes when another has done all and compacted the tables."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from disturbed import Disturbed, Undisturbed, signal_all

from pipeline import storage
from pipeline.fold import TRANSACTION
from pipeline.folding import FOLDS
from pipeline.lease import HELD_SECONDS
from pipeline.publishing import list_published
from pipeline.tables import open_table


def is_folding(output: str) -> bool:
    """Whether a fold is named that the ledger does not have yet."""
    named = len(list(storage.list_prefix(f"{output}/{FOLDS}/")))
    table = open_table(output, "shards")
    return table is not None and named > (table.transaction_version(TRANSACTION) or 0)


@pytest.mark.parametrize(("place", "asleep"), [("disk", "folding"), ("bucket", "asking")])
def test_a_stopped_run_that_wakes_after_another_has_finished_harms_nothing(
        tmp_path: Path, undisturbed: Undisturbed, request: pytest.FixtureRequest, place: str, asleep: str) -> None:
    inputs, output = undisturbed.inputs, str(tmp_path / "out")
    if place == "bucket":
        inputs, output = undisturbed.upload(request.getfixturevalue("s3"))
    job = Disturbed(tmp_path, inputs, output, random.Random(3))
    first = job.start()
    try:
        while len(list(list_published(job.output))) < 4 or (asleep == "folding" and not is_folding(output)):
            assert first.poll() is None, job.log()
            time.sleep(0.01)
        sleeping = job.processes()  # the driver, its actors and their helpers, and all of Ray
        signal_all(sleeping, signal.SIGSTOP)
        assert job.start().wait(60) == 2
        assert "is at work on this output: wait for its end" in job.log()
        time.sleep(HELD_SECONDS)
        assert job.finish() == 1, job.log()
        assert job.differences(undisturbed.rows) == (0, 0)
        assert job.start("compact").wait(60) == 0
        signal_all(sleeping, signal.SIGCONT)
        assert first.wait(120) == 2
        assert "another run" in job.log().splitlines()[-1]
        assert job.finish() == 1
        assert job.differences(undisturbed.rows) == (0, 0)
    finally:
        job.close()
