"""Keeps pictures of what answers rest on, so that they can be looked at when the sources are gone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from model_actors.engine import Pixels, View
from pipeline import storage, stores
from pipeline.fingerprints import digest
from pipeline.units import TICK

EVIDENCE = "evidence"
THUMBNAILS = "thumbnails"
THUMBNAIL_SIDE = 320
"""Longer side of a scene's picture in px."""

QUALITY = 85
"""Of JPEG, at which print stays legible; Pillow warns above 95."""


MAX_PAGES = 3
"""Pages kept of what a check fails or is unsure by; of any other answer the best one is."""


def _path(folder: str, asset: str, version: str, unit: str) -> str:
    """Where below an output the picture of a page or a frame is kept."""
    return f"{folder}/{digest([asset, version])}/{unit}.jpg"


def picture_path(asset: str, version: str, page: int | None, time_s: float | None) -> str:
    """Where below an output the picture of a page is kept, or of a frame that is evidence from `time_s` on."""
    return _path(EVIDENCE, asset, version, f"page-{page}" if time_s is None else f"{time_s:.3f}")


def keep_pictures(output: str, asset: str, version: str, views: Sequence[View], rows: Iterable[Mapping[str, Any]]
                  ) -> None:
    """Write as JPEG what the rows of answers rest on: pages, and of a stretch of time its first, its surest and its
    last frame. Raises StorageError.

    Of answers about single pages only what a check fails or is unsure by is kept. A picture that is there already shows
    the same and stays.
    """
    units: set[tuple[int | None, float | None]] = set()
    for row in rows:
        units.update(_telling_frames(row) if row["value"] is not None else ())
        units.update(_telling_pages(row))
    for page, time_s in sorted(units, key=lambda unit: (unit[0] or 0, unit[1] or 0.0)):
        pixels = _shown_at(views, time_s) if time_s is not None else next(
            (view.pixels for view in views if view.page == page), None)
        if pixels is not None:
            storage.put_if_absent(stores.join(output, picture_path(asset, version, page, time_s)), _jpeg(pixels))


def keep_thumbnail(output: str, asset: str, version: str, views: Sequence[View], start_s: float, until_s: float
                   ) -> str | None:
    """Write a small picture of the first sample in a stretch of time; where it is below the output.

    None where none was drawn that lies there. Raises StorageError.
    """
    for view in views:
        if view.time_s is not None and start_s - TICK < view.time_s < until_s - TICK:
            path = _path(THUMBNAILS, asset, version, f"{view.time_s:.3f}")
            storage.put_if_absent(stores.join(output, path), _jpeg(view.pixels, THUMBNAIL_SIDE))
            return path
    return None


def _jpeg(pixels: Pixels, side: int | None = None) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    image = Image.fromarray(pixels)
    if side is not None:
        image.thumbnail((side, side))
    image.save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()


def _telling_frames(row: Mapping[str, Any]) -> set[tuple[int | None, float | None]]:
    timed = sorted((item for item in row["evidence"] if item["time_s"] is not None), key=lambda item: item["time_s"])
    chosen = [timed[0], max(timed, key=_score), timed[-1]] if timed else []
    return {(None, item["time_s"]) for item in chosen}


def _telling_pages(row: Mapping[str, Any]) -> set[tuple[int | None, float | None]]:
    doubted = row["verdict"] in ("fail", "unsure")
    paged = sorted((item for item in row["evidence"] if item["page"] is not None), key=_score, reverse=True)
    if row["level"] == "page":
        return {(row["page"], None)} if doubted else set()
    return {(item["page"], None) for item in paged[:MAX_PAGES if doubted else 1]}


def _score(item: Mapping[str, Any]) -> float:
    return item["score"] or 0.0


def _shown_at(views: Sequence[View], time_s: float) -> Pixels | None:
    """What is shown at a time, or first after it."""
    shown = [view for view in views if view.time_s is not None and view.time_s <= time_s < (view.until_s or 0.0)]
    after = [view for view in views if view.time_s is not None and view.time_s > time_s]
    return (shown or after)[0].pixels if shown or after else None
