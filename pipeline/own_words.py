"""The page's own words, by which what an engine said of it is checked: its text layer, or OCR where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from model_actors import ocr
from model_actors.engine import Pixels, Reply, View, Words
from pipeline.grounding.ground import Page
from pipeline.rendering import Rendered
from schemas.job import Job

OCR_RAISES = 2
"""Budgets above an engine's at which a page is drawn for OCR, which needs letters of twice the height."""


_READER = ThreadPoolExecutor(1, "own-words")
"""OCR reads one page at a time; pages that wait for it must not hold the threads that draw and publish."""


class OwnWords:
    """The own words of the pages of one chunk, found when they are first asked for.

    A frame of a video has none: OCR of sixty would cost more than asking.
    """

    def __init__(self, views: Sequence[View], job: Job, redraw: Callable[[], Awaitable[Rendered | None]]) -> None:
        self._shown = views
        self._views = [view for view in views if view.page is not None]
        self._mode, self._redraw = job.grounding, redraw
        self._pages: list[Page] | None = None
        self._finding = asyncio.Lock()

    async def pages(self, reply: Reply) -> list[Page]:
        """The pages that have words, or were read and have none. Words that the engine itself read are taken from it.
        """
        async with self._finding:
            if self._pages is None:
                self._pages = await self._find(reply)
        return self._pages

    def source(self, numbers: Collection[int | None]) -> str | None:
        """Whence the words of these pages are, or of all where none of them is told; of both kinds, the weaker."""
        found = {page.source for page in self._pages or () if page.number in numbers} or {
            page.source for page in self._pages or ()}
        return "ocr" if "ocr" in found else "text_layer" if found else None

    async def _find(self, reply: Reply) -> list[Page]:
        if self._mode == "none":
            return []
        read: dict[int | None, Words | None] = {}
        if self._mode == "ocr" and reply.read:
            read = dict(zip((view.page for view in self._shown), reply.read, strict=True))
        elif self._mode == "ocr" and any(view.words is None for view in self._views):
            drawn = await self._redraw()
            for view in self._views if drawn is None else drawn.views:
                if view.words is None:
                    read[view.page] = await asyncio.get_running_loop().run_in_executor(_READER, _read, view.pixels)
        pages = []
        for view in self._views:
            words = read.get(view.page) if view.words is None else view.words
            if words is not None:
                pages.append(Page(view.page, None, words, "ocr" if view.words is None else "text_layer"))
        return pages


def _read(pixels: Pixels) -> Words | None:
    reader = ocr.shared()
    try:
        return reader.read(pixels)
    except Exception:  # what the library makes of a strange picture: then there is nothing to check by
        return None
