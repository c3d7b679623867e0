"""Tables: rows of some assets are found in the files that may hold them, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from pipeline.stores import StorageError
from pipeline.tables import (
    Staged,
    append,
    create_table,
    dataset,
    distinct,
    files_of,
    open_table,
    rows_of,
    rows_of_file,
)
from schemas.records import TABLES, rows_to_table

RUN = {"job": "j", "status": "finished", "started_at": 0, "finished_at": 0, "fingerprint": "f", "questions": "{}",
       "versions": "{}", "assets": 1, "shards": 1, "failures": 0}


def event(asset: str, start: float = 0.0) -> dict[str, Any]:
    return {"asset": asset, "version": "v", "question": "q", "start_s": start, "end_s": start + 1, "engine": "e",
            "fingerprint": "f", "run_id": "r"}


def write(output: str, *rows: dict[str, Any], replaced: tuple[str, ...] = ()) -> Staged:
    table = create_table(output, "events")
    staged = Staged(output, "events")
    staged.write(rows_to_table("events", list(rows)).to_batches())
    staged.close()
    staged.commit(table, CommitProperties(), replaced)
    return staged


def found(output: str, *assets: str) -> list[tuple[str, float]]:
    table = open_table(output, "events")
    assert table is not None
    return sorted((row["asset"], row["start_s"]) for batch in rows_of(output, "events", table, assets)
                  for row in batch.to_pylist())


def test_rows_of_assets_come_from_every_file_that_has_them(tmp_path: Path) -> None:
    output = str(tmp_path)
    write(output, event("/a"), event("/c"))
    write(output, event("/b"), event("/c", 5.0))
    assert found(output, "/c", "/b", "/none") == [("/b", 0.0), ("/c", 0.0), ("/c", 5.0)]
    assert found(output) == []
    assert distinct(output, "events", "asset") == {"/a", "/b", "/c"}


def test_a_table_of_an_older_version_gets_its_new_columns_and_is_written_on(tmp_path: Path) -> None:
    output, old = str(tmp_path), TABLES["events"]
    for name in ("confidence_source", "evidence"):
        old = old.remove(old.get_field_index(name))
    write_deltalake(str(tmp_path / "events"), pa.Table.from_pylist([event("/a"), event("/b")], old))
    write(output, event("/c", 3.0) | {"confidence_source": "ocr"})
    write(output, event("/a", 5.0) | {"confidence_source": "rule"}, replaced=("/a",))
    rows = dataset(output, "events").to_table().to_pylist()
    assert sorted((row["asset"], row["start_s"], row["confidence_source"]) for row in rows) == [
        ("/a", 5.0, "rule"), ("/b", 0.0, None), ("/c", 3.0, "ocr")]


def test_files_that_cannot_hold_an_asset_are_not_opened(tmp_path: Path) -> None:
    output = str(tmp_path)
    write(output, event("/a"), event("/c"))
    write(output, event("/x"))
    for path in (tmp_path / "events").glob("*.parquet"):
        if b"/x" in path.read_bytes():
            path.write_bytes(b"no longer Parquet")
    assert found(output, "/a", "/d", "/z") == [("/a", 0.0)]


def test_long_addresses_are_found_after_a_compaction_which_cuts_the_bounds_of_its_files(tmp_path: Path) -> None:
    output, long = str(tmp_path), "/" + "long" * 200
    write(output, event(long + "a"))
    write(output, event(long + "z"))
    table = open_table(output, "events")
    assert table is not None
    assert table.optimize.compact()["numFilesRemoved"] == 2
    assert found(output, long + "a", long + "z") == [(long + "a", 0.0), (long + "z", 0.0)]


def test_replaced_rows_give_way_in_the_commit_that_brings_the_new_ones(tmp_path: Path) -> None:
    output = str(tmp_path)
    write(output, event("/a"), event("/it's"))
    write(output, event("/it's", 7.0), replaced=("/it's",))
    assert found(output, "/a", "/it's") == [("/a", 0.0), ("/it's", 7.0)]


def test_a_file_that_was_removed_before_its_commit_is_not_committed(tmp_path: Path) -> None:
    output = str(tmp_path)
    table = create_table(output, "events")
    staged = Staged(output, "events")
    staged.write(rows_to_table("events", [event("/a")]).to_batches())
    staged.close()
    for path in (tmp_path / "events").glob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageError, match="was removed before it was committed; run again"):
        staged.commit(table, CommitProperties(), ())
    assert found(output, "/a") == []


def test_what_is_appended_once_is_there_once(tmp_path: Path) -> None:
    output = str(tmp_path)
    for name in ("r1", "r1", "r2"):
        append(output, "runs", [{**RUN, "run_id": name}], name)
    assert sorted(row["run_id"] for row in dataset(output, "runs").to_table().to_pylist()) == ["r1", "r2"]


def test_a_tables_files_are_named_and_read_one_by_one_and_stay_as_they_are(tmp_path: Path) -> None:
    output = str(tmp_path)
    assert files_of(output, "events") == []
    write(output, event("/a"), event("/b"), event("/c"))
    (first,) = files_of(output, "events")
    write(output, event("/d"))
    (second,) = set(files_of(output, "events")) - {first}
    batches = [batch.to_pylist() for batch in rows_of_file(output, "events", first, ["asset"], 2)]
    assert batches == [[{"asset": "/a"}, {"asset": "/b"}], [{"asset": "/c"}]]
    assert [batch.to_pylist() for batch in rows_of_file(output, "events", second, ["asset"], 2)] == [[{"asset": "/d"}]]
