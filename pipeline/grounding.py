"""Holds what was said of a page against the page's own words: what stands there and where, what does not, what differs.

It proves presence, not relevance: a wrong number that stands elsewhere on the page is found there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rapidfuzz.distance.Indel import normalized_similarity

from model_actors.engine import Answer, Evidence, Words
from model_actors.layout import Box
from pipeline.alignment import Alignment, Gap, align, counted
from pipeline.loops import loops
from pipeline.tokens import Tokens, digits, is_number, page_tokens, readable, same_number, text_tokens
from schemas.checklist import Question

Status = Literal["exact", "close", "contradicted", "absent", "not_checkable"]
Kind = Literal["contradiction", "unsupported", "omission", "loop", "invented", "reading_order"]
Source = Literal["text_layer", "ocr"]


@dataclass(frozen=True)
class Thresholds:
    """What counts, by where a page's words come from.

    `review` and `fail` are shares of tokens, of the text on the page and of the page in the text: below `review` a
    person should look, below `fail` the text is another. Words are the same from a likeness of `alike`. Numbers are
    reported from so many digits on, words that stand in another's place from so many letters, and words that nothing
    stands in place of from so many in a row.
    """

    review: float
    fail: float
    alike: float
    number_digits: int
    word_letters: int
    run: int


THRESHOLDS: dict[str, Thresholds] = {
    "text_layer": Thresholds(review=0.97, fail=0.90, alike=0.75, number_digits=1, word_letters=2, run=1),
    "ocr": Thresholds(review=0.93, fail=0.85, alike=0.6, number_digits=3, word_letters=4, run=3),
}
"""Measured on corrupted transcripts of real pages, and printed again by infra/bench/grounding.py."""

MOST_FINDINGS = 50
"""Findings of one transcript that are kept, the gravest first."""

MOST_LETTERS = 300
"""Letters of a passage that a finding quotes."""

OMITTED = 3
"""Tokens of the page in a row that are missing from which it is an omission, unless they are a whole line."""

MOVED = 5
"""Tokens that stand in another order from which it is told."""

ORDER: tuple[Kind, ...] = ("contradiction", "invented", "loop", "unsupported", "omission", "reading_order")
"""Kinds of findings, the gravest first."""


@dataclass(frozen=True)
class Page:
    """The words of one page, or of one frame at a time, and whether they are its text layer or OCR's."""

    number: int | None
    time_s: float | None
    words: Words
    source: Source

    @cached_property
    def tokens(self) -> Tokens:
        """The words cut into tokens."""
        return page_tokens(self.words.texts, self.words.lines)


@dataclass(frozen=True)
class Finding:
    """One difference: what was said, empty for an omission, what the page says there, and where, in 0..1."""

    kind: Kind
    text: str
    expected: str | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Grounding:
    """How a transcript stands to its page.

    `grounded` is the share of its tokens that are found on the page, `recalled` the share of the page's tokens that it
    has, both 0..1 and None where there is nothing to count. `absent` is what is mostly not on the page.
    """

    status: Status
    grounded: float | None
    recalled: float | None
    findings: tuple[Finding, ...] = ()


def ground_transcript(text: str, page: Page) -> Grounding:
    """Hold a transcript, which may be Markdown, against the words of its page.

    Markup is not compared. Formulas and descriptions of figures need not be on the page, and excuse what stands in
    their place. At most MOST_FINDINGS are kept.
    """
    said, words = text_tokens(text)
    there, ocr = page.tokens, page.source == "ocr"
    checked = [not kind and (not ocr or readable(key)) for kind, key in zip(said.kinds, said.keys, strict=True)]
    spoken = said.kinds.count(0)
    if spoken and sum(checked) < spoken / 2:
        return Grounding("not_checkable", None, None)
    if not there:
        invented = Finding("invented", _shortened(words))
        return Grounding("absent", 0.0, None, (invented,)) if spoken else Grounding("exact", None, None)
    made = align(said, there, THRESHOLDS[page.source].alike, ocr)
    counts, wanted = counted(made, said, there, ocr)
    grounded = _share(made.likeness, counts)
    recalled = _share(made.found, wanted)
    compared = _Compared(page, said, words, made, counts, wanted)
    findings = sorted(_findings(compared), key=lambda finding: ORDER.index(finding.kind))
    return Grounding(_status(page, grounded, recalled, findings), grounded, recalled, tuple(findings[:MOST_FINDINGS]))


def needs_review(grounding: Grounding, source: Source) -> bool:
    """Whether a person should look at a transcript: something in it is wrong, or too much of it or of the page is."""
    least = THRESHOLDS[source].review
    shares = [share for share in (grounding.grounded, grounding.recalled) if share is not None]
    return any(share < least for share in shares) or any(
        finding.kind in ("contradiction", "invented", "loop") for finding in grounding.findings)


def _status(page: Page, grounded: float | None, recalled: float | None, findings: Sequence[Finding]) -> Status:
    if any(finding.kind == "contradiction" for finding in findings):
        return "contradicted"
    if grounded is not None and grounded < THRESHOLDS[page.source].fail:
        return "absent"
    return "close" if findings or grounded != 1.0 or recalled != 1.0 else "exact"


def _share(shares: Sequence[float], counts: Sequence[bool]) -> float | None:
    counted = [share for share, counts_ in zip(shares, counts, strict=True) if counts_]
    return sum(counted) / len(counted) if counted else None


@dataclass(frozen=True)
class _Compared:
    """A text and its page, aligned; which tokens of each count."""

    page: Page
    said: Tokens
    words: list[str]
    made: Alignment
    counts: list[bool]
    wanted: list[bool]

    def text(self, start: int, end: int) -> str:
        """What tokens of the text say, as it was written."""
        return _shortened(self.words[self.said.words[start] : self.said.words[end - 1] + 1]) if start < end else ""

    def printed(self, start: int, end: int) -> str:
        """What tokens of the page say, as it is printed."""
        there = self.page.tokens.words
        return _shortened(self.page.words.texts[there[start] : there[end - 1] + 1])

    def box(self, start: int, end: int) -> Box | None:
        """The box of tokens of the page."""
        return box_around(self.page, range(start, end))


def box_around(page: Page, tokens: Sequence[int]) -> Box | None:
    """The smallest box around tokens of a page; None of none."""
    if not tokens:
        return None
    boxes = page.words.boxes[[page.tokens.words[token] for token in tokens]]
    (x0, y0), (x1, y1) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    return x0, y0, x1, y1


def _findings(compared: _Compared) -> Iterator[Finding]:
    made, said, there = compared.made, compared.said, compared.page.tokens
    looped = [False] * len(said)
    for loop in loops(said.keys, there.keys):
        looped[loop.start : loop.end] = [True] * (loop.end - loop.start)
        phrase = [token for token in made.at[max(0, loop.start - loop.period) : loop.end] if token >= 0]
        yield Finding("loop", compared.text(loop.start, loop.end),
                      box=box_around(compared.page, phrase[: loop.period]))
    for gap in made.gaps():
        yield from _differences(compared, gap, looped)
    moved = [place for place, other in enumerate(made.moved) if other and not looped[place]]
    if len(moved) >= MOVED:
        first = next((place for place in range(len(moved)) if place + 1 == len(moved)
                      or moved[place + 1] != moved[place] + 1), 0)
        yield Finding("reading_order", compared.text(moved[0], moved[first] + 1),
                      box=box_around(compared.page, [made.at[place] for place in moved]))


def _differences(compared: _Compared, gap: Gap, looped: Sequence[bool]) -> Iterator[Finding]:
    limits, said, there = THRESHOLDS[compared.page.source], compared.said, compared.page.tokens
    ocr = compared.page.source == "ocr"
    facing = [token for token in range(gap.page_start, gap.page_end) if compared.wanted[token]]
    places = [place for place in range(gap.start, gap.end) if compared.counts[place] and not looped[place]]
    numbers = [place for place in places if is_number(said.keys[place])
               and digits(said.keys[place]) >= limits.number_digits]
    others = [token for token in facing if is_number(there.keys[token])]
    told: set[int] = set()
    for place in numbers:
        if others and not any(same_number(said.keys[place], key, ocr) for key in there.keys if is_number(key)):
            other = max(others, key=lambda token: normalized_similarity(said.keys[place], there.keys[token]))
            told.add(place)
            yield Finding("contradiction", compared.text(place, place + 1), compared.printed(other, other + 1),
                          compared.box(other, other + 1))
    rest = [place for place in places if place not in told]
    letters = max((len(said.keys[place]) for place in rest if not (ocr and is_number(said.keys[place]))), default=0)
    if rest and letters >= (limits.word_letters if facing else 2) and (facing or len(rest) >= limits.run):
        yield Finding("unsupported", compared.text(rest[0], rest[-1] + 1),
                      compared.printed(facing[0], facing[-1] + 1) if facing else None,
                      box_around(compared.page, facing))
    if len(facing) - len(places) >= OMITTED or (facing and not places and _is_line(compared, facing)):
        yield Finding("omission", "", compared.printed(facing[0], facing[-1] + 1), box_around(compared.page, facing))


def _is_line(compared: _Compared, missing: Sequence[int]) -> bool:
    """Whether these tokens of a page are all of a line, and say something."""
    words, there = compared.page.words, compared.page.tokens
    lines = {int(words.lines[there.words[token]]) for token in missing}
    rest = set(range(max(0, missing[0] - 1), min(len(there), missing[-1] + 2))) - set(missing)
    whole = not any(int(words.lines[there.words[token]]) in lines for token in rest)
    return whole and sum(len(there.keys[token]) for token in missing) > 2


def _shortened(words: Sequence[str]) -> str:
    joined = " ".join(words)
    return joined if len(joined) <= MOST_LETTERS else joined[: MOST_LETTERS - 1] + "…"


@dataclass(frozen=True)
class GroundedAnswer:
    """How an answer stands to its pages, and where: the given evidence, with boxes, or what was found."""

    status: Status
    evidence: tuple[Evidence, ...] = ()


def ground_answer(question: Question, answer: Answer, pages: Sequence[Page]) -> GroundedAnswer:
    """Hold an answer against the words of the pages that it is about."""
    return GroundedAnswer("not_checkable", answer.evidence)
