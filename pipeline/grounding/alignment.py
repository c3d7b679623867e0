"""Aligns the tokens of a text with those of a page: in order, then what was moved, then what is nearly the same.

The longest common subsequence comes from rapidfuzz (`Indel.opcodes`). What it leaves on both sides is tiled by common
n-grams in any order (greedy string tiling, Wise, 1993), and what still faces each other in a gap is compared letter by
letter, words cut in two or run together among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from pipeline.grounding.tokens import COUNTED, LOOSE, Tokens, bare, digits, is_number, readable, same_number

TILES = (5, 3, 2)
"""Tokens of an n-gram that is looked for elsewhere on the page, longest first."""

MOVED = 5
"""Tokens that were moved from which the order of the page is another."""

LONG_NUMBER = 3
"""Digits of a number from which it is looked for elsewhere on the page by itself."""

SCATTERED = 3
"""Words in a row from which they may stand on the page singly."""

JOINED = ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1))
"""How many tokens of the text and of the page may be one word, cut or run together."""

MOST_PAIRS = 400
"""Pairs of tokens in a gap above which they are not compared letter by letter: these are other passages."""

SHORT_WORD = 4
"""Letters of a word below which it must be the same to the letter in a text layer."""


@dataclass(frozen=True)
class Gap:
    """Tokens of the text that stand nowhere, from `start` to `end`, and those of the page where they should be."""

    start: int
    end: int
    page_start: int
    page_end: int


@dataclass(frozen=True)
class Alignment:
    """For each token of the text the one of the page, or -1, how alike they are (0..1), and whether it was moved.

    `found` says the same for each token of the page: how much of it (0..1) the text has.
    """

    at: list[int]
    likeness: list[float]
    moved: list[bool]
    found: list[float]

    def gaps(self) -> Iterator[Gap]:
        """Runs of the text that stand nowhere, and runs of the page that the text lacks, each with what it faces."""
        seen: set[int] = set()
        for start, end in self.unmatched():
            first, last = self._facing(start, end)
            seen.update(range(first, last))
            yield Gap(start, end, first, last)
        for first, last in self.unfound():
            if first not in seen:
                place = self.at.index(first - 1) + 1 if first and first - 1 in self.at else 0
                yield Gap(place, place, first, last)

    def unmatched(self) -> Iterator[tuple[int, int]]:
        """Runs of the text that are matched by nothing, the end exclusive."""
        return _runs([place for place, token in enumerate(self.at) if token < 0])

    def unfound(self) -> Iterator[tuple[int, int]]:
        """Runs of the page that are matched by nothing, the end exclusive."""
        return _runs([token for token, share in enumerate(self.found) if not share])

    def _facing(self, start: int, end: int) -> tuple[int, int]:
        """The run of the page, unmatched too, behind what stands before the gap, or before what stands behind it."""
        first = self.at[start - 1] + 1 if start else 0
        last = first
        while last < len(self.found) and not self.found[last]:
            last += 1
        if first == last:
            first = last = self.at[end] if end < len(self.at) else len(self.found)
            while first > 0 and not self.found[first - 1]:
                first -= 1
        return first, last


def align(text: Tokens, page: Tokens, alike: float, ocr: bool) -> Alignment:
    """Where each token of a text stands on a page. `alike` is the likeness (0..1) from which two words are the same."""
    made = Alignment([-1] * len(text), [0.0] * len(text), [False] * len(text), [0.0] * len(page))
    for same in Indel.opcodes(text.keys, page.keys).as_matching_blocks():
        made.at[same.a : same.a + same.size] = range(same.b, same.b + same.size)
        made.likeness[same.a : same.a + same.size] = made.found[same.b : same.b + same.size] = [1.0] * same.size
    for size in TILES:
        _tile(made, text.keys, page.keys, size)
    _find_single(made, text.keys, page.keys, ocr)
    for gap in list(made.gaps()):
        if 0 < (gap.end - gap.start) * (gap.page_end - gap.page_start) <= MOST_PAIRS:
            _compare(made, text, page, gap, alike, ocr)
    return made


def _match(made: Alignment, place: int, token: int, likeness: float, moved: bool = False) -> None:
    made.at[place], made.likeness[place], made.moved[place] = token, likeness, moved
    made.found[token] = max(made.found[token], likeness)


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = end = -1
    for index in indices:
        if index != end:
            if start >= 0:
                yield start, end
            start = index
        end = index + 1
    if start >= 0:
        yield start, end


def _tile(made: Alignment, text: Sequence[str], page: Sequence[str], size: int) -> None:
    """Match runs of at least `size` tokens, unmatched on both sides, wherever they stand."""
    places: dict[tuple[str, ...], list[int]] = {}
    for first, last in list(made.unfound())[::-1]:
        for token in range(last - size, first - 1, -1):
            places.setdefault(tuple(page[token : token + size]), []).append(token)
    if not places:
        return
    for start, end in list(made.unmatched()):
        place = start
        while place <= end - size:
            starts = places.get(tuple(text[place : place + size]), [])
            while starts and any(made.found[starts[-1] : starts[-1] + size]):
                starts.pop()
            if not starts:
                place += 1
                continue
            token = starts.pop()
            while place < end and token < len(page) and not made.found[token] and text[place] == page[token]:
                _match(made, place, token, 1.0, moved=True)
                place, token = place + 1, token + 1


def _find_single(made: Alignment, text: Sequence[str], page: Sequence[str], ocr: bool) -> None:
    """Match single tokens that stand elsewhere on the page.

    These are long numbers; words of a run of SCATTERED or more that are all there; and, where the order of the page is
    another, words beside moved ones. One word alone in the place of another is no moved one.
    """
    left: dict[str, list[int]] = {}
    for first, last in made.unfound():
        for token in range(first, last):
            left.setdefault(bare(page[token], ocr), []).append(token)
    reordered = sum(made.moved) >= MOVED
    for start, end in list(made.unmatched()):
        scattered = end - start >= SCATTERED and all(left.get(bare(key, ocr)) for key in text[start:end])
        for place in range(start, end):
            beside = reordered and any(made.moved[max(0, place - 1) : place + 2])
            if not beside and not scattered and digits(text[place]) < LONG_NUMBER:
                continue
            free = left.get(bare(text[place], ocr), [])
            for token in free:
                if same_number(text[place], page[token], ocr):
                    free.remove(token)
                    _match(made, place, token, 1.0, moved=True)
                    break


def _compare(made: Alignment, text: Tokens, page: Tokens, gap: Gap, alike: float, ocr: bool) -> None:
    """Match what is alike in a gap, in order: the pairing of the most letters, by dynamic programming."""
    rows, columns = gap.end - gap.start, gap.page_end - gap.page_start
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    step: list[list[tuple[int, int, float]]] = [[(1, 0, 0.0)] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            score, move = best[row + 1][column], (1, 0, 0.0)
            if best[row][column + 1] > score:
                score, move = best[row][column + 1], (0, 1, 0.0)
            for down, across in JOINED:
                if row + down > rows or column + across > columns:
                    continue
                one = text.keys[gap.start + row : gap.start + row + down]
                other = page.keys[gap.page_start + column : gap.page_start + column + across]
                likeness = _likeness(one, other, alike, ocr)
                gained = best[row + down][column + across] + likeness * sum(map(len, one))
                if likeness and gained > score:
                    score, move = gained, (down, across, likeness)
            best[row][column], step[row][column] = score, move
    row = column = 0
    while row < rows and column < columns:
        down, across, likeness = step[row][column]
        if likeness:
            for offset in range(max(down, across)):
                _match(made, gap.start + row + min(offset, down - 1), gap.page_start + column + min(offset, across - 1),
                       likeness)
        row, column = row + down, column + across


def _likeness(one: Sequence[str], other: Sequence[str], alike: float, ocr: bool) -> float:
    """How alike two words are that may be cut in pieces, 0..1; 0 below what counts. Numbers are the same or not."""
    if len(one) == len(other) == 1 and is_number(one[0]) and is_number(other[0]):
        return float(same_number(one[0], other[0], ocr))
    joined, there = bare("".join(one), ocr), bare("".join(other), ocr)
    if joined == there:
        return 1.0
    if is_number(joined) or is_number(there) or (not ocr and min(len(joined), len(there)) < SHORT_WORD):
        return 0.0
    return Indel.normalized_similarity(joined, there, score_cutoff=alike)


def counted(made: Alignment, text: Tokens, page: Tokens, ocr: bool) -> tuple[list[bool], list[bool]]:
    """Which tokens of the text, and of the page, count: not markup, nor what faces a formula or a figure in a gap.

    With OCR, nor words in scripts that it does not know. What is on the page counts in any case.
    """
    checked = [token >= 0 or (kind == COUNTED and (not ocr or readable(key)))
               for kind, key, token in zip(text.kinds, text.keys, made.at, strict=True)]
    wanted = [True] * len(page)
    for gap in made.gaps():
        around = range(max(0, gap.start - 1), min(len(text), gap.end + 1))
        if any(text.kinds[place] == LOOSE or (text.kinds[place] == COUNTED and not checked[place]) for place in around):
            wanted[gap.page_start : gap.page_end] = [False] * (gap.page_end - gap.page_start)
    return checked, wanted
