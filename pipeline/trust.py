"""Whether a page's text layer can be believed without reading the page again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_actors.engine import Pixels

LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]{4,}")
VOWEL = re.compile(r"[aeiouyà-æè-ïò-öø-üāăąēĕėęěīĭįıōŏőœūŭůűųAEIOUYÀ-ÆÈ-ÏÒ-ÖØ-Ü]")

UNMAPPED = re.compile("[\x00-\x1f\ue000-\uf8ff\ufffd]")

MIN_SEEN = 0.5
"""Share of a layer's words that the page must show; above it the others are left out one by one."""

MAX_UNMAPPED = 0.05
"""Share of unmapped characters above which a layer is distrusted."""

MIN_VOWELLED = 0.75
"""Share of Latin words of four letters or more that hold a vowel; European prose stands above 0.95, a substitution
cipher near the share of words that happen to hold one of the five or six letters."""

LEAST_CONTRAST = 16
"""Difference of two samples, of 255, from which something is drawn between them."""

JUDGED_HEIGHT = 8
"""Height of a word in px below which its strokes may fall between the samples, so that it passes for seen."""

ACROSS, DOWN = np.linspace(0.03, 0.97, 16, dtype=np.float32), np.linspace(0.4, 0.75, 3, dtype=np.float32)
"""Where in a word's box it is sampled: across the letters, at three heights of theirs."""

MIN_WORDS, MOST_WORDS = 20, 200
"""Words below which no share is told from a page, and about how many of a page are looked at."""


def visible(boxes: npt.NDArray[np.float32], pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Which words of a layer are seen on the drawn page: those in whose box some samples differ from the others.

    `boxes` is [n, 4] in 0..1, `pixels` uint8 [height, width, 3]. Words may be drawn in no colour, or the paper's.
    """
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = np.ascontiguousarray(boxes.T)
    columns = ((x0 + (x1 - x0) * ACROSS[:, None]) * (width - 1)).astype(np.intp)
    lines = ((y0 + (y1 - y0) * DOWN[:, None]) * (height - 1)).astype(np.intp)
    green = 3 * (lines[:, None] * width + columns[None]) + 1  # [heights, across, words]: the last axis is the long one
    samples = pixels.reshape(-1).take(green.reshape(len(DOWN) * len(ACROSS), len(x0)), mode="clip")
    return np.asarray((samples.max(0) - samples.min(0) >= LEAST_CONTRAST) | ((y1 - y0) * height < JUDGED_HEIGHT))


def distrust(texts: Sequence[str], scan_layer: bool, seen: int) -> str | None:
    """Why a text layer, of whose words `seen` are visible, should not be believed; or None."""
    if not texts:
        return "no text layer"
    if scan_layer:
        return "the text layer is another OCR's, under a picture of the page"
    if seen < MIN_SEEN * len(texts):
        return "the text layer is not what the page shows: most of it is invisible"
    joined = "".join(texts)
    if len(UNMAPPED.findall(joined)) > MAX_UNMAPPED * len(joined):
        return "the text layer's characters are unmapped"
    words = LATIN_WORD.findall(" ".join(texts[:: max(1, len(texts) // MOST_WORDS)]))
    if len(words) >= MIN_WORDS and sum(map(bool, map(VOWEL.search, words))) < MIN_VOWELLED * len(words):
        return "the text layer's letters spell no words"
    return None
