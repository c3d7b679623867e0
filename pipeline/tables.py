"""Folds published shards into the output tables: Delta Lake, one atomic commit a table and fold.

A fold is named and its members are listed before the first table is touched, and each table's own transaction log
records the number of the last fold, so that replaying one is harmless. `assets` and then `shards` are committed
last: an asset that is listed is complete, and a shard in the ledger is never folded again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction

from pipeline import storage
from pipeline.fingerprints import Fingerprints, judging_fingerprint
from pipeline.merging import Merged, merge_asset
from pipeline.publishing import Published, ShardObject, list_published
from pipeline.storage import StoredObject
from schemas.checklist import Question
from schemas.records import SCHEMA_VERSION, TABLES, rows_to_table

FOLDS = "_folds"
MARKER = "_canvass.json"
TRANSACTION = "canvass-fold"
ORDER = ("transcripts", "answers", "events", "failures", "requests", "assets", "shards")
MAX_FOLD = 256
"""Shards in one fold at most."""

ROW_GROUP_BYTES = 16 << 20

DONE_BY = ("version", "fingerprint", "asked", "judged")
"""Columns of `assets` by which an asset is done: its content, the engine, all that is asked, and how it is judged."""

AssetKey = tuple[str, str]


def open_table(output: str, name: str) -> DeltaTable | None:
    """An output table, or None where nothing was folded yet."""
    uri = storage.join(output, name)
    try:
        return DeltaTable(uri, storage_options=storage.delta_options(uri))
    except TableNotFoundError:
        return None


def dataset(output: str, name: str, table: DeltaTable | None = None) -> pads.Dataset:
    """The files of an output table's current (or the given) version, through Arrow's own file systems.

    Not DeltaTable.to_pyarrow_dataset(): its file system is a Python object, and Arrow's threads that outlive the
    interpreter abort the process on dropping it.
    """
    table = table or open_table(output, name)
    if table is None:
        return pads.dataset(TABLES[name].empty_table())
    system, _ = file_system(output)
    paths = [uri.partition("://")[2] or uri for uri in table.file_uris()]
    return pads.dataset(paths, schema=TABLES[name], filesystem=system, format="parquet")


def file_system(uri: str) -> tuple[pafs.FileSystem, str]:
    """Arrow's own file system for an output, and the path of a URI in it."""
    if storage.is_local(uri):
        return pafs.LocalFileSystem(), uri
    system, path = pafs.FileSystem.from_uri(uri)
    return system, path


def write_parquet(file: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches in row groups of about ROW_GROUP_BYTES, so that no more is held; the number of rows."""
    count, held = 0, []
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            count += batch.num_rows
            held.append(batch)
            if sum(item.nbytes for item in held) >= ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(held, schema))
                held = []
        writer.write_table(pa.Table.from_batches(held, schema))
    return count


def _claim(output: str) -> None:
    """Mark a folder as an output of this schema version: proof that the store takes conditional writes."""
    marker = storage.join(output, MARKER)
    storage.put_if_absent(marker, json.dumps({"schema_version": SCHEMA_VERSION}).encode())
    written = json.loads(storage.read(marker))["schema_version"]
    if written != SCHEMA_VERSION:
        raise storage.StorageError("conflict", f"{output} was written by schema version {written}; this Canvass writes "
                                               f"{SCHEMA_VERSION}: choose another output")


def _create(output: str, name: str) -> DeltaTable:
    uri = storage.join(output, name)
    return DeltaTable.create(uri, TABLES[name], mode="ignore", name=name, storage_options=storage.delta_options(uri),
                             description=f"Canvass {name}, schema version {SCHEMA_VERSION}")


def read_columns(output: str, name: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of an output table; empty where it does not exist yet."""
    return dataset(output, name).to_table(columns=list(columns))


def append(output: str, name: str, rows: list[dict[str, object]]) -> None:
    """Append rows that belong to no shard, such as a run's, in one commit."""
    table = _create(output, name)
    write_deltalake(table, rows_to_table(name, rows), mode="append")


@dataclass
class _Pending:
    parts: int
    shards: dict[int, Published] = field(default_factory=dict)


class Folder:
    """Folds the shards of one job's output, during a run and at its end. One writer at a time.

    Construction finishes a fold that was cut short and reads the ledger. Raises StorageError.
    """

    def __init__(self, output: str, checklist: Sequence[Question]) -> None:
        self._output = output
        self._checklist = checklist
        self._judged = judging_fingerprint(checklist)
        self._assets: dict[str, tuple[str, ...]] = {}
        _claim(output)
        for name in ORDER:
            _create(output, name)
        self._number = self._last_fold()
        if self._number:
            self._apply(self._number)
        ledger = read_columns(output, "shards", ["shard_id"])["shard_id"]
        self._folded = set(ledger.to_pylist())
        assets = read_columns(output, "assets", ["asset", *DONE_BY]).to_pylist()
        self._assets |= {row["asset"]: tuple(row[name] for name in DONE_BY) for row in assets}
        self._pending: dict[AssetKey, _Pending] = {}
        self._ready: dict[str, list[Published]] = {}

    def is_done(self, asset: StoredObject, names: Fingerprints) -> bool:
        """Whether an object of this content is folded with the answers to all that is asked, judged as it is now."""
        return self._assets.get(asset.uri) == (asset.version, names.engine, names.asked, names.judged)

    def add_published(self) -> None:
        """Take up every published shard that the ledger does not have."""
        for shard in list_published(self._output):
            if shard.shard_id not in self._folded:
                rows = ShardObject(self._output, shard).table("shards").select(["asset", "version", "part", "parts"])
                self.add(shard, rows.to_pylist())

    def add(self, shard: Published, parts: Sequence[dict[str, object]]) -> None:
        """Take up one published shard. An asset becomes ready with its last part.

        A shard that was folded before is folded again, when its answers are judged in another way.
        """
        for part in parts:
            key = (str(part["asset"]), str(part["version"]))
            pending = self._pending.setdefault(key, _Pending(int(str(part["parts"]))))
            pending.shards[int(str(part["part"]))] = shard
            if len(pending.shards) == pending.parts:
                del self._pending[key]
                group = [item for _, item in sorted(pending.shards.items())]
                self._ready[group[0].shard_id] = group

    @property
    def waiting(self) -> frozenset[str]:
        """Published shards of assets that still lack a part."""
        return frozenset(shard.shard_id for pending in self._pending.values() for shard in pending.shards.values())

    def fold(self) -> int:
        """Commit every ready asset to the tables; the number of assets. Raises StorageError."""
        count = 0
        while self._ready:
            members = self._next_members()
            record = {"members": [[shard.fingerprint, shard.shard_id] for shard in members],
                      "again": sorted({shard.shard_id for shard in members} & self._folded)}
            self._number += 1
            if not storage.put_if_absent(self._record_uri(self._number), json.dumps(record).encode()):
                raise storage.StorageError("conflict", f"{self._output}: another run is folding; run one at a time")
            count += self._apply(self._number)
            for shard in members:
                self._ready.pop(shard.shard_id, None)
                self._folded.add(shard.shard_id)
        return count

    def _next_members(self) -> list[Published]:
        """Shards of whole assets, the parts of one asset in order, until MAX_FOLD is reached."""
        members: list[Published] = []
        for group in self._ready.values():
            members += group
            if len(members) >= MAX_FOLD:
                break
        return members

    def _record_uri(self, number: int) -> str:
        return storage.join(self._output, FOLDS, f"{number:012}.json")

    def _last_fold(self) -> int:
        numbers = [int(item.uri.rsplit("/", 1)[1].removesuffix(".json"))
                   for item in storage.list_prefix(storage.join(self._output, FOLDS) + "/")
                   if item.uri.endswith(".json")]
        return max(numbers, default=0)

    def _apply(self, number: int) -> int:
        """Bring every table to fold `number`; tables that have it are left alone. Returns the number of assets."""
        tables = {name: _create(self._output, name) for name in ORDER}
        behind = [name for name in ORDER if (tables[name].transaction_version(TRANSACTION) or 0) < number]
        if not behind:
            return 0
        record = json.loads(storage.read(self._record_uri(number)))
        members, again = [Published(*member) for member in record["members"]], set(record["again"])
        merged = list(self._merge(members))
        assets = {item.asset["asset"] for item in merged}
        known = set(read_columns(self._output, "assets", ["asset"])["asset"].to_pylist())
        for name in behind:
            reader = pa.RecordBatchReader.from_batches(TABLES[name], self._batches(name, members, merged, again))
            commit = CommitProperties(app_transactions=[Transaction(TRANSACTION, number)],
                                      custom_metadata={"fold": str(number)})
            if known & assets and name != "shards":  # the ledger keeps superseded shards, or they would be folded again
                quoted = ", ".join("'" + asset.replace("'", "''") + "'" for asset in sorted(assets))
                write_deltalake(tables[name], reader, mode="overwrite", predicate=f"asset IN ({quoted})",
                                commit_properties=commit)
            else:
                self._append(tables[name], name, reader, commit)
        self._assets.update({item.asset["asset"]: tuple(item.asset[name] for name in DONE_BY) for item in merged})
        return len(merged)

    def _append(self, table: DeltaTable, name: str, reader: pa.RecordBatchReader, commit: CommitProperties) -> None:
        """Write one file row group by row group, then commit it: `write_deltalake` holds all batches at once."""
        system, root = file_system(storage.join(self._output, name))
        path = f"part-{uuid.uuid4()}.parquet"
        with system.open_output_stream(f"{root}/{path}") as file:
            rows = write_parquet(file, TABLES[name], reader)
        size = system.get_file_info(f"{root}/{path}").size
        add = AddAction(path, size, {}, int(time.time() * 1000), True, json.dumps({"numRecords": rows}))
        table.create_write_transaction([add] if rows else [], "append", table.schema(), commit_properties=commit)

    def _merge(self, members: Sequence[Published]) -> Iterator[Merged]:
        """Merge each asset of a fold as soon as its last part was read, so that one asset at a time is held."""
        held: dict[AssetKey, dict[str, list[dict[str, object]]]] = {}
        for shard in members:
            item = ShardObject(self._output, shard)
            rows = {name: item.table(name).to_pylist() for name in ("shards", "answers", "failures")}
            for part in rows["shards"]:
                key = (part["asset"], part["version"])
                own = held.setdefault(key, {"shards": [], "answers": [], "failures": []})
                for name, found in own.items():
                    found += [row for row in rows[name] if (row["asset"], row["version"]) == key]
                if len(own["shards"]) == part["parts"]:
                    yield merge_asset(self._checklist, self._judged, own["shards"], own["answers"], own["failures"])
                    del held[key]

    def _batches(self, name: str, members: Sequence[Published], merged: Sequence[Merged], again: set[str]) \
            -> Iterator[pa.RecordBatch]:
        made = {"assets": [item.asset for item in merged],
                "answers": [row for item in merged for row in item.answers],
                "events": [row for item in merged for row in item.events]}
        if name in made:
            yield from rows_to_table(name, made[name]).to_batches()
        if name not in ("assets", "events"):
            for shard in members:
                if name != "shards" or shard.shard_id not in again:  # the ledger has it
                    yield from ShardObject(self._output, shard).table(name).to_batches()
