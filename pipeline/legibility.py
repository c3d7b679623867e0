"""How large text must be drawn: the em of the smallest text that matters, and the budget that makes it legible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_actors.budgets import image_size
from pipeline.units import PageShape

LINE_EMS = 1.375
"""Height of a word's box over its em, for the common fonts (Helvetica's ascender minus descender)."""

X_HEIGHT_EMS = 0.48
"""Height of lower-case letters over the em: 0.43 (Courier) to 0.52 (Helvetica) in the common text fonts."""

EDGE = 0.5
"""Pixels by which the blurred edge of a letter makes it taller."""

SMALL_SHARE = 0.05
"""Share of the characters that may be smaller than the smallest text that matters."""

MIN_LETTERS = 30
"""Letter-like shapes a raster must show before a text size is told from it."""

UNKNOWN_BUDGET = 280
"""Budget of a page on which no text was found: enough to see what it shows."""


def words_em(texts: Sequence[str], widths: npt.NDArray[np.floating], heights: npt.NDArray[np.floating]) -> float | None:
    """The em of the smallest text that matters, from word boxes, in their unit; None without words."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    whole = lengths >= 3  # the narrow side of a shorter word is its width, which says nothing
    if not whole.any():
        return None
    heights = np.minimum(widths[whole], heights[whole])
    order = np.argsort(heights)
    share = np.cumsum(lengths[whole][order]) / lengths[whole].sum()
    return float(heights[order][np.searchsorted(share, SMALL_SHARE)]) / LINE_EMS


def raster_em(gray: npt.NDArray[np.uint8]) -> float | None:
    """The em in px of the smallest text that matters, from the letter-like shapes of a raster; None without text."""
    import cv2

    dark = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 15)
    _, _, stats, _ = cv2.connectedComponentsWithStats(dark)
    width, height, area = (stats[1:, column] for column in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA))
    letters = (height >= 5) & (height <= gray.shape[0] // 8) & (width <= 3 * height) & (height <= 5 * width)
    letters &= (area >= 0.15 * width * height) & (area <= 0.9 * width * height)
    heights = height[letters]
    if len(heights) < MIN_LETTERS:
        return None
    tall = heights[heights >= 0.6 * np.median(heights)]  # without dots, commas and specks
    return (float(np.percentile(tall, 100 * SMALL_SHARE)) - EDGE) / X_HEIGHT_EMS


def choose_budget(page: PageShape, budgets: Sequence[int], pixels_per_em: float) -> int:
    """The smallest budget at which the page's smallest text is legible, or all its pixels are shown; or the largest."""
    for budget in budgets:
        width, _ = image_size(page.width, page.height, budget)
        scale = width / page.width
        if page.em is None and budget >= UNKNOWN_BUDGET:
            return budget
        if page.em is not None and page.em * scale >= pixels_per_em:
            return budget
        if page.native and scale >= 1:
            return budget
    return budgets[-1]
