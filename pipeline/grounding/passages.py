"""Finds where a short text stands on a page, word for word or nearly."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rapidfuzz.fuzz import partial_ratio_alignment

from pipeline.grounding.alignment import align, counted
from pipeline.grounding.differences import THRESHOLDS
from pipeline.grounding.printed_values import nearly
from pipeline.grounding.tokens import Tokens, is_number

LEAST_LIKENESS = 60.0
"""Likeness (0..100, rapidfuzz's partial ratio) of a text to the passage most like it below which it is another."""

SCATTERED = 8
"""Tokens of a text from which it may stand in pieces, moved or with others between them."""


@dataclass(frozen=True)
class Passage:
    """Where a text stands best on a page: which of its tokens, and which share (0..1) of the text they have.

    `exact` says that they are its own, one after the other, and `contradicted` that a number of the text is nowhere on
    the page and others, which are among the tokens, stand in its place.
    """

    tokens: tuple[int, ...]
    share: float
    exact: bool = False
    contradicted: bool = False


def find(said: Tokens, page: Tokens, source: str) -> Passage | None:
    """The passage of a page that a text is most like; None where none is like it."""
    if not said or not page:
        return None
    joined = " ".join(page.keys)
    starts = [0, *accumulate(len(key) + 1 for key in page.keys)]
    written = " ".join(said.keys)
    at = f" {joined} ".find(f" {written} ")
    if at >= 0:
        first = bisect_right(starts, at) - 1
        return Passage(tuple(range(first, first + len(said))), 1.0, exact=True)
    limits = THRESHOLDS[source]
    best = partial_ratio_alignment(written, joined, score_cutoff=LEAST_LIKENESS)
    if best is None:
        return None
    first = max(0, bisect_right(starts, best.dest_start) - 2)
    last = min(len(page), bisect_right(starts, max(best.dest_start, best.dest_end - 1)) + 1)
    around = Passage((), 0.0)
    for window in (range(first, last), range(len(page)) if len(said) >= SCATTERED else range(0)):
        found = _within(said, page, window, source)
        if found.contradicted or found.share >= limits.fail:
            return found
        around = max(around, found, key=lambda passage: passage.share)
    return around if around.tokens else None


def _within(said: Tokens, page: Tokens, window: range, source: str) -> Passage:
    ocr = source == "ocr"
    part = Tokens([page.keys[token] for token in window], [page.words[token] for token in window], [0] * len(window))
    made = align(said, part, THRESHOLDS[source].alike, ocr)
    counts, _ = counted(made, said, part, ocr)
    shares = [share for share, counts_ in zip(made.likeness, counts, strict=True) if counts_]
    tokens = tuple(sorted({window[token] for token in made.at if token >= 0}))
    others = {window[token] for gap in made.gaps() if _contradicts(
        said.keys[gap.start : gap.end], part.keys[gap.page_start : gap.page_end], len(tokens), page, ocr)
        for token in range(gap.page_start, gap.page_end) if is_number(part.keys[token])}
    share = sum(shares) / len(shares) if shares else 0.0
    exact = share == 1.0 and not any(made.moved) and tokens == tuple(range(tokens[0], tokens[-1] + 1))
    return Passage(tuple(sorted({*tokens, *others})), share, exact, contradicted=bool(others))


def _contradicts(said: Sequence[str], facing: Sequence[str], anchors: int, page: Tokens, ocr: bool) -> bool:
    """Whether a number that is nowhere on the page faces another.

    That this is its place is told by two words that are found around it, or by the two being alike.
    """
    others = [key for key in facing if is_number(key)]
    return any(anchors >= 2 or any(nearly(key, other) for other in others)
               for key in said if others and is_number(key) and not page.has_number(key, ocr))
