"""Draws the units of a chunk in helper processes, and says which could not be drawn."""

from __future__ import annotations

import itertools
import math
import queue
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_actors.budgets import IMAGE_MARKS, image_size, image_tokens
from model_actors.engine import Limits, Pixels, View
from pipeline import storage, stores
from pipeline.helper import Helper, Outcome
from pipeline.legibility import choose_budget
from pipeline.planning import Chunk, Part
from pipeline.scenes import NEW_FRAME, joined, moved
from pipeline.units import TICK, Cut, FrameTimes, PageText, Stretch, UnreadableError
from schemas.job import Job

SHARE_OF_LIMIT = 0.5
"""Share of the limit of time after which a call that samples a video ends early, to go on in another."""

MOST_TOGETHER = 32
"""Pages at most that are drawn together."""


class Helpers:
    """A fixed number of helper processes, lent to one caller at a time."""

    def __init__(self, count: int, seconds: int, memory_mb: int) -> None:
        self._all = [Helper(seconds, memory_mb) for _ in range(count)]
        self._idle: queue.SimpleQueue[Helper] = queue.SimpleQueue()
        for helper in self._all:
            self._idle.put(helper)

    def call(self, function: str, *args: Any) -> tuple[Any, list[Pixels]]:
        """Run a function in the next idle helper; waits for one. Raises UnreadableError."""
        helper = self._idle.get()
        try:
            return helper.call(function, *args)
        finally:
            self._idle.put(helper)

    def call_some(self, function: str, calls: Sequence[tuple[Any, ...]]) -> list[Outcome]:
        """The outcomes of the first of these calls and of some after it (see Helper.call_some); waits for a helper."""
        helper = self._idle.get()
        try:
            return helper.call_some(function, calls)
        finally:
            self._idle.put(helper)

    def close(self) -> None:
        """End all helper processes."""
        for helper in self._all:
            helper.close()


@contextmanager
def local_copy(part: Part) -> Iterator[str]:
    """A path at which helpers can open the asset: its own, a temporary copy, or for a remote video its URI.

    Raises UnreadableError where the object cannot be fetched.
    """
    uri = part.asset.uri
    if stores.is_local(uri) or part.kind.name == "video":
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="canvass-") as folder:
        path = Path(folder) / "object"
        try:
            storage.download(uri, path)
        except stores.StorageError as error:
            raise UnreadableError(error.category, str(error)) from None
        yield str(path)


@dataclass(frozen=True)
class FailedUnit:
    """A page that could not be drawn, or samples of a video that showed nothing; `units` of them were not seen."""

    error: UnreadableError
    page: int | None = None
    time_s: float | None = None
    units: int = 1


@dataclass(frozen=True)
class Rendered:
    """The views of a chunk at one budget, its failed units, and the rungs that rendering climbed.

    Of a video also how frames were found, what was seen over time, between which samples there are cuts, and how many
    samples were looked at: fewer than were planned where the window ends because another scene begins.
    """

    views: tuple[View, ...]
    failed: tuple[FailedUnit, ...]
    budget: int
    rungs: tuple[str, ...] = ()
    decoding: str | None = None
    stretches: tuple[Stretch, ...] = ()
    cuts: tuple[Cut, ...] = ()
    samples: int = 0


def render(chunks: Sequence[Chunk], part: Part, path: str, job: Job, limits: Limits, helpers: Helpers) \
        -> list[Rendered]:
    """Draw every unit of the first chunk straight at its size, and the next chunks of one page that come along cheaply.

    Never raises for a unit that fails.
    """
    first = chunks[0]
    if first.frames:
        return [_with_exact_cuts(_frames(first, part, path, job, helpers, may_end=first.most is None), path, job,
                                 helpers)]
    if len(first.pages) > 1:
        pages: list[_Page] = []
        while len(pages) < len(first.pages):
            left = list(zip(first.pages, first.sizes, strict=True))[len(pages) :]
            pages += _draw(left, part, path, job, helpers)
        return [_rendered(pages, first.budget)]
    alike = list(itertools.takewhile(lambda chunk: len(chunk.pages) == 1, chunks[:MOST_TOGETHER]))
    drawn = _draw([(chunk.pages[0], chunk.sizes[0]) for chunk in alike], part, path, job, helpers)
    return [_enlarged(page, chunk, part, path, job, limits, helpers) for page, chunk in zip(drawn, alike, strict=False)]


@dataclass(frozen=True)
class _Page:
    """A page that was drawn, or failed."""

    number: int
    outcome: Outcome


def _draw(pages: Sequence[tuple[int, tuple[int, int] | int]], part: Part, path: str, job: Job, helpers: Helpers) \
        -> list[_Page]:
    """The first of these pages (number, size), and as many after it as come along cheaply."""
    if part.kind.name == "image":
        outcomes = helpers.call_some("pipeline.images:render", [(path, number, size) for number, size in pages])
    else:
        passwords = [part.password] if part.password else []
        outcomes = helpers.call_some("pipeline.pages:render", [
            (path, passwords, number, size, job.page_text == "layer") for number, size in pages])
    return [_Page(number, outcome) for (number, _), outcome in zip(pages, outcomes, strict=False)]


def redraw(chunk: Chunk, budget: int, part: Part, path: str, job: Job, limits: Limits, helpers: Helpers) \
        -> Rendered | None:
    """Every page or frame of a chunk at a larger budget; None where the request would not fit its context."""
    sizes = chunk.sizes * chunk.images if chunk.frames else chunk.sizes
    tokens = chunk.tokens + sum(budget + IMAGE_MARKS - image_tokens(size) for size in sizes)
    if tokens > min(job.context, limits.context):
        return None
    if chunk.frames:
        larger = replace(chunk, budget=budget, sizes=(image_size(*(part.shape or chunk.sizes[0]), budget),))
        return _frames(larger, part, path, job, helpers, may_end=False)
    pages: list[_Page] = []
    while len(pages) < len(chunk.pages):
        pages += _draw([(number, budget) for number in chunk.pages[len(pages) :]], part, path, job, helpers)
    return _rendered(pages, budget)


def _rendered(pages: Iterable[_Page], budget: int, rungs: tuple[str, ...] = ()) -> Rendered:
    views, failed = [], []
    for page in pages:
        if isinstance(page.outcome, UnreadableError):
            failed.append(FailedUnit(page.outcome, page=page.number))
            continue
        (text, flaw), pixels = page.outcome
        if flaw:
            failed.append(FailedUnit(UnreadableError("damaged", f"not all of the page could be drawn ({flaw}); open it "
                                                     "in a viewer and save it again"), page=page.number, units=0))
        trusted = text is not None and text.distrust is None
        note = text.distrust if text is not None and len(text.words) else None
        views.append(View(pixels[0], page=page.number, words=text.words if trusted else None, note=note))
    return Rendered(tuple(views), tuple(failed), budget, rungs)


def _enlarged(page: _Page, chunk: Chunk, part: Part, path: str, job: Job, limits: Limits, helpers: Helpers) -> Rendered:
    """A chunk of one page; drawn again where its own words turn out too small for the plan's budget."""
    if not isinstance(page.outcome, UnreadableError):
        (text, _), _ = page.outcome
        better = None if text is None else _legible(chunk, text, job, limits)
        if better:
            size = image_size(text.shape.width, text.shape.height, better)
            [enlarged] = _draw([(page.number, size)], part, path, job, helpers)
            if not isinstance(enlarged.outcome, UnreadableError):
                return _rendered([enlarged], better, ("legibility",))
    return _rendered([page], chunk.budget)


def _legible(chunk: Chunk, text: PageText, job: Job, limits: Limits) -> int | None:
    """A larger budget for a page whose own words are smaller than the plan knew, where it fits the context."""
    needed = choose_budget(text.shape, limits.budgets, limits.pixels_per_em)
    if text.distrust is not None or text.shape.em is None or needed <= chunk.budget:
        return None
    size = image_size(text.shape.width, text.shape.height, needed)
    tokens = chunk.tokens + image_tokens(size) - image_tokens(chunk.sizes[0])
    return needed if tokens <= min(job.context, limits.context) else None


def _frames(chunk: Chunk, part: Part, path: str, job: Job, helpers: Helpers, may_end: bool) -> Rendered:
    """The frames of a window, which `may_end` where another scene begins, drawn in several calls where one would come
    near its limit of time.

    Where only so many are kept all are looked at first, and those that differ most are drawn then.
    """
    seconds = job.limits.seconds * SHARE_OF_LIMIT
    ends_at = part.duration or math.inf
    kept: list[_Kept] = []
    unseen: list[float] = []
    failed: list[FailedUnit] = []
    stretches: list[Stretch] = []
    cuts: list[Cut] = []
    ways: list[str] = []
    samples = chunk.frames
    done = damaged = decoded = 0
    while done < samples:
        first, left = chunk.first_s + done * chunk.step_s, samples - done
        try:
            times, images = helpers.call(
                "pipeline.frames:grab", path, first, chunk.step_s, left, chunk.sizes[0] if chunk.most is None else None,
                seconds, chunk.lead > 0 and done == 0, may_end, done > 0)
        except UnreadableError as caught:
            failed.append(FailedUnit(caught, time_s=first, units=left))
            break
        assert isinstance(times, FrameTimes)
        for each in map(_Kept, times.kept, times.shown_until, times.differences, images or itertools.repeat(None)):
            if kept and each.difference <= NEW_FRAME and each.time <= kept[-1].until + TICK:  # of a call that goes on
                kept[-1].until = each.until
            else:
                kept.append(each)
        stretches += (replace(stretch, end_s=min(stretch.end_s, ends_at)) for stretch in times.stretches)
        cuts += times.cuts
        unseen += times.unseen
        damaged += times.damaged
        decoded += times.decoded
        ways += [times.how] if times.how not in ways else []
        done += times.asked
        samples = done if times.ends else samples
    if chunk.most is not None:
        leading = sum(each.time < chunk.first_s - TICK for each in kept)
        kept = _most_telling(kept, chunk.most + leading)
        try:
            _draw_kept(kept, path, chunk.sizes[0], seconds, helpers)
        except UnreadableError as caught:
            failed.append(FailedUnit(caught, time_s=chunk.first_s, units=done - len(unseen)))
            kept = []
    if unseen:
        packets = f" ({damaged} damaged packets)" if damaged else ""
        error = UnreadableError("damaged", f"shows nothing {_spans(unseen, chunk.step_s)}{packets}: the file is cut "
                                           "off or damaged; upload it again")
        failed.append(FailedUnit(error, time_s=unseen[0], units=len(unseen)))
    views = [View(each.image, time_s=each.time, until_s=min(each.until, ends_at),
                  leads=each.time < chunk.first_s - TICK) for each in kept if each.image is not None]
    if all(view.leads for view in views):  # nothing of the window's own was seen
        views = []
    decoding = f"{', '.join(ways)}; {decoded} frames decoded" if ways else None
    return Rendered(tuple(views), tuple(failed), chunk.budget, decoding=decoding, stretches=tuple(stretches),
                    cuts=tuple(cuts), samples=samples)


def _spans(times: Sequence[float], step: float) -> str:
    """Sampled times as stretches: `from 25 s to 30 s and from 40 s to 41 s`."""
    spans: list[list[float]] = []
    for time in times:
        if spans and time < spans[-1][1] + step / 2:
            spans[-1][1] = time + step
        else:
            spans.append([time, time + step])
    return " and ".join(f"from {first:.6g} s to {end:.6g} s" for first, end in spans)


def _with_exact_cuts(rendered: Rendered, path: str, job: Job, helpers: Helpers) -> Rendered:
    """A window whose scenes begin with their first frames, where those can be found."""
    if not rendered.cuts:
        return replace(rendered, stretches=tuple(joined(rendered.stretches)))
    try:
        (exact, decoded), _ = helpers.call("pipeline.cuts:locate", path, rendered.cuts,
                                           job.limits.seconds * SHARE_OF_LIMIT)
    except UnreadableError:  # the frames were seen: only where they change is not known better
        exact, decoded = (), 0
    stretches = moved(rendered.stretches, {cut.after_s: time for cut, time in zip(rendered.cuts, exact, strict=False)})
    also = f", {decoded} more for the cuts" if decoded else ""
    return replace(rendered, stretches=tuple(joined(stretches)), decoding=f"{rendered.decoding}{also}")


@dataclass
class _Kept:
    """A frame that looks other than the one before: when it is shown, until when it stands for what is, by how much it
    differs, and its picture once it is drawn.
    """

    time: float
    until: float
    difference: float
    image: Pixels | None = None


def _most_telling(frames: Sequence[_Kept], most: int) -> list[_Kept]:
    """Those that differ most and stay longest, in order; each stands for those after it that are left out.

    Something that moves looks other in every sample, a caption or a slide stays.
    """
    chosen = set(sorted(range(len(frames)), key=lambda place: -frames[place].difference * (
        frames[place].until - frames[place].time))[:most])
    kept: list[_Kept] = []
    for place, frame in enumerate(frames):
        if place in chosen:
            kept.append(frame)
        elif frame.time <= kept[-1].until + TICK:
            kept[-1].until = frame.until
    return kept


def _draw_kept(kept: Sequence[_Kept], path: str, size: tuple[int, int], seconds: float, helpers: Helpers) -> None:
    """Draw frames that were looked at. Raises UnreadableError."""
    done = 0
    while done < len(kept):
        shown, images = helpers.call("pipeline.frames:draw", path, [each.time for each in kept[done:]], size, seconds)
        drawn = iter(images)
        for each, is_shown in zip(kept[done:], shown, strict=False):
            each.image = next(drawn) if is_shown else None
        done += len(shown)
