"""A corpus and its rows as a run makes them that nobody disturbs."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from disturbed import Disturbed, Undisturbed, make_corpus, read, rows


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The corpus, and what one run makes of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make_corpus(folder / "in")
    job = Disturbed(folder, str(folder / "in"), str(folder / "out"), random.Random(0))
    assert job.finish() == 1, job.log()  # some of the files cannot be read
    tables = read(job.output)
    assert len(tables["requests"]) > 250
    counts = {name: Counter(row["asset"] for row in tables[name]) for name in ("transcripts", "answers", "failures")}
    return Undisturbed(job.inputs, rows(tables), counts)
