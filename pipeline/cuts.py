"""Finds the frame at which one scene becomes another between two samples of a video, run in helper processes only.

The keyframes between the samples are bisected, a frame decoded of each, until the cut lies in one group of pictures or
in a part of it; of that, which is decoded once, frame is compared with frame. Groups in which several cuts are sought
are decoded once for all of them. Thus no frame is decoded more than once beside the keyframes, whose number grows with
the logarithm of those between two samples.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby

from model_actors.engine import Pixels
from pipeline.decoding import Group, Tally, WrongIndexError
from pipeline.frames import colours
from pipeline.scenes import CUT, distance
from pipeline.units import TICK, Cut, Histograms
from pipeline.videos import Video, kept_open


@dataclass
class _Span:
    """Where a cut lies: after a time and up to another, in seconds, in what is decoded from a keyframe of that number
    on; `seen` is what was shown last, `found` when the first frame of the new scene is shown.
    """

    cut: Cut
    keyframe: int
    after_s: float
    until_s: float
    seen: Histograms
    found: float | None = None

    def is_over(self, shown: Histograms) -> bool:
        """Whether a frame looks more like the sample after the cut than like the one before."""
        return distance(shown, self.cut.after) < distance(shown, self.cut.before)


def locate(uri: str, cuts: Sequence[Cut], seconds: float = math.inf) \
        -> tuple[tuple[tuple[float, ...], int], list[Pixels]]:
    """For each of these cuts, in order, when the first frame of the new scene is shown, in seconds; and how many frames
    were decoded.

    It is the frame that looks more like the sample after the cut than like the one before, while the frame before it
    does not, and differs from that frame as much as samples of two scenes do. Where there is none, as in a fade, amid
    damage, and where the index is of no use, it is the sample after the cut; so it is for those that are not found
    within so many `seconds`. Of several cuts between two samples the one is told that is found so.
    """
    tally, ends = Tally(), clock.monotonic() + seconds
    with kept_open(uri) as video:
        found = [cut.after_s for cut in cuts] if video.no_index is not None else list(_found(video, cuts, ends, tally))
    return (tuple(found), tally.decoded), []


def _found(video: Video, cuts: Sequence[Cut], ends: float, tally: Tally) -> Iterator[float]:
    spans = [_Span(cut, -1, cut.before_s, cut.after_s, cut.before) for cut in cuts]
    try:
        for span in spans:
            if clock.monotonic() < ends:
                _narrow(video, span, tally)
        for number, own in groupby((span for span in spans if span.keyframe >= 0), key=lambda span: span.keyframe):
            if clock.monotonic() < ends:
                _search(video, Group(video, number, tally), list(own))
    except WrongIndexError:  # what was found stands
        pass
    return (span.cut.after_s if span.found is None else span.found for span in spans)


def _narrow(video: Video, span: _Span, tally: Tally) -> None:
    """Bisect the keyframes between two samples. Raises WrongIndexError."""
    low = Group.at(video, span.cut.before_s, tally).number
    high = video.keyframe_at(span.cut.after_s) + 1
    while high - low > 1:
        middle = Group(video, (low + high) // 2, tally)
        frame = next(middle.shown_at([middle.begins]), None)
        if frame is None:
            return
        shown = colours(frame)
        if middle.begins > span.until_s - TICK or span.is_over(shown):
            high, span.until_s = middle.number, min(span.until_s, middle.begins)
        else:
            low, span.after_s, span.seen = middle.number, middle.begins, shown
    span.keyframe = low


def _search(video: Video, group: Group, spans: Sequence[_Span]) -> None:
    """Compare frame with frame, in spans that are decoded from one keyframe on."""
    left = list(spans)
    with closing(group.shown_in([(span.after_s, span.until_s) for span in spans])) as frames:
        for frame in frames:
            at = video.seconds(frame.pts)
            while left and (left[0].found is not None or at > left[0].until_s + TICK):
                del left[0]
            if not left or group.is_damaged:
                return
            span, shown = left[0], colours(frame)
            if at <= span.after_s + TICK:
                continue
            if distance(shown, span.seen) > CUT and span.is_over(shown) and not span.is_over(span.seen):
                span.found = at
            span.seen = shown
