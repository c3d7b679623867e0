"""Folds: every published row reaches its table once, whatever is replayed, cut short or changed."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import storage, tables
from pipeline.publishing import Published, publish
from pipeline.tables import ORDER, Folder, dataset, open_table
from schemas.records import PUBLISHED

MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def shard(name: str, assets: dict[str, tuple[int, int]], version: str = "v1", text: str = "x") -> dict[str, Any]:
    """The rows of a shard: for each asset (part, parts) one transcript and one row of the ledger."""
    rows: dict[str, Any] = {table: [] for table in PUBLISHED}
    for asset, (part, parts) in assets.items():
        common = {"asset": asset, "version": version, "fingerprint": "f", "run_id": "r", "shard_id": name}
        rows["transcripts"].append({**common, "page": part + 1, "text": text, "markdown": text, "source": "ocr",
                                    "budget": 280, "engine": "embedded", "blocks": [], "words": []})
        rows["shards"].append({**common, "part": part, "parts": parts, "kind": "pdf", "media_type": "application/pdf",
                               "bytes": 9, "units": parts, "units_failed": 0, "repaired": False,
                               "published_at": MOMENT, "asked": "a", "tried": "t"})
    return rows


def fold(output: str) -> int:
    folder = Folder(output, ())
    folder.add_published()
    return folder.fold()


def read(output: str, name: str, *columns: str) -> list[tuple[Any, ...]]:
    found = dataset(output, name).to_table(columns=list(columns)).to_pylist()
    return sorted(tuple(row.values()) for row in found)


def test_shards_of_whole_assets_are_folded_once(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1), "/b's": (0, 1)}))
    assert fold(output) == 2
    assert fold(output) == 0
    assert read(output, "transcripts", "asset", "page") == [("/a", 1), ("/b's", 1)]
    assert read(output, "assets", "asset", "status", "units") == [("/a", "ok", 1), ("/b's", "ok", 1)]
    assert read(output, "shards", "shard_id", "asset") == [("s1", "/a"), ("s1", "/b's")]


def test_an_asset_is_folded_only_with_its_last_part(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 2)}))
    folder = Folder(output, ())
    folder.add_published()
    assert (folder.fold(), folder.waiting) == (0, {"s1"})
    assert read(output, "transcripts", "page") == []
    publish(output, Published("f", "s2"), shard("s2", {"/a": (1, 2)}))
    assert fold(output) == 1
    assert read(output, "transcripts", "page") == [(1,), (2,)]
    assert read(output, "assets", "asset", "units") == [("/a", 2)]


@pytest.mark.parametrize("reached", range(len(ORDER) + 1))
def test_a_fold_that_was_cut_short_after_any_table_is_finished_by_the_next_run(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: int) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}, text="old"))
    fold(output)
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1)}, "v2", text="new"))
    begun = 0
    real = tables.CommitProperties

    def dies(**options: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun > reached:
            raise KeyboardInterrupt
        return real(**options)

    monkeypatch.setattr(tables, "CommitProperties", dies)
    if reached < len(ORDER):
        with pytest.raises(KeyboardInterrupt):
            fold(output)
    else:
        fold(output)
    monkeypatch.setattr(tables, "CommitProperties", real)
    assert fold(output) == 0
    assert read(output, "transcripts", "asset", "version", "text") == [("/a", "v2", "new")]
    assert read(output, "assets", "asset", "version") == [("/a", "v2")]
    assert read(output, "shards", "shard_id", "version") == [("s1", "v1"), ("s2", "v2")]


def test_every_table_knows_the_last_fold(tmp_path: Path) -> None:
    output = str(tmp_path)
    for number in (1, 2):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {f"/{number}": (0, 1)}))
        fold(output)
    reached = [table.transaction_version(tables.TRANSACTION) for name in ORDER if (table := open_table(output, name))]
    assert reached == [2] * len(ORDER)


def test_two_folders_at_once_are_told_apart(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}))
    first, second = Folder(output, ()), Folder(output, ())
    first.add_published()
    second.add_published()
    assert first.fold() == 1
    with pytest.raises(storage.StorageError, match="another run is folding"):
        second.fold()
    assert read(output, "transcripts", "asset") == [("/a",)]


def test_an_output_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / tables.MARKER).write_text('{"schema_version": 99}')
    with pytest.raises(storage.StorageError, match="schema version 99"):
        Folder(str(tmp_path), ())


def test_a_fold_cut_by_ctrl_c_is_finished_from_storage_and_doubles_nothing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}))
    folder = Folder(output, ())
    folder.add_published()
    with monkeypatch.context() as patch:
        patch.setattr(tables, "Transaction", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            folder.fold()
    again = Folder(output, ())
    again.add_published()
    assert again.fold() == 0
    assert read(output, "transcripts", "asset", "page") == [("/a", 1)]


def test_an_asset_in_two_unfolded_shards_has_its_rows_once(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1), "/b": (0, 1)}))
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1), "/c": (0, 1)}))
    fold(output)
    assert read(output, "assets", "asset") == [("/a",), ("/b",), ("/c",)]
    assert read(output, "transcripts", "asset", "page") == [("/a", 1), ("/b", 1), ("/c", 1)]


def test_parts_that_were_asked_otherwise_never_make_one_asset(tmp_path: Path) -> None:
    output = str(tmp_path)
    old, new = shard("s1", {"/a": (0, 2)}, text="old"), shard("s2", {"/a": (1, 2)}, text="new")
    new["shards"][0]["asked"] = "b"
    publish(output, Published("f", "s1"), old)
    publish(output, Published("f", "s2"), new)
    assert fold(output) == 0
    assert read(output, "assets", "asset") == []


@pytest.mark.parametrize("name", ["a b", "ünï", "a#b?c+d"])
def test_an_output_may_have_any_name(tmp_path: Path, name: str) -> None:
    output = str(tmp_path / name)
    for number, version in ((1, "v1"), (2, "v2")):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {"/a": (0, 1)}, version))
        fold(output)
    assert read(output, "assets", "asset", "version") == [("/a", "v2")]
