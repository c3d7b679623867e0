"""The output tables: Delta Lake, read through Arrow and written in one atomic commit a table."""

from __future__ import annotations

import bisect
import json
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction

from pipeline import stores
from pipeline.row_groups import RowGroupWriter
from schemas.records import SCHEMA_VERSION, TABLES, rows_to_table

WRITER = WriterProperties(compression="ZSTD", max_row_group_size=1 << 16)
"""How files are written that join others: in row groups small enough to be read one at a time."""

READ_ROWS = 1 << 15
"""Rows of a table that are read at a time."""


@stores.patiently
def open_table(output: str, name: str) -> DeltaTable | None:
    """An output table, or None where nothing was folded yet."""
    uri = _table_uri(output, name)
    try:
        return DeltaTable(uri, storage_options=stores.delta_options(uri))
    except TableNotFoundError:
        return None


@stores.patiently
def create_table(output: str, name: str) -> DeltaTable:
    """An output table, made where it is not there yet, with the columns that an older Canvass did not know."""
    uri = _table_uri(output, name)
    table = DeltaTable.create(uri, TABLES[name], mode="ignore", name=name,
                              storage_options=stores.delta_options(uri),
                              description=f"Canvass {name}, schema version {SCHEMA_VERSION}")
    known = {field.name for field in table.schema().fields}
    new = [Field(field.name, field.type) for field in Schema.from_arrow(TABLES[name]).fields if field.name not in known]
    if new:
        table.alter.add_columns(new)
    return table


def _table_uri(output: str, name: str) -> str:
    uri = stores.join(output, name)
    if stores.is_local(uri):
        return uri
    scheme, bucket, key = stores.split(uri)
    return f"{scheme}://{bucket}/{quote(key)}"


def dataset(output: str, name: str, table: DeltaTable | None = None) -> pads.Dataset:
    """The files of an output table's current (or the given) version, through Arrow's own file systems.

    Not DeltaTable.to_pyarrow_dataset(): its file system is a Python object, and Arrow's threads that outlive the
    interpreter abort the process on dropping it.
    """
    table = table or open_table(output, name)
    if table is None:
        return pads.dataset(TABLES[name].empty_table())
    return _of_files(output, name, [uri.rpartition("/")[2] for uri in table.file_uris()])


def _of_files(output: str, name: str, files: Sequence[str]) -> pads.Dataset:
    system, root = file_system(stores.join(output, name))  # Delta percent-encodes what is before the files' names
    return pads.dataset([f"{root}/{file}" for file in files], schema=TABLES[name], filesystem=system, format="parquet")


def file_system(uri: str) -> tuple[pafs.FileSystem, str]:
    """Arrow's own file system for an output, and the path of a URI in it."""
    if stores.is_local(uri):
        return pafs.LocalFileSystem(), uri
    scheme, bucket, key = stores.split(uri)
    system, root = pafs.FileSystem.from_uri(f"{scheme}://{bucket}")
    return system, f"{root}/{key}"


def files_of(output: str, name: str) -> list[str]:
    """The names of the files that a table's current version is made of, each of which never changes; none where there
    is no such table.
    """
    table = open_table(output, name)
    return [] if table is None else [uri.rpartition("/")[2] for uri in table.file_uris()]


def rows_of_file(output: str, name: str, file: str, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Some columns of one file of a table, at most `rows` rows at a time."""
    yield from _of_files(output, name, [file]).to_batches(columns=list(columns), batch_size=rows, batch_readahead=1,
                                                          fragment_readahead=1)


def stream(output: str, name: str, columns: Sequence[str]) -> pa.RecordBatchReader:
    """Some columns of a table, one batch after another: a plain scan would read many files ahead."""
    return dataset(output, name).scanner(columns=list(columns), batch_size=READ_ROWS, batch_readahead=1,
                                         fragment_readahead=1).to_reader()


def distinct(output: str, name: str, column: str) -> set[str]:
    """The different values of a column, in the memory that these take."""
    found: set[str] = set()
    for batch in stream(output, name, [column]):
        found.update(pc.unique(batch.column(0)).to_pylist())
    return found


def rows_of(output: str, name: str, table: DeltaTable, assets: Collection[str],
            columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of some assets, from the files of a table that may hold any of them."""
    if not assets:
        return
    ordered = sorted(assets)
    files = [row["path"].rpartition("/")[2] for row in pa.table(table.get_add_actions(flatten=True)).to_pylist()
             if _may_hold(ordered, row.get("min.asset"), row.get("max.asset"))]
    if files:
        wanted = pc.field("asset").isin(pa.array(ordered, pa.string()))
        yield from _of_files(output, name, files).to_batches(
            columns=None if columns is None else list(columns), filter=wanted, batch_size=READ_ROWS, batch_readahead=1,
            fragment_readahead=1)


def _may_hold(ordered: Sequence[str], least: str | None, most: str | None) -> bool:
    """Whether a file with these bounds may hold any of the assets; a writer may have cut long bounds short."""
    if least is None or most is None:
        return True
    place = bisect.bisect_left(ordered, least)
    return place < len(ordered) and (ordered[place] <= most or ordered[place].startswith(most))


@stores.patiently
def append(output: str, name: str, rows: list[dict[str, object]], once: str) -> None:
    """Append rows that belong to no shard, such as a run's, in one commit; `once` names it, so that it is made once."""
    table = create_table(output, name)
    if table.transaction_version(once) is None:
        write_deltalake(table, rows_to_table(name, rows).cast(_bare(TABLES[name])), mode="append",
                        commit_properties=CommitProperties(app_transactions=[Transaction(once, 1)]))


def _bare(schema: pa.Schema) -> pa.Schema:
    """A schema without comments: Delta takes no rows whose columns are described otherwise than those of a table that
    an older Canvass made.
    """
    return pa.schema([field.remove_metadata() for field in schema])


class Staged:
    """A new file of a table, written row group by row group: `write_deltalake` would hold all batches at once.

    Until it is committed no reader sees it; one that never is waits for `canvass compact`.
    """

    def __init__(self, output: str, name: str) -> None:
        self._system, root = file_system(stores.join(output, name))
        self._name, self._path = f"part-{uuid.uuid4()}.parquet", root
        self._sink = self._system.open_output_stream(f"{root}/{self._name}")
        self._writer = RowGroupWriter(self._sink, TABLES[name])
        self._schema = TABLES[name]
        self._least: str | None = None
        self._most: str | None = None

    def write(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Add rows."""
        for batch in batches:
            if batch.num_rows:
                bounds = pc.min_max(batch["asset"])
                self._least = min(filter(None, (self._least, bounds["min"].as_py())))
                self._most = max(filter(None, (self._most, bounds["max"].as_py())))
        self._writer.write(batches)

    def close(self) -> None:
        """End the file; nothing can be added to it after that."""
        self._writer.close()
        self._sink.close()

    def commit(self, table: DeltaTable, properties: CommitProperties, replaced: Collection[str]) -> None:
        """Add the closed file to its table in one commit, in which the old rows of the `replaced` assets give way.

        Raises CommitFailedError where another writer was faster, and StorageError.
        """
        path = f"{self._path}/{self._name}"
        if replaced:
            quoted = ", ".join("'" + asset.replace("'", "''") + "'" for asset in sorted(replaced))
            schema = _bare(self._schema)
            staged = pads.dataset([path], schema=schema, filesystem=self._system, format="parquet")
            reader = pa.RecordBatchReader.from_batches(schema, staged.to_batches())
            write_deltalake(table, reader, mode="overwrite", predicate=f"asset IN ({quoted})",
                            commit_properties=properties, writer_properties=WRITER)
            self._system.delete_file(path)
        elif self._writer.rows:
            statistics = {"numRecords": self._writer.rows, "minValues": {"asset": self._least},
                          "maxValues": {"asset": self._most}, "nullCount": {"asset": 0}}
            size = self._system.get_file_info(path).size
            if size is None:
                raise stores.StorageError("conflict", f"{path} was removed before it was committed; run again")
            add = AddAction(self._name, size, {}, int(time.time() * 1000), True,
                            json.dumps(statistics))
            table.create_write_transaction([add], "append", table.schema(), commit_properties=properties)
        else:
            table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
            self._system.delete_file(path)
