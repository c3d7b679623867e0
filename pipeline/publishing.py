"""Publishes a shard: all its rows, for every table, as one Parquet object written by one conditional PUT.

That PUT is the commit. There is nothing before it to see and nothing after it to finish; whoever comes second throws
his rows away and takes the first one's for his own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage, stores
from pipeline.stores import StorageError
from schemas.records import PUBLISHED, SHARD_OBJECT, TABLES, rows_to_table

SHARDS = "_shards"

PART_COLUMNS = ("asset", "version", "fingerprint", "asked", "tried", "plan", "round", "part", "parts", "units",
                "replaces")
"""Columns of the ledger that tell which part of which asset, asked what in which round, a shard holds."""


@dataclass(frozen=True)
class Published:
    """A published shard by its name."""

    fingerprint: str
    shard_id: str

    def uri(self, output: str) -> str:
        """Where it lies below a job's output."""
        return stores.join(output, SHARDS, self.fingerprint, f"{self.shard_id}.parquet")


def publish(output: str, shard: Published, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """Commit a shard's rows; False where another attempt already had. Raises StorageError."""
    return storage.put_if_absent(shard.uri(output), encode(rows))


def encode(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """The rows of a shard as one Parquet file, a row group a table."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SHARD_OBJECT, compression="zstd") as writer:
        for name in PUBLISHED:
            table = rows_to_table(name, [dict(row) for row in rows[name]]).combine_chunks()
            if not table.num_rows:
                continue
            struct = pa.StructArray.from_arrays([table[column].combine_chunks() for column in table.column_names],
                                                fields=list(SHARD_OBJECT.field(name).type))
            columns = [struct if other == name else pa.nulls(table.num_rows, SHARD_OBJECT.field(other).type)
                       for other in PUBLISHED]
            writer.write_table(pa.Table.from_arrays(columns, schema=SHARD_OBJECT))
    return sink.getvalue()


class ShardObject:
    """A published shard, read table by table."""

    def __init__(self, output: str, shard: Published) -> None:
        self._file = pq.ParquetFile(io.BytesIO(storage.read(shard.uri(output))))

    def table(self, name: str) -> pa.Table:
        """The shard's rows of one table."""
        return self._rows(name, self._file.read(columns=[name]).column(0))

    def tables(self) -> dict[str, pa.Table]:
        """The shard's rows of every table it publishes."""
        whole = self._file.read()
        return {name: self._rows(name, whole[name]) for name in PUBLISHED}

    def _rows(self, name: str, column: pa.ChunkedArray) -> pa.Table:
        struct = column.drop_null().combine_chunks()
        if isinstance(struct, pa.ChunkedArray):
            struct = pa.concat_arrays(struct.chunks) if struct.num_chunks else pa.array([], type=column.type)
        found = dict(zip((field.name for field in struct.type), struct.flatten(), strict=True))
        return pa.Table.from_arrays([found[field.name] if field.name in found else pa.nulls(len(struct), field.type)
                                     for field in TABLES[name]], schema=TABLES[name])  # an older Canvass knew less


def published_parts(output: str, shard: Published) -> list[dict[str, Any]] | None:
    """The parts that a published shard holds (PART_COLUMNS); None where it is not published. Raises StorageError."""
    try:
        found: list[dict[str, Any]] = ShardObject(output, shard).table("shards").select(PART_COLUMNS).to_pylist()
    except StorageError as error:
        if error.category == "missing":
            return None
        raise
    return found


def list_published(output: str) -> Iterator[Published]:
    """Every published shard below an output. Raises StorageError."""
    for item in storage.list_prefix(stores.join(output, SHARDS) + "/"):
        fingerprint, _, name = item.uri.rpartition(f"/{SHARDS}/")[2].partition("/")
        if name.endswith(".parquet") and not name.startswith("."):
            yield Published(fingerprint, name.removesuffix(".parquet"))
