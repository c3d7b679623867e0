"""Folds published shards into the output tables: Delta Lake, one atomic commit a table and fold.

A fold is named and its members are listed before the first table is touched, and each table's own transaction log
records the number of the last fold, so that replaying one is harmless. `assets` and then `shards` are committed
last: an asset that is listed is complete, and a shard in the ledger is never folded again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction

from pipeline import storage
from pipeline.fingerprints import Fingerprints, judging_fingerprint
from pipeline.merging import merge_asset
from pipeline.publishing import PART_COLUMNS, Published, ShardObject, list_published
from pipeline.row_groups import RowGroupWriter
from pipeline.storage import StoredObject
from schemas.checklist import Question
from schemas.records import SCHEMA_VERSION, TABLES, rows_to_table

FOLDS = "_folds"
MARKER = "_canvass.json"
TRANSACTION = "canvass-fold"
ORDER = ("transcripts", "answers", "events", "failures", "requests", "assets", "shards")
MAX_FOLD = 256
"""Shards in one fold at most."""

DONE_BY = ("version", "fingerprint", "asked", "judged", "status", "tried")
"""Columns of `assets` that tell whether an asset is done: its content, the engine, all that is asked, how it is judged,
and where it is not ok, the passwords and limits it was tried with.
"""

AssetKey = tuple[str, ...]


def open_table(output: str, name: str) -> DeltaTable | None:
    """An output table, or None where nothing was folded yet."""
    uri = _table_uri(output, name)
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
    system, root = file_system(storage.join(output, name))
    paths = [f"{root}/{uri.rpartition('/')[2]}" for uri in table.file_uris()]  # Delta percent-encodes the rest
    return pads.dataset(paths, schema=TABLES[name], filesystem=system, format="parquet")


def file_system(uri: str) -> tuple[pafs.FileSystem, str]:
    """Arrow's own file system for an output, and the path of a URI in it."""
    if storage.is_local(uri):
        return pafs.LocalFileSystem(), uri
    scheme, bucket, key = storage.split(uri)
    system, root = pafs.FileSystem.from_uri(f"{scheme}://{bucket}")
    return system, f"{root}/{key}"


def _table_uri(output: str, name: str) -> str:
    uri = storage.join(output, name)
    if storage.is_local(uri):
        return uri
    scheme, bucket, key = storage.split(uri)
    return f"{scheme}://{bucket}/{quote(key)}"


def _claim(output: str) -> None:
    """Mark a folder as an output of this schema version: proof that the store takes conditional writes."""
    marker = storage.join(output, MARKER)
    storage.put_if_absent(marker, json.dumps({"schema_version": SCHEMA_VERSION}).encode())
    written = json.loads(storage.read(marker))["schema_version"]
    if written != SCHEMA_VERSION:
        raise storage.StorageError("conflict", f"{output} was written by schema version {written}; this Canvass writes "
                                               f"{SCHEMA_VERSION}: choose another output")


def _create(output: str, name: str) -> DeltaTable:
    uri = _table_uri(output, name)
    return DeltaTable.create(uri, TABLES[name], mode="ignore", name=name, storage_options=storage.delta_options(uri),
                             description=f"Canvass {name}, schema version {SCHEMA_VERSION}")


def read_columns(output: str, name: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of an output table; empty where it does not exist yet."""
    return dataset(output, name).to_table(columns=list(columns))


def is_done(row: Mapping[str, Any], version: str, names: Fingerprints) -> bool:
    """Whether a row of `assets` (the columns DONE_BY) is of this content and all that a job asks of it."""
    same = (row["version"], row["fingerprint"], row["asked"], row["judged"]) == (
        version, names.engine, names.asked, names.judged)
    return same and (row["status"] == "ok" or row["tried"] == names.tried)


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
        self._ready: dict[str, tuple[list[Published], set[AssetKey]]] = {}

    def is_done(self, asset: StoredObject, names: Fingerprints) -> bool:
        """Whether an object of this content is folded with the answers to all that is asked, judged as it is now."""
        return self._assets.get(asset.uri) is not None and is_done(
            dict(zip(DONE_BY, self._assets[asset.uri], strict=True)), asset.version, names)

    def add_published(self) -> None:
        """Take up every published shard that the ledger does not have."""
        for shard in list_published(self._output):
            if shard.shard_id not in self._folded:
                rows = ShardObject(self._output, shard).table("shards").select(list(PART_COLUMNS))
                self.add(shard, rows.to_pylist())

    def add(self, shard: Published, parts: Sequence[Mapping[str, Any]]) -> None:
        """Take up one published shard. An asset becomes ready with its last part.

        A shard that was folded before is folded again, when its answers are judged in another way.
        """
        for part in parts:
            key = part_key(part)
            pending = self._pending.setdefault(key, _Pending(part["parts"]))
            pending.shards[part["part"]] = shard
            if len(pending.shards) == pending.parts:
                del self._pending[key]
                group = [item for _, item in sorted(pending.shards.items())]
                self._ready.setdefault(group[0].shard_id, (group, set()))[1].add(key[:1])

    @property
    def waiting(self) -> frozenset[str]:
        """Published shards of assets that still lack a part."""
        return frozenset(shard.shard_id for pending in self._pending.values() for shard in pending.shards.values())

    def fold(self) -> int:
        """Commit every ready asset to the tables; the number of assets. Raises StorageError."""
        count = 0
        while self._ready:
            members = self._next_members()
            record = {"judged": self._judged, "members": [[shard.fingerprint, shard.shard_id] for shard in members],
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
        taken: set[AssetKey] = set()
        for group, assets in self._ready.values():
            if len(members) >= MAX_FOLD or assets & taken:
                break  # an asset that is there twice waits for the next fold, in which the later one replaces it
            members += group
            taken |= assets
        return members

    def _record_uri(self, number: int) -> str:
        return storage.join(self._output, FOLDS, f"{number:012}.json")

    def _last_fold(self) -> int:
        numbers = [int(item.uri.rsplit("/", 1)[1].removesuffix(".json"))
                   for item in storage.list_prefix(storage.join(self._output, FOLDS) + "/")
                   if item.uri.endswith(".json")]
        return max(numbers, default=0)

    def _apply(self, number: int) -> int:
        """Bring every table to fold `number`; tables that have it are left alone. Returns the number of assets.

        Each shard is read once: its rows go into one new file a table, which the table's commit then adds.
        """
        tables = {name: _create(self._output, name) for name in ORDER}
        behind = [name for name in ORDER if (tables[name].transaction_version(TRANSACTION) or 0) < number]
        if not behind:
            return 0
        record = json.loads(storage.read(self._record_uri(number)))
        again = set(record["again"])
        merger = _Merger(self._checklist, record["judged"])
        staged = {name: _Staged(self._output, name) for name in behind}
        for fingerprint, shard_id in record["members"]:
            rows = ShardObject(self._output, Published(fingerprint, shard_id)).tables()
            for name in rows.keys() & staged.keys():
                if name != "shards" or shard_id not in again:  # the ledger has it
                    staged[name].writer.write(rows[name].to_batches())
            merger.add(rows)
        for name in merger.made.keys() & staged.keys():
            staged[name].writer.write(rows_to_table(name, merger.made[name]).to_batches())
        assets = {row["asset"] for row in merger.made["assets"]}
        replaced = assets & set(read_columns(self._output, "assets", ["asset"])["asset"].to_pylist())
        for name in behind:
            commit = CommitProperties(app_transactions=[Transaction(TRANSACTION, number)],
                                      custom_metadata={"fold": str(number)})
            # the ledger keeps superseded shards, or they would be folded again
            staged[name].commit(tables[name], commit, assets if replaced and name != "shards" else set())
        self._assets.update({row["asset"]: tuple(row[name] for name in DONE_BY) for row in merger.made["assets"]})
        return len(assets)


def part_key(part: Mapping[str, Any]) -> AssetKey:
    """What the parts of one asset have in common: parts of other content, engines or questions never mix."""
    return tuple(str(part[name]) for name in ("asset", "version", "fingerprint", "asked", "parts"))


class _Staged:
    """A new file of a table, written row group by row group: `write_deltalake` would hold all batches at once."""

    def __init__(self, output: str, name: str) -> None:
        self._system, root = file_system(storage.join(output, name))
        self._name, self._path = f"part-{uuid.uuid4()}.parquet", root
        self._sink = self._system.open_output_stream(f"{root}/{self._name}")
        self.writer = RowGroupWriter(self._sink, TABLES[name])
        self._schema = TABLES[name]

    def commit(self, table: DeltaTable, properties: CommitProperties, replaced: set[str]) -> None:
        """Add the file to its table in one commit, in which the old rows of the `replaced` assets give way."""
        self.writer.close()
        self._sink.close()
        path = f"{self._path}/{self._name}"
        if replaced:
            quoted = ", ".join("'" + asset.replace("'", "''") + "'" for asset in sorted(replaced))
            staged = pads.dataset([path], schema=self._schema, filesystem=self._system, format="parquet")
            reader = pa.RecordBatchReader.from_batches(self._schema, staged.to_batches())
            write_deltalake(table, reader, mode="overwrite", predicate=f"asset IN ({quoted})",
                            commit_properties=properties)
        elif self.writer.rows:
            add = AddAction(self._name, self._system.get_file_info(path).size, {}, int(time.time() * 1000), True,
                            json.dumps({"numRecords": self.writer.rows}))
            table.create_write_transaction([add], "append", table.schema(), commit_properties=properties)
            return
        else:
            table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
        self._system.delete_file(path)


class _Merger:
    """Merges each asset of a fold as soon as its last part was read: the rows of one asset at a time are held."""

    def __init__(self, checklist: Sequence[Question], judged: str) -> None:
        self.made: dict[str, list[dict[str, Any]]] = {"assets": [], "answers": [], "events": []}
        self._checklist, self._judged = checklist, judged
        self._held: dict[AssetKey, dict[str, list[dict[str, Any]]]] = {}

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Take up the rows of one shard."""
        rows = {name: tables[name].to_pylist() for name in ("shards", "answers", "failures")}
        for part in rows["shards"]:
            key = part_key(part)
            own = self._held.setdefault(key, {name: [] for name in rows})
            for name, found in own.items():
                found += [row for row in rows[name] if (row["asset"], row["version"]) == key[:2]]
            if len(own["shards"]) == part["parts"]:
                merged = merge_asset(self._checklist, self._judged, own["shards"], own["answers"], own["failures"])
                self.made["assets"].append(merged.asset)
                self.made["answers"] += merged.answers
                self.made["events"] += merged.events
                del self._held[key]
