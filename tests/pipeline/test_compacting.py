"""Compaction: fewer files, the same rows, and nothing removed that a run or a reader still needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import bad_inputs
import pytest
from pipelines import Runner

from pipeline.compacting import compact
from pipeline.fold import ORDER
from pipeline.publishing import list_published
from pipeline.stores import StorageError
from pipeline.tables import dataset, open_table


def age(folder: Path, hours: float) -> None:
    """Let everything below a folder be as old as that."""
    moment = time.time() - hours * 3600
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


@pytest.fixture
def written(tmp_path: Path, run: Runner) -> Path:
    """The output of four runs, each with one document more."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        bad_inputs.text_pdf(tmp_path / "in" / f"{number}.pdf", 1)
        run(tmp_path)
    return tmp_path / "out"


def test_compaction_joins_files_and_keeps_every_row(tmp_path: Path, written: Path, run: Runner) -> None:
    before = {name: sorted(map(str, dataset(str(written), name).to_table().to_pylist())) for name in ORDER}
    done = compact(str(written))
    assert (done.files["transcripts"], done.files["assets"], done.shards, done.folds) == ((4, 1), (4, 1), 4, 3)
    assert {name: sorted(map(str, dataset(str(written), name).to_table().to_pylist())) for name in ORDER} == before
    again = compact(str(written))
    assert (again.files["transcripts"], again.shards, again.folds) == ((1, 1), 0, 0)


def test_what_is_compacted_is_asked_no_more_and_takes_further_objects_and_questions(
        tmp_path: Path, written: Path, run: Runner) -> None:
    compact(str(written))
    assert list(list_published(str(written))) == []
    bad_inputs.text_pdf(tmp_path / "in" / "4.pdf", 1)
    question = [{"id": "due", "ask": "When is it due?", "answer": "date"}]
    tables = run(tmp_path, checklist=question)
    assert [len(tables[name]) for name in ("assets", "transcripts", "requests")] == [5, 5, 9]
    assert len([row for row in tables["answers"] if row["level"] == "asset"]) == 5


def test_files_are_kept_until_their_readers_must_have_ended(written: Path) -> None:
    reader = open_table(str(written), "transcripts")
    assert reader is not None
    assert compact(str(written)).vacuumed == 0
    assert dataset(str(written), "transcripts", reader).to_table().num_rows == 4
    age(written, 100)
    stray = written / "transcripts" / "part-of-a-fold-that-died.parquet"
    stray.write_bytes(b"x")
    young = written / "transcripts" / "part-of-a-fold-under-way.parquet"
    young.write_bytes(b"x")
    os.utime(stray, (1, 1))
    compact(str(written), keep_hours=99)
    assert (stray.exists(), young.exists()) == (False, True)
    assert dataset(str(written), "transcripts").to_table().num_rows == 4


def test_an_output_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="holds no tables"):
        compact(str(tmp_path))
