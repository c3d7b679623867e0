"""One fold: what becomes of the rows of each asset that it touches, table by table.

What the tables hold of an asset is what is asked of it now. Its rows come from the shards that `assets.shards` lists: a
fold adds those of the asset's next round, and drops those that a retry replaces, that are of another content or engine,
or of which nothing is asked any more. `assets` and then `shards` are committed last: an asset that is listed is
complete, and a shard in the ledger is never folded again.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction

from pipeline.fingerprints import asked_text
from pipeline.merging import judge, merge_asset
from pipeline.publishing import Published, ShardObject
from pipeline.screen_texts import Frame, frame_of, merge_lines
from pipeline.tables import Staged, rows_of
from schemas.checklist import Question, applies
from schemas.records import PUBLISHED, TABLES, rows_to_table

TRANSACTION = "canvass-fold"
ORDER = ("reviews", "transcripts", "answers", "events", "scenes", "screen_texts", "failures", "requests",
         "assets", "shards")
OF_VIDEOS = ("events", "scenes", "screen_texts")
"""Tables of what was made of the windows of a video."""

FRAME = ("asset", "shard_id", "time_s", "until_s", "blocks")
"""Columns of `transcripts` that `screen_texts` is made of."""

Row = dict[str, Any]


class Fold:
    """A fold by its record, which is written before anything else, and says all that the result depends on.

    `members` are shards, and `rounds` says of each of their assets which round that is, of which version and engine,
    and which shards it replaces. Assets in `judge` are made again of the rows that they have, those in `seen` get a new
    stamp, or are marked as missing. `reviews` are added to those of the table. `checklist`, `items` and `questions` are
    what is asked at the time, `judged` and `at` how and when.
    """

    def __init__(self, output: str, record: Mapping[str, Any], tables: Mapping[str, DeltaTable]) -> None:
        self._output, self._record, self._tables = output, record, tables
        self._questions = {each["id"]: Question.model_validate(each) for each in record["checklist"]}
        self._made: dict[str, list[Row]] = {"assets": [], "answers": [], **{name: [] for name in OF_VIDEOS},
                                            "reviews": _reviews(record)}

    def commit(self, number: int, behind: Sequence[str]) -> int:
        """Stage the rows of the tables that are `behind`, then commit them in order. The number of assets.

        Raises CommitFailedError where another writer was faster; nothing is lost then.
        """
        touched = {*self._record["rounds"], *self._record["judge"], *self._record["seen"]}
        before = {row["asset"]: row for row in self._rows("assets", touched)}
        rounds = {asset: each for asset, each in self._record["rounds"].items()
                  if asset not in before or each["round"] > before[asset]["rounds"]}
        made = rounds.keys() | (before.keys() & set(self._record["judge"]))
        kept = self._kept_parts({asset: before[asset] for asset in before.keys() & made}, rounds)
        staged = {name: Staged(self._output, name) for name in behind}
        replaced = {name: self._keep(name, made, kept, staged[name]) for name in behind
                    if name not in ("assets", "shards", "reviews")}
        self._hold_reviews(made)
        self._merge(staged, before, rounds, kept)
        seen = (before.keys() & set(self._record["seen"])) - made
        self._made["assets"] += [self._seen(before[asset], self._record["seen"][asset]) for asset in sorted(seen)]
        for name in self._made.keys() & staged.keys():
            staged[name].write(rows_to_table(name, self._made[name]).to_batches())
        changed = made | seen
        replaced["assets"] = changed if changed & before.keys() else set()
        for name in behind:
            staged[name].close()
            properties = CommitProperties(app_transactions=[Transaction(TRANSACTION, number)],
                                          custom_metadata={"fold": str(number)})
            staged[name].commit(self._tables[name], properties, replaced.get(name, ()))
        return len(rounds)

    def _rows(self, name: str, assets: Collection[str]) -> Iterator[Row]:
        for batch in rows_of(self._output, name, self._tables[name], assets):
            yield from batch.to_pylist()

    def _kept_parts(self, before: Mapping[str, Row], rounds: Mapping[str, Row]) -> dict[str, dict[str, Row]]:
        """Of each asset that the tables have, the parts of the ledger by shard whose rows stay, oldest first."""
        ledger: dict[str, dict[str, Row]] = defaultdict(dict)
        for part in self._rows("shards", before):
            ledger[part["asset"]][part["shard_id"]] = part
        kept: dict[str, dict[str, Row]] = {}
        for asset, row in before.items():
            coming = rounds.get(asset)
            if coming and (coming["version"], coming["fingerprint"]) != (row["version"], row["fingerprint"]):
                kept[asset] = {}
                continue
            stays = {name: ledger[asset][name] for name in row["shards"]
                     if not coming or not self._gives_way(ledger[asset][name], coming)}
            asked = {name: part for name, part in stays.items()
                     if not self._record["items"].keys().isdisjoint(part["asked"].split())}
            kept[asset] = asked if asked or coming else stays
        return kept

    def _gives_way(self, part: Row, coming: Row) -> bool:
        """Whether a part's rows give way to a round: to a retry of it, or to one that asks the same again."""
        if coming["replaces"]:
            return part["shard_id"] in coming["replaces"]
        return not set(part["asked"].split()).isdisjoint(coming["asked"].split())

    def _keep(self, name: str, made: Collection[str], kept: Mapping[str, Mapping[str, Row]],
              staged: Staged) -> set[str]:
        """Stage what stays of the assets that the table has, where anything goes; the assets whose rows give way."""
        if name in ("answers", *OF_VIDEOS):  # their rows are made again
            return set(made) if kept else set()
        keys = pa.array([f"{asset}\0{shard}" for asset, parts in kept.items() for shard, part in parts.items()
                         if name != "transcripts" or self._is_transcribed(part)], pa.string())

        def stays(batch: pa.RecordBatch) -> pa.Array:
            return pc.is_in(pc.binary_join_element_wise(batch["asset"], batch["shard_id"], "\0"), value_set=keys)

        found = rows_of(self._output, name, self._tables[name], kept, ("asset", "shard_id"))
        if all(pc.all(stays(batch), min_count=0).as_py() for batch in found):
            return set()
        for batch in rows_of(self._output, name, self._tables[name], kept):
            staged.write([batch.filter(stays(batch))])
        return set(made)

    def _is_transcribed(self, part: Row) -> bool:
        items = self._record["items"]
        return any(item in items and items[item] is None for item in part["asked"].split())

    def _is_asked(self, row: Row, kind: str) -> bool:
        """Whether the checklist still asks what a row answers, of objects of its kind."""
        question = self._questions.get(row["question"])
        return question is not None and applies(question, kind) and (
            row["question_fingerprint"] in self._record["questions"])

    def _merge(self, staged: Mapping[str, Staged], before: Mapping[str, Row], rounds: Mapping[str, Row],
               kept: Mapping[str, Mapping[str, Row]]) -> None:
        """Write the members' rows to their tables, and make each asset's own as soon as its last part was read."""
        held = {asset: _Held(list(parts.values())) for asset, parts in kept.items()}
        for row in self._rows("failures", kept):
            if row["shard_id"] in kept[row["asset"]]:
                held[row["asset"]].failures.append(row)
        for row in self._rows("answers", kept):
            part = kept[row["asset"]].get(row["shard_id"])
            if part is not None and self._is_asked(row, part["kind"]):
                held[row["asset"]].answers.append(self._judged(row))
        self._made["answers"] += [row for own in held.values() for row in own.answers]
        self._hold_frames(held, {asset for asset in kept if before[asset]["kind"] == "video"}, kept)
        for member in self._record["members"]:
            tables = ShardObject(self._output, Published(*member)).tables()
            parts = tables["shards"].to_pylist()
            wanted = [part for part in parts if part["asset"] in rounds]
            answers, kinds = tables["answers"].to_pylist(), {part["asset"]: part["kind"] for part in wanted}
            judged = [self._judged(row) for row in answers if row["asset"] in rounds
                      and self._is_asked(row, kinds[row["asset"]])]
            if judged != answers:  # the checklist has changed since
                tables["answers"] = rows_to_table("answers", judged)
            for name in set(PUBLISHED) - {"shards"}:
                seen = wanted if name != "transcripts" else [part for part in wanted if self._is_transcribed(part)]
                if len(seen) < len(parts):
                    tables[name] = _only(tables[name], [part["asset"] for part in seen])
            for name in staged.keys() & tables.keys():
                staged[name].write(tables[name].to_batches())
            failures = tables["failures"].to_pylist()
            for part in wanted:
                asset = part["asset"]
                own = held.setdefault(asset, _Held([]))
                own.parts.append(part)
                own.answers += [row for row in judged if row["asset"] == asset]
                own.failures += [row for row in failures if row["asset"] == asset]
                if part["kind"] == "video":
                    own.frames += map(frame_of, _only(tables["transcripts"].select(FRAME), [asset]).to_pylist())
                own.come += 1
                if own.come == part["parts"]:
                    self._make(held.pop(asset), {"stamp": part["stamp"], "missing_since": None,
                                                 "rounds": part["round"]})
        for asset, own in held.items():
            self._make(own, {name: before[asset][name] for name in ("stamp", "missing_since", "rounds")})

    def _hold_frames(self, held: Mapping[str, _Held], videos: Collection[str],
                     kept: Mapping[str, Mapping[str, Row]]) -> None:
        """Take up the transcripts that stay of videos which the tables have."""
        for batch in rows_of(self._output, "transcripts", self._tables["transcripts"], videos, FRAME):
            for row in batch.to_pylist():
                part = kept[row["asset"]].get(row["shard_id"])
                if part is not None and self._is_transcribed(part):
                    held[row["asset"]].frames.append(frame_of(row))

    def _hold_reviews(self, assets: Collection[str]) -> None:
        """Take up what people said of assets, in the order in which they said it."""
        self._reviews: dict[str, list[Row]] = defaultdict(list)
        known = [*self._rows("reviews", assets), *_reviews(self._record)]
        for row in sorted(known, key=lambda row: row["reviewed_at"]):
            if row["question_fingerprint"] in self._record["questions"]:
                self._reviews[row["asset"]].append(row)

    def _judged(self, row: Row) -> Row:
        question = self._questions.get(row["question"])
        return row if question is None else {**row, "verdict": judge(question, row), "severity": question.severity}

    def _make(self, own: _Held, listed: Row) -> None:
        asked = {item for part in own.parts for item in part["asked"].split()} & self._record["items"].keys()
        ids = {self._record["items"][item] for item in asked}
        newest = own.parts[-1]
        reviews = [row for row in self._reviews[newest["asset"]] if row["version"] == newest["version"]]
        merged = merge_asset(list(self._questions.values()), self._record["judged"], own.parts, own.answers,
                             own.failures, ids, reviews)
        self._made["assets"].append({**merged.asset, **listed, "asked": asked_text(asked)})
        self._made["answers"] += merged.answers
        self._made["events"] += merged.events
        self._made["scenes"] += merged.scenes
        common = {name: merged.asset[name] for name in ("asset", "version", "fingerprint", "run_id")}
        self._made["screen_texts"] += [{**common, **row} for row in merge_lines(own.frames)]

    def _seen(self, row: Row, stamp: str | None) -> Row:
        if stamp is not None:
            return {**row, "stamp": stamp, "missing_since": None}
        return {**row, "missing_since": datetime.datetime.fromisoformat(self._record["at"])}


@dataclass
class _Held:
    """The rows of one asset until its last part was read; `come` counts the parts of its present round."""

    parts: list[Row]
    answers: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    come: int = 0


def _reviews(record: Mapping[str, Any]) -> list[Row]:
    """The reviews that a fold's record brings; one that an older Canvass wrote has none."""
    at = datetime.datetime.fromisoformat(record["at"])
    return [{**dict.fromkeys(TABLES["reviews"].names), **row, "reviewed_at": at} for row in record.get("reviews", ())]


def _only(rows: pa.Table, assets: Sequence[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["asset"], value_set=pa.array(assets, pa.string())))
