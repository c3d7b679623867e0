"""What is wrong with a text that was aligned with its page: contradictions, what is not there, what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Indel

from pipeline.grounding.alignment import MOVED, Alignment, Gap
from pipeline.grounding.loops import loops
from pipeline.grounding.tokens import Tokens, digits, is_number, letters

Kind = Literal["contradiction", "unsupported", "omission", "loop", "invented", "reading_order"]


@dataclass(frozen=True)
class Thresholds:
    """What counts, by where a page's words come from.

    `review` and `fail` are shares (0..1) of tokens, of the text on the page and of the page in the text: below `review`
    a person should look, below `fail` the text is another. Words are the same from a likeness (0..1) of `alike`.
    Numbers are reported from so many digits on, words from so many letters; those that stand in no other's place from
    so many in a `run`, and those of the page that nothing stands for from so many `missing` in a row, or a whole line.
    """

    review: float
    fail: float
    alike: float
    number_digits: int
    word_letters: int
    run: int
    missing: int


THRESHOLDS = {
    "text_layer": Thresholds(review=0.97, fail=0.90, alike=0.75, number_digits=1, word_letters=2, run=1, missing=1),
    "ocr": Thresholds(review=0.93, fail=0.85, alike=0.6, number_digits=3, word_letters=4, run=3, missing=3),
}
"""Measured on corrupted transcripts of real pages, and shown by infra/bench/grounding.py."""

SURPLUS = 3
"""Tokens that the page has more than what stands in their place, from which the others are an omission too."""


NEAREST = 8
"""Numbers before and behind its place among which the one is looked for that a wrong number stands for."""


@dataclass(frozen=True)
class Difference:
    """Tokens of the text from `start` to `end`, none for an omission, and the tokens of the page that they face."""

    kind: Kind
    start: int
    end: int
    facing: Sequence[int] = ()


@dataclass(frozen=True)
class Compared:
    """A text and a page, aligned, which of their tokens count, the line of each of the page's, and its source."""

    text: Tokens
    page: Tokens
    made: Alignment
    counted: list[bool]
    wanted: list[bool]
    lines: list[int]
    source: str


def differences(compared: Compared) -> Iterator[Difference]:
    """Everything that differs, in no particular order."""
    text, made = compared.text, compared.made
    looped = [False] * len(text)
    for loop in loops(text.keys, compared.page.keys):
        looped[loop.start : loop.end] = [True] * (loop.end - loop.start)
        phrase = [token for token in made.at[max(0, loop.start - loop.period) : loop.end] if token >= 0]
        yield Difference("loop", loop.start, loop.end, phrase[: loop.period])
    for gap in made.gaps():
        yield from _in_gap(compared, gap, looped)
    moved = [place for place, elsewhere in enumerate(made.moved) if elsewhere and not looped[place]]
    if len(moved) >= MOVED:
        length = next((length for length in range(1, len(moved)) if moved[length] != moved[0] + length), len(moved))
        yield Difference("reading_order", moved[0], moved[0] + length, [made.at[place] for place in moved])


def _in_gap(compared: Compared, gap: Gap, looped: Sequence[bool]) -> Iterator[Difference]:
    limits, said, there = THRESHOLDS[compared.source], compared.text.keys, compared.page.keys
    facing = [token for token in range(gap.page_start, gap.page_end) if compared.wanted[token]]
    places = [place for place in range(gap.start, gap.end) if compared.counted[place] and not looped[place]]
    others = [token for token in facing if is_number(there[token])]
    left = []
    for place in places:
        if others and digits(said[place]) >= limits.number_digits and not compared.page.has_number(
                said[place], compared.source == "ocr"):
            middle = len(others) * (place - gap.start) // (gap.end - gap.start)
            beside = others[max(0, middle - NEAREST) : middle + NEAREST + 1]
            nearest = max(beside, key=lambda token: Indel.normalized_similarity(said[place], there[token]))
            yield Difference("contradiction", place, place + 1, [nearest])
        else:
            left.append(place)
    weighty = any(digits(said[place]) >= limits.number_digits if is_number(said[place])
                  else letters(said[place]) >= limits.word_letters for place in left)
    if weighty and (facing or len(left) >= limits.run):
        yield Difference("unsupported", left[0], left[-1] + 1, facing)
    if places:
        left_out = len(facing) - len(places) >= SURPLUS
    else:
        left_out = len(facing) >= limits.missing or _is_line(compared, facing)
    if left_out and sum(letters(there[token]) for token in facing) >= limits.word_letters:
        yield Difference("omission", gap.start, gap.start, facing)


def _is_line(compared: Compared, missing: Sequence[int]) -> bool:
    """Whether these tokens of a page, which follow each other, are all of one line or several."""
    if not missing:
        return False
    lines, first, last = compared.lines, missing[0], missing[-1]
    begins = first == 0 or lines[first - 1] != lines[first]
    ends = last + 1 == len(lines) or lines[last + 1] != lines[last]
    return begins and ends
