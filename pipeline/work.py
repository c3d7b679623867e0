"""The work of one shard: render, ask, settle, publish. A function of the shard, testable without Ray."""

from __future__ import annotations

import asyncio
import datetime
import functools
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from model_actors import ocr
from model_actors.engine import Engine
from pipeline import trust
from pipeline.asking import Rows, Setting, add_failed_units, add_failure, ask, common_columns
from pipeline.evidence import keep_thumbnail
from pipeline.planning import Chunk, Part, Shard, end_window
from pipeline.publishing import PART_COLUMNS, Published, publish, published_parts
from pipeline.rendering import Helpers, Rendered, local_copy, redraw, render
from pipeline.units import TICK, UnreadableError
from schemas.job import Job

BATCHES_AHEAD = 2
"""Batches of chunks that one actor has drawn and not yet answered."""

PARTS_AT_ONCE = 2
"""Small assets of one shard that are worked on at a time."""


TAKEN = ("engine", "input_tokens", "output_tokens", "render_seconds", "ask_seconds", "rungs")
"""Columns of `requests` that a receipt has."""


@dataclass(frozen=True)
class Receipt:
    """What the driver hears of a shard: never its rows. With an `error` nothing of it was published.

    `failed` of its `parts` hold a failure. A `fatal` error is the engine's or the output's: no shard can be
    worked on. What each request `took` and why things went `wrong`, by phase and category, is for whoever measures the
    worker.
    """

    shard_id: str
    units: int
    failures: int
    parts: list[dict[str, Any]]
    error: str | None = None
    fatal: bool = False
    failed: int = 0
    took: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """What one actor brings to every shard.

    `ahead` bounds the batches that are drawn and not yet answered. `drawing` lets one part be drawn at a time: two
    documents in turns push each other's glyphs out of the reader's caches.
    """

    engine: Engine
    helpers: Helpers
    ahead: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCHES_AHEAD))
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)


async def work(shard: Shard, setting: Setting, bench: Bench) -> Receipt:
    """Do one shard and publish its rows. Raises EngineError, and StorageError where the output cannot be written.

    A shard that is published already is not asked again. Whatever is wrong with an asset, a unit or a request becomes a
    row of `failures`.
    """
    published = Published(setting.names.engine, shard.id)
    found = await asyncio.to_thread(published_parts, setting.job.output, published)
    if found is not None:
        return Receipt(shard.id, 0, 0, found)
    rows = Rows()
    at_once = asyncio.Semaphore(PARTS_AT_ONCE)

    async def one(part: Part) -> None:
        async with at_once:
            await _part(part, shard.id, setting, bench, rows)

    await asyncio.gather(*(one(part) for part in shard.parts))
    await asyncio.to_thread(publish, setting.job.output, published, rows.tables)
    return receipt(shard, rows)


def receipt(shard: Shard, rows: Rows) -> Receipt:
    """The receipt of a shard whose rows are published."""
    parts = [{name: row[name] for name in PART_COLUMNS} for row in rows.tables["shards"]]
    units = sum(len(chunk.pages) + chunk.frames for part in shard.parts for chunk in part.chunks)
    failed = {row["asset"] for row in rows.tables["failures"]}
    took = [{name: row[name] for name in TAKEN} for row in rows.tables["requests"]]
    wrong = [{name: row[name] for name in ("phase", "category")} for row in rows.tables["failures"]]
    return Receipt(shard.id, units, len(rows.tables["failures"]), parts, failed=len(failed), took=took, wrong=wrong)


async def _part(part: Part, shard_id: str, setting: Setting, bench: Bench, rows: Rows) -> None:
    common = common_columns(part, setting, shard_id)
    lost, stretches = part.lost, list[dict[str, Any]]()
    if part.failure is not None:
        add_failure(rows, common, "probe", part.failure)
    else:
        try:
            with ExitStack() as stack:
                path = await asyncio.to_thread(stack.enter_context, local_copy(part))
                lost = await _chunks(part, path, setting, bench, common, rows, stretches)
        except UnreadableError as error:
            add_failure(rows, common, "render", error)
            lost = len({page for chunk in part.chunks for page in chunk.pages}) + sum(
                chunk.frames for chunk in part.chunks)
    add_ledger_row(part, lost, setting, common, rows, stretches)


def add_ledger_row(part: Part, lost: int, setting: Setting, common: dict[str, Any], rows: Rows,
                   stretches: Sequence[dict[str, Any]] = ()) -> None:
    """The row by which the fold knows that a part is done, and what its asset is and shows."""
    rows.add("shards", common, part=part.part, parts=part.parts, kind=part.kind.name, media_type=part.kind.media_type,
             bytes=part.asset.size, units=part.units, units_failed=lost, duration_s=part.duration,
             repaired=part.repaired, published_at=datetime.datetime.now(datetime.UTC), asked=part.asked,
             tried=setting.names.tried, stamp=part.stamp, plan=part.plan, round=part.round, attempt=part.attempt,
             replaces=part.replaces, stretches=list(stretches))


async def _chunks(part: Part, path: str, setting: Setting, bench: Bench, common: dict[str, Any], rows: Rows,
                  stretches: list[dict[str, Any]]) -> int:
    """Draw and ask all chunks of a part; the number of distinct units that could not be seen.

    Of a video, `stretches` gets what it shows over time.
    """
    lost: dict[tuple[int | None, float | None], int] = {}
    waiting = list(part.chunks)
    asking: list[asyncio.Task[None]] = []
    refuted: str | None = None

    async def larger(chunk: Chunk, why: str | None, budget: int) -> Rendered | None:
        drawn = await asyncio.to_thread(redraw, chunk, budget, part, path, setting.job, bench.engine.limits(),
                                        bench.helpers)
        return _without_layer(drawn, why) if drawn is not None and why else drawn

    async def ask_about(drawn: list[tuple[Chunk, Rendered]], why: str | None, seconds: float) -> None:
        try:
            for chunk, rendered in drawn:
                if rendered.stretches:
                    stretches.extend(await asyncio.to_thread(_pictured, chunk, rendered, part, setting.job.output))
            await asyncio.gather(*(
                ask(chunk, rendered, seconds, functools.partial(larger, chunk, why), bench.engine, setting, common,
                    rows) for chunk, rendered in drawn if rendered.views))
        finally:
            bench.ahead.release()

    async with bench.drawing:
        while waiting:
            await bench.ahead.acquire()
            started = time.monotonic()
            try:
                drawn = await asyncio.to_thread(render, waiting, part, path, setting.job, bench.engine.limits(),
                                                bench.helpers)
            except BaseException:
                bench.ahead.release()
                raise
            if refuted is None:
                refuted = await asyncio.to_thread(_refuted, drawn, setting.job)
            if refuted:
                drawn = [_without_layer(rendered, refuted) for rendered in drawn]
            new = [unit for rendered in drawn for unit in rendered.failed if (unit.page, unit.time_s) not in lost]
            add_failed_units(rows, common, new)
            lost.update({(unit.page, unit.time_s): unit.units for unit in new})
            seconds = (time.monotonic() - started) / len(drawn)
            if drawn[0].samples < waiting[0].frames:
                waiting = end_window(waiting, drawn[0].samples)
            asking.append(asyncio.create_task(ask_about(list(zip(waiting, drawn, strict=False)), refuted, seconds)))
            del waiting[: len(drawn)]
            del drawn  # or it would be held while the next one is drawn
    await asyncio.gather(*asking)
    return sum(lost.values())


def _refuted(drawn: Sequence[Rendered], job: Job) -> str | None:
    """Why the text layer of a part should not be believed, empty where it may be; None where no page told yet.

    The first page with enough words stands for all: a layer is mostly made by one program.
    """
    if job.grounding != "ocr":
        return ""
    reader = ocr.shared()
    for view in (view for rendered in drawn for view in rendered.views):
        with suppress(Exception):  # what the OCR library makes of a strange picture tells nothing
            told = None if view.words is None else trust.refuted(view.words, view.pixels, reader.read)
            if told is not None:
                return told
    return None


def _without_layer(rendered: Rendered, why: str) -> Rendered:
    return replace(rendered, views=tuple(view if view.words is None else replace(view, words=None, note=why)
                                         for view in rendered.views))


def _pictured(chunk: Chunk, rendered: Rendered, part: Part, output: str) -> list[dict[str, Any]]:
    """The stretches of a window as the ledger has them, scenes that begin in it, or with a cut after the sample before
    it, with a picture of their first sample.
    """
    asset, since = part.asset, chunk.first_s - chunk.step_s
    return [asdict(replace(each, picture=keep_thumbnail(output, asset.uri, asset.version, rendered.views, each.start_s,
                                                        min(each.end_s, each.start_s + chunk.step_s))
                           if each.kind == "scene" and each.start_s > since + TICK else None))
            for each in rendered.stretches]


def lost_shard(shard: Shard, setting: Setting, error: UnreadableError) -> Receipt:
    """Publish a shard that nobody could work on: each of its parts fails with the same error. Raises StorageError."""
    rows = Rows()
    for part in shard.parts:
        common = common_columns(part, setting, shard.id)
        add_failure(rows, common, "ask", part.failure or error)
        add_ledger_row(part, part.units, setting, common, rows)
    publish(setting.job.output, Published(setting.names.engine, shard.id), rows.tables)
    return receipt(shard, rows)
