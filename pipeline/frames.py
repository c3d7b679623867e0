"""Video frames by presentation time through PyAV, run in helper processes only."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model_actors.engine import Pixels
from pipeline.decoding import Tally, decoded, frames_at
from pipeline.pixel_slots import new_image
from pipeline.scenes import NEW_FRAME, SIZE, Look, Watch, difference, histograms_of
from pipeline.units import TICK, FrameTimes, Histograms, UnreadableError, VideoProbe
from pipeline.videos import Video, kept_open, open_video

LONGEST_SECONDS = 48 * 3600
"""Longest video that is planned: a longer claim is mostly a broken index."""

WHITE = 255.0
"""What a frame that begins a scene differs by at least: more than any other."""

END_SHARE = 0.75
"""Share of a window's samples after which it ends where another scene begins."""


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


@dataclass
class _Sampled:
    """What samples came to: frames kept, times unseen, how many were dealt with, and the last that begins a scene."""

    kept: list[_Kept] = field(default_factory=list)
    unseen: list[float] = field(default_factory=list)
    dealt: int = 0
    cut: int = 0


def grab(uri: str, first: float, step: float, count: int, size: tuple[int, int] | None, seconds: float = math.inf,
         lead: bool = False, may_end: bool = False, goes_on: bool = False) -> tuple[FrameTimes, list[Pixels]]:
    """The frames shown at first, first + step, ... (`count` times, in seconds from the start of the presentation).

    Each is drawn at `size` (width, height) px, if it is given, rotation applied; a frame that looks like the last kept
    one is not kept again. A time at which no frame is shown, after the last one's own end or amid damage, is not seen.
    After so many `seconds` no more times are dealt with, nor, if it `may_end`, those from the last scene on that begins
    in the last quarter of them.
    The sample before the first is compared with it; it is kept too with `lead`, and where this call `goes_on` with
    what another left, it tells how much the first one differs.
    """
    tally, watch = Tally(), Watch(step)
    with kept_open(uri) as video:
        found = _sample(video, first, step, count, size, seconds, lead, goes_on, tally, watch)
        how = _how(video, tally)
    ends = may_end and found.dealt == count and found.cut >= END_SHARE * count
    end = first + (found.cut if ends else found.dealt) * step
    kept = [each for each in found.kept if each.time < end - TICK]
    times = FrameTimes(
        kept=tuple(each.time for each in kept), shown_until=tuple(each.until for each in kept),
        differences=tuple(each.difference for each in kept),
        unseen=tuple(time for time in found.unseen if time < end - TICK), damaged=tally.damaged, decoded=tally.decoded,
        how=how, asked=found.cut if ends else found.dealt, ends=ends, stretches=watch.stretches(first, end),
        cuts=tuple(cut for cut in watch.cuts if cut.after_s < end - TICK))
    return times, [each.image for each in kept if each.image is not None]


def draw(uri: str, times: Sequence[float], size: tuple[int, int], seconds: float = math.inf) \
        -> tuple[tuple[bool, ...], list[Pixels]]:
    """The frames shown at some times in order, at `size` (width, height) px: of each time whether there is one.

    After so many `seconds` no more are drawn.
    """
    started = clock.monotonic()
    shown: list[bool] = []
    images: list[Pixels] = []
    with kept_open(uri) as video, closing(frames_at(video, times, Tally())) as found:
        for _, frame in found:
            shown.append(frame is not None)
            images += [] if frame is None else [_drawn(frame, size)]
            if clock.monotonic() - started > seconds:
                break
    return tuple(shown), images


def _sample(video: Video, first: float, step: float, count: int, size: tuple[int, int] | None, seconds: float,
            lead: bool, goes_on: bool, tally: Tally, watch: Watch) -> _Sampled:
    """Look at every sample; those that are kept are drawn, if their `size` is given."""
    started = clock.monotonic()
    found = _Sampled()
    look: Look | None = None
    last: Look | None = None
    seen: Any = None
    before = int(first - step > -TICK)
    samples = [first + place * step for place in range(-before, count)]
    with closing(frames_at(video, samples, tally)) as shown:
        for place, (time, frame) in enumerate(shown, -before):
            if frame is not None and frame is not seen:
                look, seen = _look(frame), frame
            is_cut = watch.see(time, None if frame is None else look)
            if place < 0:
                if lead and frame is not None:
                    found.kept.append(_Kept(time, math.inf, first, size and _drawn(frame, size)))
                last = look if goes_on else None
                continue
            found.dealt, found.cut = place + 1, place if is_cut else found.cut
            if frame is None or look is None:
                found.unseen.append(time)
            else:
                change = math.inf if last is None else difference(look.luma, last.luma) + WHITE * is_cut
                if change > NEW_FRAME or not found.kept:
                    found.kept.append(_Kept(time, change, time, size and _drawn(frame, size)))
                    last = look
                found.kept[-1].until = time + step
            if clock.monotonic() - started > seconds:
                break
    return found


def _how(video: Video, tally: Tally) -> str:
    if video.no_index is not None:
        return f"sequential: {video.no_index}"
    return "keyframes" if 0 < tally.decoded <= tally.groups else "groups of pictures"


def _look(frame: Any) -> Look:
    width, height = SIZE
    luma = frame.reformat(width=width, height=height, format="gray").to_ndarray()
    return Look(luma.astype(np.float32), colours(frame))


def colours(frame: Any) -> Histograms:
    """The histograms by which a frame's scene is told."""
    width, height = SIZE
    return histograms_of(frame.reformat(width=width, height=height, format="yuv444p").to_ndarray())


def _drawn(frame: Any, size: tuple[int, int]) -> Pixels:
    """A frame as it is to be seen, what shows through it on white."""
    turns = round(frame.rotation / 90) % 4
    width, height = size[::-1] if turns % 2 else size
    image = new_image(size[1], size[0])
    if any(component.is_alpha for component in frame.format.components):
        layers = frame.reformat(width=width, height=height, format="rgba").to_ndarray().astype(np.uint16)
        alpha = layers[:, :, 3:]
        pixels = ((layers[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    else:
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    image[...] = np.rot90(pixels, turns)
    return image
