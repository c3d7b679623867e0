"""Holds what was said of pages against their own words: what stands there and where, what does not, what differs.

It proves presence, not relevance: a wrong number that stands elsewhere on the page is found there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from model_actors import values
from model_actors.engine import Answer, Evidence, Words
from model_actors.layout import Box
from pipeline.grounding import passages, printed_values
from pipeline.grounding.alignment import align, counted
from pipeline.grounding.answer_parts import Part, parts_of
from pipeline.grounding.differences import THRESHOLDS, Compared, Kind, differences
from pipeline.grounding.passages import Passage
from pipeline.grounding.printed_values import Printed, PrintedText
from pipeline.grounding.reading_order import in_reading_order
from pipeline.grounding.tokens import COUNTED, Tokens, digits, page_tokens, readable, text_tokens
from schemas import answers
from schemas.checklist import Question

Status = Literal["exact", "close", "contradicted", "absent", "not_checkable"]

MOST_FINDINGS = 50
"""Findings of one transcript that are kept, the gravest first."""

MOST_EVIDENCE = 8
"""Places of one answer that are given."""

MOST_LETTERS = 300
"""Letters of a passage that a finding or evidence quotes."""

UNPLACED = 3
"""Digits of a printed value from which it contradicts one of which nothing tells where it should stand."""

GRAVITY: tuple[Kind, ...] = ("contradiction", "invented", "loop", "unsupported", "omission", "reading_order")
"""Kinds of findings, the gravest first."""

WORST: tuple[Status, ...] = ("contradicted", "absent", "close", "exact")
"""What the parts of an answer come to: the first of these that one of them has."""


@dataclass(frozen=True)
class Page:
    """The words of one page, or of one frame at a time, and whether they are its text layer or OCR's."""

    number: int | None
    time_s: float | None
    words: Words
    source: Literal["text_layer", "ocr"]

    @cached_property
    def tokens(self) -> Tokens:
        """The words cut into tokens: those of a text layer in its own order, OCR's in reading order."""
        if self.source == "text_layer":
            return page_tokens(self.words.texts)
        order = in_reading_order(self.words)
        tokens = page_tokens([self.words.texts[index] for index in order])
        return replace(tokens, words=[order[word] for word in tokens.words])

    @cached_property
    def text(self) -> PrintedText:
        """The words as one text."""
        return PrintedText.of(self.words.texts)

    @cached_property
    def numbers(self) -> tuple[Printed, ...]:
        """The numbers printed on it, in every reading."""
        return tuple(printed_values.numbers(self.text))

    @cached_property
    def dates(self) -> tuple[Printed, ...]:
        """The dates printed on it, in every reading."""
        return tuple(printed_values.dates(self.text))

    def quoted(self, words: Sequence[int]) -> str:
        """What these of its words say."""
        return _shortened([self.words.texts[word] for word in words])

    def around(self, words: Sequence[int]) -> Box:
        """The smallest box around these of its words, one at least."""
        boxes = self.words.boxes[list(words)]
        (x0, y0), (x1, y1) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
        return x0, y0, x1, y1


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
    has, both 0..1 and None where there is nothing to count. It is `exact` where nothing differs, `contradicted` where a
    number does, `absent` where too little of it is on the page by THRESHOLDS, `not_checkable` where there is nothing to
    compare or OCR cannot read its script, and else `close`.
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
    plain = [key for key, kind in zip(said.keys, said.kinds, strict=True) if kind == COUNTED]
    if not _is_checkable(plain, [page]):
        return Grounding("not_checkable", None, None)
    if not page.tokens:
        if not plain:
            return Grounding("exact", None, None)
        return Grounding("absent", 0.0, None, (Finding("invented", _shortened(words)),))
    ocr, limits = page.source == "ocr", THRESHOLDS[page.source]
    made = align(said, page.tokens, limits.alike, ocr)
    counts, wanted = counted(made, said, page.tokens, ocr)
    grounded, recalled = _share(made.likeness, counts), _share(made.found, wanted)
    lines = page.words.lines[page.tokens.words].tolist()
    found = sorted(differences(Compared(said, page.tokens, made, counts, wanted, lines, page.source)),
                   key=lambda difference: GRAVITY.index(difference.kind))
    if grounded is None and recalled is None:
        status: Status = "not_checkable"
    elif found and found[0].kind == "contradiction":
        status = "contradicted"
    elif grounded is None or grounded < limits.fail:
        status = "absent"
    else:
        status = "close" if found or grounded != 1.0 or recalled != 1.0 else "exact"
    findings = []
    for each in found[:MOST_FINDINGS]:
        spoken = words[said.words[each.start] : said.words[each.end - 1] + 1] if each.start < each.end else []
        facing = sorted({page.tokens.words[token] for token in each.facing})
        shown = page.quoted(facing) if facing and each.kind not in ("loop", "reading_order") else None
        findings.append(Finding(each.kind, _shortened(spoken), shown, page.around(facing) if facing else None))
    return Grounding(status, grounded, recalled, tuple(findings))


def needs_review(grounding: Grounding, source: Literal["text_layer", "ocr"]) -> bool:
    """Whether a person should look: something is wrong, or too much is not on the page or is left out."""
    shares = (grounding.grounded, grounding.recalled)
    return any(share is not None and share < THRESHOLDS[source].review for share in shares) or any(
        finding.kind in ("contradiction", "invented", "loop") for finding in grounding.findings)


@dataclass(frozen=True)
class GroundedAnswer:
    """How an answer stands to its pages, and where: the given evidence, with boxes, or else what was found."""

    status: Status
    evidence: tuple[Evidence, ...] = ()


def ground_answer(question: Question, answer: Answer, pages: Sequence[Page]) -> GroundedAnswer:
    """Hold an answer against the words of the pages that it is about.

    A number, an amount or a date is looked for in every format; it is `contradicted` where it is nowhere, but one that
    differs by little stands in its context, or where its own quote holds another. The context is that of its evidence,
    or else of what the question says to look for, or else all pages. A text is looked for word by word, the items of a
    list and the values of an extraction each for itself: it is `exact` if all are. Of yes, no and labels only the
    quotes of their evidence can be checked; of an event, and of a value that is not of its type, nothing.
    """
    given = tuple(_with_box(item, pages) for item in answer.evidence)
    if answer.value is None or not pages or question.answer.type == "event" or not _is_valid(question, answer):
        return GroundedAnswer("not_checkable", given)
    grounded = [_ground(part, question, answer.evidence, pages) for part in parts_of(question, answer)]
    found = {status for status, _ in grounded}
    status: Status = next((status for status in WORST if status in found), "not_checkable")
    places = [place for _, places in grounded for place in places]
    if any(item.box is not None for item in given):
        return GroundedAnswer(status, given)
    return GroundedAnswer(status, (given + tuple(dict.fromkeys(places)))[: max(MOST_EVIDENCE, len(given))])


def _is_valid(question: Question, answer: Answer) -> bool:
    try:
        answers.columns(question, answer.value or "", answer.currency)
    except answers.InvalidValueError:
        return False
    return True


def _ground(part: Part, question: Question, evidence: Sequence[Evidence], pages: Sequence[Page]) \
        -> tuple[Status, list[Evidence]]:
    if part.kind == "text":
        return _ground_text(part.value, pages)
    found: list[tuple[bool, Page, Printed]] = []
    foreign = False
    for page in pages:
        for printed in page.dates if part.kind == "date" else page.numbers:
            if printed_values.same(printed.value, part.value):
                here = part.currency is None or printed.has_currency(part.currency)
                foreign = foreign or here is False
                if here is not False:
                    found.append((bool(here and printed.sure), page, printed))
    quoted = [item.quote for item in evidence if item.quote and part.kind == question.answer.type]
    if quoted and _quotes_another(part, quoted):
        return "contradicted", [_place(page, printed.first, printed.last) for _, page, printed in found]
    if found:
        sure = any(beside for beside, _, _ in found) or (
            _currency_is_named(part, pages) and any(printed.sure for _, _, printed in found))
        found.sort(key=lambda each: not each[0])
        return "exact" if sure else "close", [_place(page, printed.first, printed.last) for _, page, printed in found]
    if foreign:
        return "contradicted", []
    near = [_place(page, printed.first, printed.last) for page, words in _context(question, evidence, pages)
            for printed in (page.dates if part.kind == "date" else page.numbers)
            if printed_values.nearly(printed.value, part.value)
            and digits(printed.value) >= max(UNPLACED if words is None else 1, THRESHOLDS[page.source].number_digits)
            and (words is None or words.intersection(range(printed.first, printed.last)))]
    return ("contradicted", near) if near else ("absent", [])


def _currency_is_named(part: Part, pages: Sequence[Page]) -> bool:
    """Whether the pages name the currency of an amount, and no other."""
    named = {currency for page in pages for currency in values.currencies(page.text.text)}
    return part.currency is not None and named == {part.currency}


def _quotes_another(part: Part, quotes: Sequence[str]) -> bool:
    """Whether values of this kind are in the quotes, and none of them is this one."""
    find = printed_values.dates if part.kind == "date" else printed_values.numbers
    quoted = [printed for quote in quotes for printed in find(PrintedText.of(quote.split()))]
    return bool(quoted) and not any(printed_values.same(printed.value, part.value) for printed in quoted)


def _context(question: Question, evidence: Sequence[Evidence], pages: Sequence[Page]) \
        -> Iterator[tuple[Page, frozenset[int] | None]]:
    """The words of the lines that hold the evidence, or what is to be looked for, and of their neighbours.

    Where neither stands anywhere: all pages, and None.
    """
    looked_for = [(None, phrase) for phrase in question.look_for]
    for wanted in ([(item, item.quote) for item in evidence if item.quote], looked_for):
        found = False
        for item, text in wanted:
            said, _ = text_tokens(text)
            for page in _pages_of(item, pages) if item else pages:
                passage = passages.find(said, page.tokens, page.source)
                if passage is not None and passage.share >= 0.5:
                    found = True
                    yield page, _lines_around(page, passage)
        if found:
            return
    yield from ((page, None) for page in pages)


def _lines_around(page: Page, passage: Passage) -> frozenset[int]:
    lines = page.words.lines
    held = lines[[page.tokens.words[token] for token in passage.tokens]]
    return frozenset(index for index, line in enumerate(lines.tolist()) if held.min() - 1 <= line <= held.max() + 1)


def _ground_text(text: str, pages: Sequence[Page]) -> tuple[Status, list[Evidence]]:
    said, _ = text_tokens(text)
    if not said or not _is_checkable(said.keys, pages):
        return "not_checkable", []
    found = [(page, passage) for page in pages
             if (passage := passages.find(said, page.tokens, page.source)) is not None]
    places = [_place_of(page, passage) for page, passage in sorted(found, key=lambda each: -each[1].share)
              if passage.contradicted or passage.share >= THRESHOLDS[page.source].fail]
    if any(passage.exact for _, passage in found):
        return "exact", [_place_of(page, passage) for page, passage in found if passage.exact]
    if any(not passage.contradicted and passage.share >= THRESHOLDS[page.source].fail for page, passage in found):
        return "close", places
    return ("contradicted", places) if any(passage.contradicted for _, passage in found) else ("absent", [])


def _with_box(item: Evidence, pages: Sequence[Page]) -> Evidence:
    """Evidence with the box of its quote, and the page or time on which that stands."""
    if item.quote is None or item.box is not None:
        return item
    said, _ = text_tokens(item.quote)
    found = [(page, passage) for page in _pages_of(item, pages)
             if (passage := passages.find(said, page.tokens, page.source)) is not None
             and passage.share >= THRESHOLDS[page.source].fail]
    if not found:
        return item
    page, passage = max(found, key=lambda each: each[1].share)
    place = _place_of(page, passage)
    time_s = page.time_s if item.time_s is None else item.time_s
    return replace(item, page=page.number if item.page is None else item.page, time_s=time_s, box=place.box)


def _pages_of(item: Evidence, pages: Sequence[Page]) -> list[Page]:
    """The pages that evidence is about: the one that it names, or those within its time, or all."""
    if item.page is not None:
        return [page for page in pages if page.number == item.page]
    if item.time_s is not None:
        end = item.time_s if item.end_s is None else item.end_s
        return [page for page in pages if page.time_s is not None and item.time_s <= page.time_s <= end]
    return list(pages)


def _place_of(page: Page, passage: Passage) -> Evidence:
    words = sorted({page.tokens.words[token] for token in passage.tokens})
    return Evidence(page.number, page.time_s, page.time_s, page.around(words), page.quoted(words))


def _place(page: Page, first: int, last: int) -> Evidence:
    words = range(first, last)
    return Evidence(page.number, page.time_s, page.time_s, page.around(words), page.quoted(words))


def _is_checkable(keys: Sequence[str], pages: Sequence[Page]) -> bool:
    """Whether the scripts of most tokens are ones that OCR knows, where OCR alone has read the pages."""
    if any(page.source == "text_layer" for page in pages):
        return True
    return sum(map(readable, keys)) >= len(keys) / 2


def _share(shares: Sequence[float], counts: Sequence[bool]) -> float | None:
    counted_ = [share for share, counts_ in zip(shares, counts, strict=True) if counts_]
    return sum(counted_) / len(counted_) if counted_ else None


def _shortened(words: Sequence[str]) -> str:
    joined = " ".join(words)
    return joined if len(joined) <= MOST_LETTERS else joined[: MOST_LETTERS - 1] + "…"
