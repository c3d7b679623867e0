"""What a video shows over time, told from samples: scenes, and what is still, black or damaged.

Where one scene gives way to another between two samples is found afterwards (cuts.py); it moves what began or ended
with the later of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.units import TICK, Cut, Histograms, Stretch

SIZE = (160, 90)
"""Width and height in px at which frames are compared."""

TILE = 8
"""Side of a tile in px."""

NEW_FRAME = 12.0
"""Largest mean luma difference of a tile up to which two frames show the same: it keeps one-word subtitle changes,
which global hashes lose.
"""

STILL = 2.0
"""Largest mean luma difference of a tile up to which nothing moves: the noise of a camera is averaged out in it."""

BLACK = 26
"""Luma up to which a pixel is black, and BLACK_SHARE of a black frame's are: FFmpeg's blackdetect has 0.1 and 0.98."""

BLACK_SHARE = 0.98

CUT = 0.4
"""Hellinger distance of the histograms of one channel over which two frames are of different scenes. Of 26 pictures,
93 % of pairs lie above it, and 5 % of the pairs of one picture and itself panned by a tenth to four tenths.
"""

BINS = 32

SPREAD = (1, 2, 3, 2, 1)
"""Over how many bins a level counts, and how much, so that one that moves a little does not change bins at once."""

Luma = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """A frame as it is compared: luma, float32 [90, 160] in levels of 255, and its histograms."""

    luma: Luma
    histograms: Histograms


def histograms_of(channels: npt.NDArray[np.uint8]) -> Histograms:
    """The histograms of a frame, from its Y, Cb and Cr [3, 90, 160]."""
    counts = [np.bincount(channel.ravel() // (256 // BINS), minlength=BINS) for channel in channels]
    spread: Histograms = np.stack([np.convolve(row, SPREAD, "same") for row in counts]).astype(np.float64)
    spread /= spread.sum(axis=1, keepdims=True)
    return spread


def difference(luma: Luma, last: Luma) -> float:
    """That of the tile that differs most, in levels of 255."""
    rows = luma.shape[0] // TILE * TILE
    tiles = np.abs(luma - last)[:rows].reshape(rows // TILE, TILE, -1, TILE).mean(axis=(1, 3))
    return float(tiles.max())


def distance(shown: Histograms, last: Histograms) -> float:
    """The Hellinger distance, 0..1, of the channel whose histograms differ most."""
    shared = np.sqrt(shown * last).sum(axis=1)
    return float(np.sqrt(np.maximum(0.0, 1.0 - shared)).max())


class Watch:
    """Told of sample after sample, `step` seconds apart, says which stretches they make.

    A stretch ends a step after its last sample. A still one has two samples at least. Nothing but damage goes on over
    one of the `cuts`.
    """

    def __init__(self, step: float) -> None:
        self.cuts: list[Cut] = []
        self._step = step
        self._found: list[Stretch] = []
        self._open: dict[str, int] = {}  # by kind the place of what may go on
        self._still: Look | None = None
        self._last: tuple[float, Look] | None = None

    def see(self, time: float, look: Look | None) -> bool:
        """Take up a sample, None where nothing is shown; whether it begins another scene than was seen before."""
        if look is None:
            self._extend("damaged", time)
            self._end("scene", "black", "still")
            self._last = None
            return False
        self._end("damaged")
        is_cut = self._last is not None and distance(look.histograms, self._last[1].histograms) > CUT
        if is_cut and self._last is not None:
            self._end("scene", "black", "still")
            self.cuts.append(Cut(self._last[0], time, self._last[1].histograms, look.histograms))
            self._found.append(Stretch("cut", time, time))
        self._extend("scene", time)
        self._last = time, look
        if (look.luma <= BLACK).mean() >= BLACK_SHARE:
            self._extend("black", time)
            self._end("still")
            return is_cut
        self._end("black")
        if "still" not in self._open or self._still is None or difference(look.luma, self._still.luma) > STILL:
            self._end("still")
            self._still = look
        self._extend("still", time)
        return is_cut

    def stretches(self, first: float, end: float) -> tuple[Stretch, ...]:
        """What of all that was seen reaches into a stretch of time, cut off at its end."""
        return tuple(replace(each, end_s=min(each.end_s, end)) for each in self._found
                     if (each.end_s > first + TICK or each.kind == "cut") and each.start_s < end - TICK
                     and (each.kind != "still" or each.end_s - each.start_s > 1.5 * self._step))

    def _extend(self, kind: str, time: float) -> None:
        if kind in self._open:
            place = self._open[kind]
            self._found[place] = Stretch(kind, self._found[place].start_s, time + self._step)
        else:
            self._open[kind] = len(self._found)
            self._found.append(Stretch(kind, time, time + self._step))

    def _end(self, *kinds: str) -> None:
        for kind in kinds:
            self._open.pop(kind, None)


def moved(stretches: Iterable[Stretch], cuts: Mapping[float, float]) -> list[Stretch]:
    """Stretches that begin or end with a sample at which a cut was seen, from or up to where it is found to be.

    `cuts` maps the time of that sample to when the scene's first frame is shown, both in seconds. Damage stays, and so
    does where a stretch begins to be still, which samples alone tell.
    """
    def at(time: float) -> float:
        return next((exact for sample, exact in cuts.items() if abs(sample - time) < TICK), time)

    return [each if each.kind == "damaged" else
            replace(each, start_s=each.start_s if each.kind == "still" else at(each.start_s), end_s=at(each.end_s))
            for each in stretches]


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches of one kind joined where one begins before the last has ended, as what goes on over a seam does.

    One that was seen up to a seam ends at the cut before the next sample, which only those after the seam tell of. By
    kind, in order of time; the picture is that of the first that has one.
    """
    known = list(stretches)
    cuts = sorted(each.start_s for each in known if each.kind == "cut")
    found: list[Stretch] = []
    for item in sorted(known, key=lambda each: (each.kind, each.start_s, each.end_s)):
        cut = next((time for time in cuts if item.start_s + TICK < time < item.end_s - TICK), None)
        new = item if cut is None or item.kind == "damaged" else replace(item, end_s=cut)
        last = found[-1] if found else None
        if last is not None and last.kind == new.kind and new.start_s < last.end_s - TICK:
            found[-1] = replace(last, end_s=max(last.end_s, new.end_s), picture=last.picture or new.picture)
        else:
            found.append(new)
    return found
