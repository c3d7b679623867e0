"""Keeps pictures of the frames that answers rest on, so that they can be looked at when the sources are gone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from model_actors.engine import Answer, Evidence, Pixels, View
from pipeline import storage, stores
from pipeline.fingerprints import digest
from pipeline.units import TICK

EVIDENCE = "evidence"
THUMBNAILS = "thumbnails"
THUMBNAIL_SIDE = 320
"""Longer side of a scene's picture in px."""

QUALITY = 85
"""Of JPEG, at which print stays legible; Pillow warns above 95."""


def _path(folder: str, asset: str, version: str, time_s: float) -> str:
    """Where below an output the picture of a frame is kept."""
    return f"{folder}/{digest([asset, version])}/{time_s:.3f}.jpg"


def picture_uri(output: str, asset: str, version: str, time_s: float) -> str:
    """Where the picture of a frame is kept that is evidence from `time_s` on."""
    return stores.join(output, _path(EVIDENCE, asset, version, time_s))


def keep_pictures(output: str, asset: str, version: str, views: Sequence[View], answers: Iterable[Answer]) -> None:
    """Write the first, the surest and the last frame of each answer's evidence as JPEG. Raises StorageError.

    A picture that is there already shows the same frame and stays.
    """
    times = {item.time_s for answer in answers if answer.value is not None for item in _telling(answer.evidence)}
    for time_s in sorted(time for time in times if time is not None):
        pixels = _shown_at(views, time_s)
        if pixels is not None:
            storage.put_if_absent(picture_uri(output, asset, version, time_s), _jpeg(pixels))


def keep_thumbnail(output: str, asset: str, version: str, views: Sequence[View], time_s: float) -> str | None:
    """Write a small picture of the frame that is shown from a time on; where it is below the output.

    None where no frame was drawn that is shown then. Raises StorageError.
    """
    shown = [view for view in views if view.time_s is not None and abs(view.time_s - time_s) < TICK]
    if not shown:
        return None
    path = _path(THUMBNAILS, asset, version, time_s)
    storage.put_if_absent(stores.join(output, path), _jpeg(shown[0].pixels, THUMBNAIL_SIDE))
    return path


def _jpeg(pixels: Pixels, side: int | None = None) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    image = Image.fromarray(pixels)
    if side is not None:
        image.thumbnail((side, side))
    image.save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()


def _telling(evidence: Sequence[Evidence]) -> list[Evidence]:
    timed = sorted((item for item in evidence if item.time_s is not None), key=lambda item: item.time_s or 0.0)
    return [timed[0], max(timed, key=lambda item: item.score or 0.0), timed[-1]] if timed else []


def _shown_at(views: Sequence[View], time_s: float) -> Pixels | None:
    """What is shown at a time, or first after it."""
    shown = [view for view in views if view.time_s is not None and view.time_s <= time_s < (view.until_s or 0.0)]
    after = [view for view in views if view.time_s is not None and view.time_s > time_s]
    return (shown or after)[0].pixels if shown or after else None
