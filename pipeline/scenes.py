"""What a video shows over time, told from samples of it alone: scenes, and what is still, black or damaged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.units import TICK, Stretch

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
    """A frame as it is compared: luma, float32 [90, 160] in levels of 255, and histograms of Y, Cb and Cr, float64
    [3, 32], each of which sums to 1.
    """

    luma: Luma
    histograms: npt.NDArray[np.float64]


def look_at(luma: npt.NDArray[np.uint8], channels: npt.NDArray[np.uint8]) -> Look:
    """The look of a frame, from its luma [90, 160] and its Y, Cb and Cr [3, 90, 160]."""
    counts = np.stack([np.histogram(channel, BINS, (0, 256))[0] for channel in channels]).astype(np.float64)
    spread = np.stack([np.convolve(row, SPREAD, "same") for row in counts])
    return Look(luma.astype(np.float32), spread / spread.sum(axis=1, keepdims=True))


def difference(luma: Luma, last: Luma) -> float:
    """That of the tile that differs most, in levels of 255."""
    rows = luma.shape[0] // TILE * TILE
    tiles = np.abs(luma - last)[:rows].reshape(rows // TILE, TILE, -1, TILE).mean(axis=(1, 3))
    return float(tiles.max())


def distance(look: Look, last: Look) -> float:
    """The Hellinger distance, 0..1, of the channel whose histograms differ most."""
    shared = np.sqrt(look.histograms * last.histograms).sum(axis=1)
    return float(np.sqrt(np.maximum(0.0, 1.0 - shared)).max())


class Watch:
    """Told of sample after sample, `step` seconds apart, says which stretches they make.

    A stretch ends a step after its last sample. A still one has two samples at least.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._found: list[Stretch] = []
        self._open: dict[str, int] = {}  # by kind the place of what may go on
        self._still: Look | None = None
        self._last: Look | None = None

    def see(self, time: float, look: Look | None) -> bool:
        """Take up a sample, None where nothing is shown; whether it begins another scene than was seen before."""
        if look is None:
            self._extend("damaged", time)
            self._end("scene", "black", "still")
            self._last = None
            return False
        self._end("damaged")
        is_cut = self._last is not None and distance(look, self._last) > CUT
        if is_cut:
            self._end("scene", "still")
        self._extend("scene", time)
        self._last = look
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
                     if each.end_s > first + TICK and each.start_s < end - TICK
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
