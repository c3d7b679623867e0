"""The output tables: described, versioned, and all of what a shard publishes in one object."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from schemas.records import PUBLISHED, SCHEMA_VERSION, SHARD_OBJECT, TABLES, rows_to_table


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_field_has_a_description(name: str) -> None:
    comments = {field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in TABLES[name]}
    assert [field for field, comment in comments.items() if len(comment) < 5] == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_names_its_schema_version(name: str) -> None:
    assert TABLES[name].metadata == {b"canvass.schema_version": str(SCHEMA_VERSION).encode()}


def test_tables_are_those_of_the_design() -> None:
    assert set(TABLES) == {"assets", "transcripts", "answers", "events", "scenes", "screen_texts", "failures",
                           "requests", "reviews", "runs", "shards"}


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"runs"}))
def test_every_row_names_its_asset_its_engine_and_its_run(name: str) -> None:
    fields = {field.name: field for field in TABLES[name]}
    assert [fields[key].nullable for key in ("asset", "version", "fingerprint", "run_id")] == [False] * 4


@pytest.mark.parametrize("name", sorted(TABLES))
def test_field_names_differ_and_are_plain(name: str) -> None:
    assert len(set(TABLES[name].names)) == len(TABLES[name].names)
    assert all(field.isidentifier() and field == field.lower() for field in TABLES[name].names)


def test_shard_object_holds_every_published_table_with_all_its_fields() -> None:
    assert tuple(SHARD_OBJECT.names) == PUBLISHED
    for name in PUBLISHED:
        published = list(SHARD_OBJECT.field(name).type)
        assert [(field.name, field.type) for field in published] \
            == [(field.name, field.type) for field in TABLES[name]]
        assert all(field.nullable for field in [SHARD_OBJECT.field(name), *published])
    assert SHARD_OBJECT.metadata == TABLES["answers"].metadata


def _times(kind: pa.DataType) -> Iterator[pa.DataType]:
    if pa.types.is_timestamp(kind):
        yield kind
    for index in range(kind.num_fields):
        yield from _times(kind.field(index).type)


def test_every_moment_is_in_utc() -> None:
    found = [kind for schema in TABLES.values() for field in schema for kind in _times(field.type)]
    assert found
    assert {str(kind) for kind in found} == {"timestamp[us, tz=UTC]"}


def test_rows_become_a_table_in_the_order_of_its_schema() -> None:
    row = {"run_id": "r", "message": "m", "asset": "a", "version": "v", "phase": "probe", "category": "empty",
           "retryable": False, "attempts": 1, "fingerprint": "f", "shard_id": "s"}
    table = rows_to_table("failures", [row])
    assert table.schema.equals(TABLES["failures"], check_metadata=True)
    assert table.to_pylist() == [{**row, "page": None, "time_s": None}]


def test_no_rows_are_a_table_too() -> None:
    assert rows_to_table("answers", []).schema.equals(TABLES["answers"], check_metadata=True)
