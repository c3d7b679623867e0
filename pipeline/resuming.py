"""What is left to do: a listing of the inputs, laid against what the tables hold of each object.

The two are joined in a database file on disk, in bounded memory, whatever the number of objects.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa

from pipeline import sources
from pipeline.fingerprints import Fingerprints, asked_text
from pipeline.planning import Again, Errand
from pipeline.sources import UNKNOWN, Kind
from pipeline.storage import StoredObject
from pipeline.stores import StorageError, patiently
from pipeline.tables import open_table, rows_of, stream

MEMORY = "600MB"
"""Memory of the join; what is more goes to disk."""

BATCH = 50_000
"""Objects of a listing that are handed over at a time."""

LISTED = pa.schema([("asset", pa.string()), ("stamp", pa.string()), ("size", pa.int64())])
"""What a listing shows of an object."""

ERRANDS = pa.schema([
    ("asset", pa.string()), ("stamp", pa.string()), ("size", pa.int64()), ("version", pa.string()),
    ("round", pa.int32()), ("kind", pa.string()), ("asked", pa.string()), ("wanted", pa.string()), ("why", pa.string()),
])
"""What is to be asked, one object a row: `why` is of ASKED; `kind` and `asked` say what the tables have of it, `wanted`
what they should have."""

ASKED = ("new", "changed", "engine", "questions", "tried")
"""Why something is asked of an object: it is new, its content has changed, it was read by another engine, questions are
new or have changed, or it failed and is tried in another way: with other passwords, limits or questions."""

AGAIN = ("tried", "retry")
"""Why an object is asked in the place of an earlier try."""

_STATES = """
create or replace table states as select * from (
select l.asset, l.stamp, l.size, k.version, k.kind, k.asked, coalesce(k.units, 0) as units, k.status,
       coalesce(k.rounds, 0) + 1 as round,
       k.stamp <> l.stamp as restamped, k.missing_since is not null as was_missing,
       {wanted} as wanted,
       case when k.asset is null then 'new'
            when k.stamp <> l.stamp and t.asset is null then 'changed'
            when k.fingerprint <> $engine then 'engine'
            when k.status <> 'ok' and k.tried <> $tried then 'tried'
            when k.asked <> wanted and wanted <> ''
                and not list_has_all(string_split(k.asked, ' '), string_split(wanted, ' '))
                then if(k.status = 'quarantined', 'tried', 'questions')
            when k.judged <> $judged or k.asked <> wanted then 'judged'
            else 'done' end as why
from listed l left join assets k using (asset) left join touched t using (asset) {join}
) where why <> 'done' or status <> 'ok' or restamped or was_missing
"""
"""The listed objects but those of which there is nothing to do and nothing to say: mostly nearly all."""

_LOCKED = "if(k.judged <> $judged or k.locked is null, $later, k.locked)"
"""The questions that wait: all that may, until the answers are judged as the job says now."""


@dataclass(frozen=True)
class Left:
    """What is left to do. `errands` (ERRANDS) have something asked.

    `judge` (columns asset, units) are only judged again. Of `stamps` (columns asset, stamp) a listing says something
    new, null where it is no longer there. `counts` has the number of objects by what is to be done with them.
    """

    errands: pa.Table
    judge: pa.Table
    stamps: pa.Table
    counts: Mapping[str, int]


class Listing:
    """The inputs of a job as they were listed, in a database file of its own; a context manager, which removes it."""

    def __init__(self, found: Iterable[StoredObject], limit: int | None = None, repeats: bool = True) -> None:
        """Read a listing; `repeats` where an object may come twice in it."""
        self._folder = tempfile.TemporaryDirectory(prefix="canvass-")
        self._database = duckdb.connect(str(Path(self._folder.name) / "listing.duckdb"), config={
            "memory_limit": MEMORY, "temp_directory": self._folder.name, "preserve_insertion_order": False})
        self._database.execute("create table listed (asset text, stamp text, size bigint)")
        self._fill("listed", LISTED, _batches(found))
        if repeats:
            self._database.execute("create or replace table listed as select asset, any_value(stamp) as stamp, "
                                   "any_value(size) as size from listed group by asset")
        if limit is not None:
            self._database.execute(f"create or replace table listed as from listed order by asset limit {limit}")
        self._is_whole = limit is None

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._database.close()
        self._folder.cleanup()

    def __len__(self) -> int:
        return self._one("select count(*) from listed")

    def _one(self, query: str) -> int:
        ((value,),) = self._database.execute(query).fetchall()
        return int(value)

    def _table(self, query: str, parameters: Any = None) -> pa.Table:
        return self._database.sql(query, params=parameters).to_arrow_table()

    @patiently
    def _take(self, output: str, name: str, columns: str) -> None:
        """Copy columns of an output table into the database."""
        reader = stream(output, name, columns.split())
        self._database.register("taken", reader.schema.empty_table())
        self._database.execute(f"create or replace table {name} as select * from taken")
        self._fill(name, reader.schema, reader)

    def _fill(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Insert batches of the same columns in the same order. An error of theirs is raised as it is."""
        errors: list[BaseException] = []

        def until_error() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except BaseException as error:  # the database would make its own error of it, of Ctrl-C too
                errors.append(error)

        self._database.register("filling", pa.RecordBatchReader.from_batches(schema, until_error()))
        self._database.execute(f"insert into {name} select * from filling")
        self._database.unregister("filling")
        if errors:
            raise errors[0]

    def unfinished(self, output: str, errands: pa.Table) -> pa.Table:
        """Those errands whose round the tables do not have. Raises StorageError."""
        self._take(output, "assets", "asset rounds")
        self._database.register("errands", errands)
        return self._table("select errands.* from errands anti join assets on errands.asset = assets.asset "
                           "and assets.rounds >= errands.round order by errands.asset").cast(ERRANDS)

    def outcomes(self, output: str) -> dict[str, int]:
        """The number of listed objects by the status that they have in the tables."""
        self._take(output, "assets", "asset status")
        return dict(self._database.execute(
            "select status, count(*) from assets semi join listed using (asset) group by status").fetchall())

    def left(self, output: str, names: Fingerprints, limit: int | None = None, retry: bool = False) -> Left:
        """Lay the listing against the tables; at most `limit` errands. With `retry`, only what failed and may pass now.

        Raises StorageError where the output cannot be read.
        """
        self._take(output, "assets", "asset version stamp bytes fingerprint asked judged tried status rounds kind "
                                     "units missing_since" + (" locked" if names.later else ""))
        self._take(output, "failures", "asset shard_id retryable")
        self._database.execute("create or replace table gone as select asset, missing_since from assets anti join "
                               "listed using (asset)" + ("" if self._is_whole else " limit 0"))
        self._find_the_touched()
        parameters = {"engine": names.engine, "tried": names.tried, "judged": names.judged}
        if names.later:
            self._find_the_wanted(names)
            self._database.execute(_STATES.format(wanted="w.wanted", join="left join wants w on w.asked = k.asked and "
                                                  f"w.is_video = (k.kind = 'video') and w.locked = {_LOCKED}"),
                                   {**parameters, "later": " ".join(sorted(names.later))})
        else:
            self._database.execute(
                _STATES.format(wanted="if(k.kind = 'video', $videos, $documents)", join=""),
                {**parameters, "documents": asked_text(names.documents), "videos": asked_text(names.videos)})
        if retry:
            self._database.execute("update states set why = 'retry' where why in ('done', 'judged') and status <> 'ok' "
                                   "and asset in (select asset from failures where retryable)")
        reasons = ("retry",) if retry else ASKED
        listed = ", ".join(f"'{reason}'" for reason in reasons)
        errands = self._table(
            "select asset, stamp, size, if(why in ('new', 'changed'), stamp, version) as version, round, kind, asked, "
            f"wanted, why from states where why in ({listed}) order by asset" + (f" limit {limit}" if limit else ""))
        judge = self._table("select asset, units from states where why = 'judged' order by asset")
        return Left(errands.cast(ERRANDS), judge, self._stamps(reasons), self._counts())

    def _find_the_wanted(self, names: Fingerprints) -> None:
        """Note what is wanted of objects of which the same was asked, and of which the same questions are locked."""
        found = self._database.execute(
            f"select distinct k.kind = 'video', {_LOCKED}, k.asked from assets k",
            {"judged": names.judged, "later": " ".join(sorted(names.later))}).fetchall()
        wants = [(video, locked, asked, asked_text(names.wanted("video" if video else "", locked.split(),
                                                                asked.split()))) for video, locked, asked in found]
        columns = list(zip(*wants, strict=True)) or [()] * 4
        types = {"is_video": pa.bool_(), "locked": pa.string(), "asked": pa.string(), "wanted": pa.string()}
        self._database.register("wants", pa.table({name: pa.array(column, kind) for (name, kind), column
                                                   in zip(types.items(), columns, strict=True)}))

    def _find_the_touched(self) -> None:
        """Note the local files that have another time and the same content."""
        self._database.execute("create or replace table touched (asset text)")
        moved = self._database.cursor().execute(
            "select asset, version from listed join assets using (asset) where listed.stamp <> assets.stamp "
            "and listed.size = assets.bytes and asset not like '%://%'")
        with ThreadPoolExecutor() as readers:
            while rows := moved.fetchmany(BATCH):
                same = [asset for (asset, version), now in zip(rows, readers.map(_version, rows), strict=True)
                        if now == version]
                self._database.register("same", pa.table({"asset": pa.array(same, pa.string())}))
                self._database.execute("insert into touched select asset from same")

    def _stamps(self, asked: Sequence[str]) -> pa.Table:
        """What the listing shows of objects whose content is as it was, and which of the others are gone."""
        passed = ", ".join(f"'{reason}'" for reason in {"new", "changed", *asked})
        return self._table(f"select asset, stamp from states where (restamped or was_missing) and why not in ({passed})"
                           " union all select asset, null from gone where missing_since is null order by asset")

    def _counts(self) -> dict[str, int]:
        counts = dict(self._database.execute("select why, count(*) from states group by why").fetchall())
        counts["done"] = counts.get("done", 0) + len(self) - self._one("select count(*) from states")
        counts["missing"] = self._one("select count(*) from gone")
        counts["may_pass"] = self._one("select count(*) from states where status <> 'ok' and asset in "
                                       "(select asset from failures where retryable)")
        return counts


def _batches(found: Iterable[StoredObject]) -> Iterator[pa.RecordBatch]:
    rest = iter(found)
    while some := list(itertools.islice(rest, BATCH)):
        yield pa.record_batch([[item.uri for item in some], [item.version for item in some],
                               [item.size for item in some]], schema=LISTED)


def _version(row: tuple[str, str]) -> str | None:
    try:
        return sources.local_version(row[0])
    except StorageError:
        return None


def earlier_tries(output: str, why: Mapping[str, str]) -> dict[str, Again]:
    """The earlier tries of assets that are tried again, for the reason given with each. Raises StorageError."""
    tables = {name: open_table(output, name) for name in ("assets", "shards", "failures")}

    def rows(name: str, *columns: str) -> Iterator[dict[str, Any]]:
        table = tables[name]
        assert table is not None
        for batch in rows_of(output, name, table, why, columns):
            yield from batch.to_pylist()

    live = {row["asset"]: set(row["shards"]) for row in rows("assets", "asset", "shards")}
    failed = {(row["asset"], row["shard_id"]) for row in rows("failures", "asset", "shard_id", "retryable")
              if row["retryable"] or why[row["asset"]] != "retry"}
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows("shards", "asset", "shard_id", "asked", "plan", "part", "attempt", "units", "units_failed"):
        if row["shard_id"] in live[row["asset"]]:
            parts[row["asset"]].append({**row, "failed": (row["asset"], row["shard_id"]) in failed})
    return {asset: _again(sorted(found, key=lambda row: (row["part"], row["attempt"])))
            for asset, found in parts.items()}


def _again(rows: list[dict[str, Any]]) -> Again:
    """What of an asset is tried again, from its shards: the parts that failed, of one asking; of several, all."""
    asked = sorted({row["asked"] for row in rows if row["failed"]} or {row["asked"] for row in rows})
    own = [row for row in rows if row["asked"] in asked]
    items = frozenset(item for text in asked for item in text.split())
    shards, attempt = tuple(row["shard_id"] for row in own), max(row["attempt"] for row in own)
    if len(asked) > 1 or len({row["plan"] for row in own}) > 1:
        return Again(items, "", {}, shards, attempt)
    failed = [row for row in own if row["failed"]]
    return Again(items, own[0]["plan"], {row["part"]: row["shard_id"] for row in failed}, shards, attempt,
                 own[0]["units"], sum(row["units_failed"] for row in failed))


def pairs(table: pa.Table) -> Iterator[tuple[str, Any]]:
    """The rows of a table of two columns, the first an asset."""
    for batch in table.to_batches():
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


@patiently
def errands_of(rows: pa.Table, output: str) -> list[Errand]:
    """The errands of some rows of ERRANDS. Raises StorageError."""
    listed = rows.to_pylist()
    again = {row["asset"]: row["why"] for row in listed if row["why"] in AGAIN}
    earlier = earlier_tries(output, again) if again else {}
    return [_errand(row, earlier.get(row["asset"])) for row in listed]


def _errand(row: Mapping[str, Any], again: Again | None) -> Errand:
    kind = Kind(row["kind"], None) if row["kind"] else UNKNOWN
    items = None
    if row["why"] in ("questions", *AGAIN) and kind != UNKNOWN:
        asked = frozenset(row["asked"].split())
        items = again.items if again else frozenset()
        if row["why"] != "retry":
            items |= frozenset(row["wanted"].split()) - asked
    return Errand(StoredObject(row["asset"], row["version"], row["size"]), row["stamp"], kind, row["round"], items,
                  again)
