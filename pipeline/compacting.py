"""Keeps an output small: joins small files, removes what no reader needs any more. Safe beside a run.

Delta's own optimistic concurrency keeps compaction and folds apart: whoever commits second sees the other's commit and
tries again. What is removed is older than the retention, in which every reader must have ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from deltalake import DeltaTable

from pipeline import storage, stores
from pipeline.folding import FOLDS
from pipeline.publishing import list_published
from pipeline.tables import WRITER, distinct, open_table
from schemas.records import TABLES

TARGET_BYTES = 64 << 20
"""Size of a compacted file: a fold that replaces rows writes each file again that holds any of them."""

KEEP_HOURS = 7 * 24
"""Hours for which files are kept that no table needs any more, so that a reader may go on reading them. One hour is the
least beside a run: what it stages is in no table yet.
"""


@dataclass(frozen=True)
class Compacted:
    """What was done: files before and after by table, and the numbers of objects removed."""

    files: dict[str, tuple[int, int]]
    vacuumed: int
    shards: int
    folds: int


def compact(output: str, keep_hours: int = KEEP_HOURS) -> Compacted:
    """Compact every table, and remove what is older than `keep_hours` and needed by none. Raises StorageError."""
    files: dict[str, tuple[int, int]] = {}
    vacuumed = 0
    for name in TABLES:
        before = open_table(output, name)
        table = _optimize(output, name)
        if before is not None and table is not None:
            files[name] = len(before.file_uris()), len(table.file_uris())
            vacuumed += len(stores.patiently(table.vacuum)(
                keep_hours, dry_run=False, enforce_retention_duration=False, full=True))
            stores.patiently(table.create_checkpoint)()
            stores.patiently(table.cleanup_metadata)()
    if "shards" not in files:
        raise stores.StorageError("missing", f"{output} holds no tables: run the job first")
    return Compacted(files, vacuumed, _remove_folded(output), _remove_records(output))


@stores.patiently
def _optimize(output: str, name: str) -> DeltaTable | None:
    """Join the small files of a table; tried again where a fold beside it was faster."""
    table = open_table(output, name)
    if table is not None:
        table.optimize.compact(target_size=TARGET_BYTES, writer_properties=WRITER)
    return table


def _remove_folded(output: str) -> int:
    """Remove published shards that the ledger has: their rows are in the tables, or gave way there."""
    known = distinct(output, "shards", "shard_id")
    removed = 0
    for shard in list_published(output):
        if shard.shard_id in known:
            storage.delete(shard.uri(output))
            removed += 1
    return removed


def _remove_records(output: str) -> int:
    """Remove the records of folds but the last, which may be under way; a fold ends before the next one is named."""
    uris = sorted(item.uri for item in storage.list_prefix(stores.join(output, FOLDS) + "/")
                  if item.uri.endswith(".json"))
    for uri in uris[:-1]:
        storage.delete(uri)
    return max(0, len(uris) - 1)
