"""Whether a page's text layer can be believed, without reading more of the page than a strip."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

from model_actors.engine import Pixels, Words

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

STRIP_WORDS, LEAST_WORDS = 12, 8
"""Words of a page that OCR is asked about, from the middle on, in two lines or so; and how few tell nothing."""

LEGIBLE = re.compile(r"[0-9A-Za-zÀ-ɏͰ-Ͽ]{4,}")
"""Words that the OCR weights know the letters of, and that are long enough not to be met by chance."""

EDGES = ".,;:!?()[]\"'"

ALIKE = 75
"""Similarity, of 100, from which two words are readings of one: a letter in four may differ."""

SURE = 0.8
"""Mean confidence of OCR below which it refutes nothing: text that stands on its side, or is too small for it."""

MIN_BORNE_OUT = 0.5
"""Share of the words that OCR reads too, below which a layer is another text: good layers stood at 0.83 or more, a
cipher font at 0.004, layers of bad scans at 0.06 and 0.28 (22 pages)."""

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


def refuted(words: Words, pixels: Pixels, read: Callable[[Pixels], Words]) -> str | None:
    """Why a page's layer should not be believed once a strip of it was `read` by OCR; empty where it is borne out.

    None where there are too few words to tell, or OCR is not sure of them.

    `pixels` is uint8 [height, width, 3]. A strip costs about an eighth of a page.
    """
    legible = np.array([LEGIBLE.fullmatch(text.strip(EDGES)) is not None for text in words.texts], bool)
    order = np.argsort(words.boxes[:, 1] + words.boxes[:, 3], kind="stable")
    downwards = order[legible[order]]
    start = max(0, min(len(downwards) // 2, len(downwards) - STRIP_WORDS))
    boxes = words.boxes[downwards[start:start + STRIP_WORDS]]
    if len(boxes) < LEAST_WORDS:
        return None
    top, bottom = float(boxes[:, 1].min()), float(boxes[:, 3].max())
    inside = np.flatnonzero(legible & (words.boxes[:, 1] >= top) & (words.boxes[:, 3] <= bottom))
    wanted = [words.texts[index].strip(EDGES).casefold() for index in inside]
    height, margin = pixels.shape[0], (bottom - top) / 10
    first = min(int(max(0.0, top - margin) * height), height - 1)
    seen = read(pixels[first:int(min(1.0, bottom + margin) * height) + 1])
    found = [text.strip(EDGES).casefold() for text in seen.texts]
    if len(found) < LEAST_WORDS or float(seen.confidences.mean()) < SURE:
        return None
    met = sum(process.extractOne(word, found, scorer=fuzz.ratio, score_cutoff=ALIKE) is not None for word in wanted)
    if met >= MIN_BORNE_OUT * len(wanted):
        return ""
    return f"the text layer is not what the page shows: OCR reads {met} of {len(wanted)} of its words"
