"""Draws the units of a chunk in helper processes, and says which could not be drawn."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_actors.budgets import image_size, image_tokens
from model_actors.engine import Limits, Pixels, View
from pipeline import storage
from pipeline.helper import Helper
from pipeline.legibility import choose_budget
from pipeline.planning import Chunk, Part
from pipeline.units import FrameTimes, PageText, UnreadableError
from schemas.job import Job


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
    if storage.is_local(uri) or part.kind.name == "video":
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="canvass-") as folder:
        path = Path(folder) / "object"
        try:
            storage.download(uri, path)
        except storage.StorageError as error:
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
    """The views of a chunk at one budget, its failed units, and the rungs that rendering climbed."""

    views: tuple[View, ...]
    failed: tuple[FailedUnit, ...]
    budget: int
    rungs: tuple[str, ...] = ()


def render(chunk: Chunk, part: Part, path: str, job: Job, limits: Limits, helpers: Helpers) -> Rendered:
    """Draw every unit of a chunk straight at its size; never raises for a unit that fails."""
    if chunk.frames:
        return _frames(chunk, part, path, helpers)
    views, failed = [], []
    budget = chunk.budget
    rungs: tuple[str, ...] = ()
    for number, size in zip(chunk.pages, chunk.sizes, strict=True):
        try:
            (text, flaw), drawn = _page(part, path, job, number, size, helpers)
            if len(chunk.pages) == 1 and text is not None:
                better = _legible(chunk, text, job, limits)
                if better:
                    budget, rungs = better, ("legibility",)
                    _, drawn = _page(part, path, job, number, image_size(
                        text.shape.width, text.shape.height, better), helpers)
        except UnreadableError as error:
            failed.append(FailedUnit(error, page=number))
            continue
        if flaw:
            failed.append(FailedUnit(UnreadableError("damaged", f"not all of the page could be drawn ({flaw}); "
                                                     "open it in a viewer and save it again"), page=number, units=0))
        trusted = text is not None and text.distrust is None
        note = text.distrust if text is not None and len(text.words) else None
        views.append(View(drawn[0], page=number, words=text.words if text is not None and trusted else None, note=note))
    return Rendered(tuple(views), tuple(failed), budget, rungs)


def _page(part: Part, path: str, job: Job, number: int, size: tuple[int, int], helpers: Helpers) \
        -> tuple[tuple[PageText | None, str | None], list[Pixels]]:
    if part.kind.name == "image":
        return helpers.call("pipeline.images:render", path, number, size)
    passwords = [part.password] if part.password else []
    return helpers.call("pipeline.pages:render", path, passwords, number, size, job.page_text == "layer")


def _legible(chunk: Chunk, text: PageText, job: Job, limits: Limits) -> int | None:
    """A larger budget for a page whose own words are smaller than the plan knew, where it fits the context."""
    needed = choose_budget(text.shape, limits.budgets, limits.pixels_per_em)
    if text.distrust is not None or text.shape.em is None or needed <= chunk.budget:
        return None
    size = image_size(text.shape.width, text.shape.height, needed)
    tokens = chunk.tokens + image_tokens(size) - image_tokens(chunk.sizes[0])
    return needed if tokens <= min(job.context, limits.context) else None


def _frames(chunk: Chunk, part: Part, path: str, helpers: Helpers) -> Rendered:
    try:
        times, images = helpers.call("pipeline.frames:grab", path, chunk.first_s, chunk.step_s, chunk.frames,
                                     chunk.sizes[0])
    except UnreadableError as caught:
        return Rendered((), (FailedUnit(caught, time_s=chunk.first_s, units=chunk.frames),), chunk.budget)
    assert isinstance(times, FrameTimes)
    views = tuple(View(pixels, time_s=at, until_s=min(until, part.duration or until))
                  for at, until, pixels in zip(times.kept, times.shown_until, images, strict=True))
    failed: Sequence[FailedUnit] = ()
    if times.unseen:
        missing = len(times.unseen)
        packets = f" ({times.damaged} damaged packets)" if times.damaged else ""
        error = UnreadableError("damaged", f"{missing} of {chunk.frames} samples from {chunk.first_s:g} s on show "
                                           f"nothing{packets}: the file is cut off or damaged; upload it again")
        failed = (FailedUnit(error, time_s=times.unseen[0], units=missing),)
    return Rendered(views, tuple(failed), chunk.budget)
