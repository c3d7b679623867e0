"""The order in which the lines of OCR are read: those of columns of prose one column after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_actors.engine import Words
from model_actors.layout import Box, reading_order

GUTTERS = np.linspace(0.25, 0.75, 101, dtype=np.float32)
"""Where between two columns, normalised to what both take of the page's width, a gutter may be."""

MOST_ACROSS = 0.2
"""Share of lines that may cross a gutter: headings and footers over both columns."""

LEAST_LINES, LEAST_WIDTH = 4, 0.5
"""Lines of a column at least, and the share of its width that a quarter of them fill: cells of a table fill less."""


def in_reading_order(words: Words) -> list[int]:
    """Indices of words that come line by line from the top, across all columns, in the order in which they are read."""
    starts = np.flatnonzero(np.diff(words.lines, prepend=-1))
    if not len(starts):
        return []
    upper, lower = np.minimum.reduceat(words.boxes, starts), np.maximum.reduceat(words.boxes, starts)
    boxes = np.hstack([upper[:, :2], lower[:, 2:]])
    ends = [*starts[1:].tolist(), len(words)]
    first = starts.tolist()
    return [index for line in _order(boxes, np.arange(len(boxes))) for index in range(first[line], ends[line])]


def _order(boxes: npt.NDArray[np.float32], lines: npt.NDArray[np.intp]) -> list[int]:
    """Lines in order: between lines that cross the gutter, the left column before the right; elsewhere by XY-cut."""
    gutter = _gutter(boxes[lines])
    if gutter is None:
        listed: list[Box] = [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes[lines].tolist()]
        return [int(lines[place]) for place in reading_order(listed)]
    left, right = boxes[lines, 2] <= gutter, boxes[lines, 0] >= gutter
    across = lines[~left & ~right]
    across = across[np.argsort(boxes[across, 1])]
    band = np.searchsorted(boxes[across, 1], boxes[lines, 1])
    found: list[int] = []
    for number in range(len(across) + 1):
        for side in (left, right):
            held = lines[side & (band == number)]
            found += _order(boxes, held) if len(held) else []
        found += across[number : number + 1].tolist()
    return found


def _gutter(boxes: npt.NDArray[np.float32]) -> float | None:
    """Where two columns of prose part, in the middle of what is left white; None of anything else."""
    if len(boxes) < 2 * LEAST_LINES:
        return None
    x0, x1 = boxes[:, 0], boxes[:, 2]
    start, end = float(x0.min()), float(x1.max())
    places = start + (end - start) * GUTTERS
    crossing = ((x0 < places[:, None]) & (x1 > places[:, None])).sum(1)
    least = crossing.min()
    if least > MOST_ACROSS * len(boxes):
        return None
    white = np.flatnonzero(crossing == least)
    gutter = float(places[white[len(white) // 2]])
    for side, width in ((x1 <= gutter, gutter - start), (x0 >= gutter, end - gutter)):
        if side.sum() < LEAST_LINES or np.quantile(x1[side] - x0[side], 0.75) < LEAST_WIDTH * width:
            return None
    return gutter
