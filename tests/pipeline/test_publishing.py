"""Publishing: all rows of a shard come back as they were, and the first commit stays."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_server import S3Server

from pipeline import storage, stores
from pipeline.publishing import Published, ShardObject, encode, list_published, publish
from pipeline.stores import StorageError
from schemas.records import PUBLISHED, SCHEMA_VERSION, SHARD_OBJECT, TABLES

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
EMPTY: Rows = {name: [] for name in PUBLISHED}


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of an Arrow type, as Python holds them."""
    if pa.types.is_string(kind):
        return st.text(st.characters(codec="utf-8"), max_size=8)
    if pa.types.is_integer(kind):
        return st.integers(-2 ** (kind.bit_width - 1), 2 ** (kind.bit_width - 1) - 1)
    if pa.types.is_floating(kind):
        return st.floats(allow_nan=False, width=kind.bit_width)  # type: ignore[arg-type]
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_date(kind):
        return st.dates()
    if pa.types.is_timestamp(kind):
        return st.datetimes(datetime.datetime(1970, 1, 1), timezones=st.just(datetime.UTC))
    if pa.types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=2)
    assert pa.types.is_struct(kind)
    return st.fixed_dictionaries({field.name: st.none() | values(field.type) for field in kind})


def table_rows(name: str, fewest: int = 0) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({field.name: st.none() | values(field.type) if field.nullable else values(field.type)
                                 for field in TABLES[name]})
    return st.lists(row, min_size=fewest, max_size=3)


def publish_one(output: str, rows: Rows, shard_id: str = "s", fingerprint: str = "f") -> ShardObject:
    shard = Published(fingerprint, shard_id)
    assert publish(output, shard, rows) is True
    return ShardObject(output, shard)


def row_of(shard_id: str, message: str) -> dict[str, Any]:
    return {"asset": "a", "version": "v", "page": 1, "time_s": None, "phase": "ask", "category": "timeout",
            "retryable": True, "message": message, "attempts": 1, "fingerprint": "f", "run_id": "r",
            "shard_id": shard_id}


@pytest.mark.parametrize("name", PUBLISHED)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_rows_of_every_table_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, name: str,
                                               data: st.DataObject) -> None:
    rows = data.draw(table_rows(name, fewest=1))
    published = publish_one(str(tmp_path_factory.mktemp("out")), {**EMPTY, name: rows})
    found = published.table(name)
    assert found.schema.equals(TABLES[name], check_metadata=True)
    assert found.to_pylist() == rows
    assert [published.table(other).num_rows for other in PUBLISHED if other != name] == [0] * 4


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_tables_do_not_mix(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    rows = {name: data.draw(table_rows(name), label=name) for name in PUBLISHED}
    published = publish_one(str(tmp_path_factory.mktemp("out")), rows)
    assert {name: published.table(name).to_pylist() for name in PUBLISHED} == rows


def test_optional_fields_may_be_left_out(tmp_path: Path) -> None:
    row = row_of("s", "m")
    given_row = {key: value for key, value in row.items() if value is not None}
    assert publish_one(str(tmp_path), {**EMPTY, "failures": [given_row]}).table("failures").to_pylist() == [row]


def test_a_shard_without_rows_is_published_too(tmp_path: Path) -> None:
    published = publish_one(str(tmp_path), EMPTY)
    for name in PUBLISHED:
        assert published.table(name).equals(TABLES[name].empty_table())
    assert list(list_published(str(tmp_path))) == [Published("f", "s")]


def test_the_object_is_one_parquet_file_with_a_row_group_a_table_and_the_schema_version() -> None:
    file = pq.ParquetFile(io.BytesIO(encode({**EMPTY, "failures": [row_of("s", "m")] * 3})))
    assert file.schema_arrow.equals(SHARD_OBJECT, check_metadata=False)
    assert file.schema_arrow.metadata[b"canvass.schema_version"] == str(SCHEMA_VERSION).encode()
    assert (file.num_row_groups, file.metadata.num_rows) == (1, 3)


def test_the_same_rows_are_the_same_bytes() -> None:
    rows = {**EMPTY, "failures": [row_of("s", "m")]}
    assert encode(rows) == encode(rows)


@pytest.fixture(params=["disk", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "out")
    server: S3Server = request.getfixturevalue("s3")
    return f"s3://{server.fresh_bucket()}/out"


def test_a_second_publication_loses_and_changes_nothing(output: str) -> None:
    first = publish_one(output, {**EMPTY, "failures": [row_of("s", "first")]})
    before = storage.read(Published("f", "s").uri(output))
    assert publish(output, Published("f", "s"), {**EMPTY, "failures": [row_of("s", "second")]}) is False
    assert storage.read(Published("f", "s").uri(output)) == before
    again = ShardObject(output, Published("f", "s"))
    assert again.table("failures").to_pylist() == first.table("failures").to_pylist() == [row_of("s", "first")]


def test_published_shards_are_listed_by_fingerprint_and_id_and_nothing_else_is(output: str) -> None:
    assert list(list_published(output)) == []
    shards = {Published("f", "a"), Published("f", "b"), Published("g", "a")}
    for shard in shards:
        publish(output, shard, EMPTY)
    for stray in (".f/.abc.tmp", "f/readme.txt", "f/.hidden.parquet"):
        storage.put_if_absent(stores.join(output, "_shards", *stray.split("/")), b"x")
    assert set(list_published(output)) == shards
    assert len(list(list_published(output))) == 3


def test_a_shard_that_nobody_published_is_missing(output: str) -> None:
    with pytest.raises(StorageError) as error:
        ShardObject(output, Published("f", "none"))
    assert error.value.category == "missing"


def test_where_a_shard_lies() -> None:
    assert Published("f", "s").uri("s3://b/out/") == "s3://b/out/_shards/f/s.parquet"
