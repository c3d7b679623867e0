"""Whether a page's text layer can be believed without reading the page again."""

from __future__ import annotations

import re
from collections.abc import Sequence

LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]{4,}")
VOWEL = re.compile(r"[aeiouyà-æè-ïò-öø-üāăąēĕėęěīĭįıōŏőœūŭůűųAEIOUYÀ-ÆÈ-ÏÒ-ÖØ-Ü]")

UNMAPPED = re.compile("[\x00-\x1f\ue000-\uf8ff\ufffd]")

MAX_UNMAPPED = 0.05
"""Share of unmapped characters above which a layer is distrusted."""

MIN_VOWELLED = 0.75
"""Share of Latin words of four letters or more that hold a vowel; European prose stands above 0.95, a substitution
cipher near the share of words that happen to hold one of the five or six letters."""

MIN_WORDS = 20
"""Words below which no share is told from a page."""


def distrust(texts: Sequence[str], scan_layer: bool) -> str | None:
    """Why a text layer should not be believed, or None."""
    if not texts:
        return "no text layer"
    if scan_layer:
        return "the text layer is another OCR's, under a picture of the page"
    joined = "".join(texts)
    if len(UNMAPPED.findall(joined)) > MAX_UNMAPPED * len(joined):
        return "the text layer's characters are unmapped"
    words = LATIN_WORD.findall(" ".join(texts))
    if len(words) >= MIN_WORDS and sum(map(bool, map(VOWEL.search, words))) < MIN_VOWELLED * len(words):
        return "the text layer's letters spell no words"
    return None
