"""Folds published shards into the output tables, and brings the rows of an asset up to date with what is asked of it.

A fold is named and its members are listed before the first table is touched, and each table's own transaction log
records the number of the last fold, so that replaying one is harmless, and a writer that slept through one is refused
by the log. What a fold does to each table is in `fold.py`.
"""

from __future__ import annotations

import datetime
import itertools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline import storage, stores
from pipeline.fingerprints import Fingerprints
from pipeline.fold import ORDER, TRANSACTION, Fold
from pipeline.publishing import PART_COLUMNS, Published, list_published, published_parts
from pipeline.tables import create_table, distinct
from schemas.checklist import Question

FOLDS = "_folds"
MAX_FOLD = 256
"""Shards in one fold at most."""

MAX_ASSETS, MAX_UNITS = 4096, 4_000
"""Assets in one fold at most that bring no shards, and pages or frames of assets that the tables have already: their
answers are held in memory.
"""

AssetKey = tuple[str, ...]


@dataclass
class _Pending:
    parts: int
    shards: dict[int, Published] = field(default_factory=dict)
    rows: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass
class _Group:
    """Shards of whole assets, and what the fold's record says of each asset's round."""

    shards: list[Published]
    rounds: dict[str, dict[str, Any]] = field(default_factory=dict)


class Folder:
    """Folds the shards of one job's output, during a run and at its end. One writer at a time.

    Construction finishes a fold that was cut short and reads the ledger. Raises StorageError.
    """

    def __init__(self, output: str, checklist: Sequence[Question], names: Fingerprints) -> None:
        self._output, self._checklist, self._names = output, checklist, names
        tables = {name: create_table(output, name) for name in ORDER}
        reached = tables["shards"].transaction_version(TRANSACTION) or 0
        self._number = max(reached, self._last_fold())
        if self._number > reached:
            self._apply(self._number)
        self._folded = distinct(output, "shards", "shard_id")
        self._pending: dict[AssetKey, _Pending] = {}
        self._ready: dict[str, _Group] = {}

    def add_published(self) -> None:
        """Take up every published shard that the ledger does not have."""
        for shard in list_published(self._output):
            if shard.shard_id not in self._folded:
                self.add(shard, published_parts(self._output, shard) or ())

    def add(self, shard: Published, parts: Sequence[Mapping[str, Any]]) -> None:
        """Take up one published shard. An asset becomes ready with its last part."""
        if shard.shard_id in self._folded:
            return
        for part in parts:
            key = part_key(part)
            pending = self._pending.setdefault(key, _Pending(part["parts"]))
            pending.shards[part["part"]] = shard
            pending.rows.append(part)
            if len(pending.shards) == pending.parts:
                del self._pending[key]
                shards = [item for _, item in sorted(pending.shards.items())]
                group = self._ready.setdefault(shards[0].shard_id, _Group(shards))
                group.rounds[part["asset"]] = {
                    **{name: part[name] for name in ("version", "fingerprint", "round", "asked", "units")},
                    "replaces": sorted({name for row in pending.rows for name in row["replaces"]})}

    @property
    def waiting(self) -> frozenset[str]:
        """Published shards of assets that still lack a part."""
        return frozenset(shard.shard_id for pending in self._pending.values() for shard in pending.shards.values())

    def fold(self) -> int:
        """Commit every ready asset to the tables; the number of assets. Raises StorageError."""
        count = 0
        while self._ready:
            groups = self._next_groups()
            members = [shard for group in groups for shard in group.shards]
            count += self._commit({"members": [[shard.fingerprint, shard.shard_id] for shard in members],
                                   "rounds": {asset: each for group in groups for asset, each in group.rounds.items()}})
            for shard in members:
                self._ready.pop(shard.shard_id, None)
                self._folded.add(shard.shard_id)
        return count

    def judge_again(self, assets: Iterable[tuple[str, int]]) -> None:
        """Judge assets, given with the number of their units, again by the rows that they have. Raises StorageError."""
        batch: list[str] = []
        held = 0
        for asset, count in assets:
            if batch and (held + count > MAX_UNITS or len(batch) == MAX_ASSETS):
                self._commit({"judge": batch})
                batch, held = [], 0
            batch.append(asset)
            held += count
        if batch:
            self._commit({"judge": batch})

    def review(self, reviews: Sequence[Mapping[str, Any]]) -> None:
        """Add rows of the table `reviews`, but for their time, and judge their assets again. Raises StorageError."""
        for first in range(0, len(reviews), MAX_ASSETS):
            some = reviews[first:first + MAX_ASSETS]
            self._commit({"judge": sorted({row["asset"] for row in some}), "reviews": some})

    def note_listing(self, stamps: Iterable[tuple[str, str | None]]) -> None:
        """Note the new stamps of assets whose content is as it was, None for what is gone. Raises StorageError."""
        rest = iter(stamps)
        while some := dict(itertools.islice(rest, MAX_ASSETS)):
            self._commit({"seen": some})

    def _commit(self, changes: Mapping[str, Any]) -> int:
        """Name the next fold and apply it; the number of assets that it changed."""
        record = {"by": uuid.uuid4().hex, "members": [], "rounds": {}, "judge": [], "seen": {}, "reviews": [],
                  "judged": self._names.judged,
                  "checklist": [question.model_dump(mode="json", by_alias=True) for question in self._checklist],
                  "questions": sorted(self._names.questions.values()),
                  "items": {**self._names.documents, **self._names.videos},
                  "at": datetime.datetime.now(datetime.UTC).isoformat(), **changes}
        self._number += 1
        uri, written = self._record_uri(self._number), json.dumps(record).encode()
        if not storage.put_if_absent(uri, written) and storage.read(uri) != written:
            raise stores.StorageError("conflict", f"{self._output}: another run is folding; run one at a time")
        return self._apply(self._number)

    def _next_groups(self) -> list[_Group]:
        """Shards of whole assets, the parts of one asset in order, until MAX_FOLD or MAX_UNITS is reached."""
        groups: list[_Group] = []
        taken: set[str] = set()
        shards = units = 0
        for group in self._ready.values():
            if shards >= MAX_FOLD or units >= MAX_UNITS or group.rounds.keys() & taken:
                break  # an asset that is there twice waits for the next fold
            groups.append(group)
            taken |= group.rounds.keys()
            shards += len(group.shards)
            units += sum(each["units"] for each in group.rounds.values() if each["round"] > 1)
        return groups

    def _record_uri(self, number: int) -> str:
        return stores.join(self._output, FOLDS, f"{number:012}.json")

    def _last_fold(self) -> int:
        numbers = [int(item.uri.rsplit("/", 1)[1].removesuffix(".json"))
                   for item in storage.list_prefix(stores.join(self._output, FOLDS) + "/")
                   if item.uri.endswith(".json")]
        return max(numbers, default=0)

    @stores.patiently
    def _apply(self, number: int) -> int:
        """Bring every table to fold `number`; tables that have it are left alone. Returns the number of assets.

        A commit that a compaction was faster than, or of which nobody knows whether it was made, is tried again on what
        is there then.
        """
        tables = {name: create_table(self._output, name) for name in ORDER}
        reached = {name: tables[name].transaction_version(TRANSACTION) or 0 for name in ORDER}
        if reached["shards"] > number:
            raise stores.StorageError("conflict", f"{self._output}: another run has folded; run one at a time")
        behind = [name for name in ORDER if reached[name] < number]
        if not behind:
            return 0
        record = json.loads(storage.read(self._record_uri(number)))
        return Fold(self._output, record, tables).commit(number, behind)


def part_key(part: Mapping[str, Any]) -> AssetKey:
    """What the parts of one asset have in common: those of other content, engines, questions or cuts never mix."""
    return tuple(str(part[name]) for name in PART_COLUMNS if name not in ("part", "units", "replaces"))
