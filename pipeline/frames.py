"""Video frames by presentation time through PyAV, run in helper processes only."""

from __future__ import annotations

import math
import time as clock
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_actors.engine import Pixels
from pipeline.decoding import Tally, decoded, frames_at
from pipeline.pixel_slots import new_image
from pipeline.units import FrameTimes, UnreadableError, VideoProbe
from pipeline.videos import TICK, Video, kept_open, open_video

LONGEST_SECONDS = 48 * 3600
"""Longest video that is planned: a longer claim is mostly a broken index."""

LUMA_SIZE = (160, 90)
TILE = 8
NEW_FRAME = 12.0
"""Largest mean luma difference of a tile of 8 x 8 px, at 160 x 90, up to which two frames show the same: it keeps
one-word subtitle changes, which global hashes lose."""

Luma = npt.NDArray[np.float32]


def probe(uri: str) -> tuple[VideoProbe, list[Pixels]]:
    """Claimed duration and displayed size. Raises UnreadableError: damaged, no_video or empty."""
    with open_video(uri) as video:
        frame = next(filter(None, decoded(video, Tally())), None)
        if frame is None:
            raise UnreadableError("damaged", "not one frame can be decoded; upload it again")
        width, height = _shown_size(frame, video.stream)
        duration = max(video.duration(), 1e-3)
        if duration > LONGEST_SECONDS:
            duration = max(video.last_packet(video.stream.start_time or 0), 1e-3)
        if duration > LONGEST_SECONDS:
            raise UnreadableError("too_large", f"claims to last {duration / 3600:.3g} hours, over the "
                                               f"{LONGEST_SECONDS // 3600} that are read; cut it")
        return VideoProbe(duration, width, height), []


def _shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    aspect = stream.sample_aspect_ratio or 1
    width, height = round(frame.width * aspect), frame.height
    return (height, width) if frame.rotation % 180 else (width, height)


@dataclass
class _Kept:
    """A frame that looks other than the one kept before it, by how much, and until when it is seen unchanged."""

    time: float
    difference: float
    until: float
    image: Pixels | None


def grab(uri: str, first: float, step: float, count: int, size: tuple[int, int], most: int | None = None,
         seconds: float = math.inf) -> tuple[FrameTimes, list[Pixels]]:
    """The frames shown at first, first + step, ... (`count` times, in seconds from the start of the presentation).

    Each is drawn at `size` (width, height) px, rotation applied; a frame that looks like the last kept one is not
    kept again. Where more than `most` are left, the first is kept and those that differ most from the one before, which
    stand for the time of the others too. A time at which no frame is shown, after the last one's own end or amid
    damage, is not seen. After so many `seconds` no more times are dealt with.
    """
    started = clock.monotonic()
    kept: list[_Kept] = []
    unseen: list[float] = []
    asked = 0
    seen: Any = None
    last: Luma | None = None
    tally = Tally()
    with kept_open(uri) as video:
        with closing(frames_at(video, [first + place * step for place in range(count)], tally)) as found:
            for time, frame in found:
                asked += 1
                if frame is None:
                    unseen.append(time)
                    continue
                if frame is not seen:
                    luma, seen = _luma(frame), frame
                    difference = math.inf if last is None else _difference(luma, last)
                    if difference > NEW_FRAME:
                        kept.append(_Kept(time, difference, time, _drawn(frame, size) if most is None else None))
                        last = luma
                kept[-1].until = time + step
                if clock.monotonic() - started > seconds:
                    break
        if most is not None:
            kept = _most_telling(kept, most)
            for each, (_, frame) in zip(kept, frames_at(video, [each.time for each in kept], tally), strict=True):
                each.image = None if frame is None else _drawn(frame, size)
            kept = [each for each in kept if each.image is not None]
        how = _how(video, tally)
    times = FrameTimes(tuple(each.time for each in kept), tuple(each.until for each in kept), tuple(unseen),
                       tally.damaged, tally.decoded, how, asked)
    return times, [each.image for each in kept if each.image is not None]


def _most_telling(frames: list[_Kept], most: int) -> list[_Kept]:
    """Those that differ most, in order; each stands for those after it that are left out."""
    chosen = set(sorted(range(len(frames)), key=lambda place: -frames[place].difference)[:most])
    kept: list[_Kept] = []
    for place, frame in enumerate(frames):
        if place in chosen:
            kept.append(frame)
        elif frame.time <= kept[-1].until + TICK:
            kept[-1].until = frame.until
    return kept


def _how(video: Video, tally: Tally) -> str:
    if video.no_index is not None:
        return f"sequential: {video.no_index}"
    return "keyframes" if 0 < tally.decoded <= tally.groups else "groups of pictures"


def _luma(frame: Any) -> Luma:
    small = frame.reformat(width=LUMA_SIZE[0], height=LUMA_SIZE[1], format="gray").to_ndarray()
    return np.asarray(small, np.float32)


def _difference(luma: Luma, last: Luma) -> float:
    """That of the tile that differs most, in levels of 255."""
    rows = luma.shape[0] // TILE * TILE
    tiles = np.abs(luma - last)[:rows].reshape(rows // TILE, TILE, -1, TILE).mean(axis=(1, 3))
    return float(tiles.max())


def _drawn(frame: Any, size: tuple[int, int]) -> Pixels:
    turns = round(frame.rotation / 90) % 4
    width, height = size[::-1] if turns % 2 else size
    image = new_image(size[1], size[0])
    image[...] = np.rot90(frame.reformat(width=width, height=height, format="rgb24").to_ndarray(), turns)
    return image
