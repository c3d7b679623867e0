"""Typed answers by rule: a value of the asked type that stands beside a printed key which the question names.

A value is taken only where one key fits clearly better than every other; else the rule abstains and says why. Nothing
here guesses, and nothing here reads meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from model_actors import values
from model_actors.engine import Answer, Evidence, Words
from model_actors.keys import fit, phrases
from model_actors.layout import Segment, rows, union
from model_actors.values import Found
from schemas.checklist import Label, Question

MIN_FIT = 0.8
"""Fit of a key below which a value does not belong to it."""

CLEAR_LEAD = 0.08
"""Lead in fit over every other value below which two values stand beside keys alike."""

MIN_WORD_CONFIDENCE = 0.6
"""OCR confidence of a value's words below which the value is not taken."""

MIN_LABEL_CONFIDENCE = 0.4
"""The same for a label: one of a few phrases is known again though a letter of it is hardly legible."""

HINTED, UNHINTED = 0.7, 0.5
"""Confidence of a perfectly fitting key, by whether the user gave it; a rule is never surer than that."""

CELL_SHARE = 0.25
"""Share of a cell that a value must fill to belong to the key in the cell left of it or above it."""

TITLE_SHARE = 0.35
"""Upper part of a first page in which a document names its kind."""

HEADER_REACH = 40
"""Rows over which a column header is looked for above a value."""


@dataclass(frozen=True)
class Reading:
    """The words of one page, with their segments in rows."""

    page: int | None
    words: Words
    rows: list[list[Segment]]

    @staticmethod
    def of(page: int | None, words: Words, found: Sequence[Segment]) -> Reading:
        """The reading of a page from its segments."""
        return Reading(page, words, rows(found))


@dataclass(frozen=True)
class _Candidate:
    fit: float
    found: Found
    reading: Reading
    words: tuple[int, ...]
    quote: str
    key: str


Finder = Callable[[str], Iterator[Found]]


def answer_by_rule(question: Question, readings: Sequence[Reading]) -> Answer:
    """The answer of a rule, or an abstention with its reason."""
    kind = question.answer.type
    everything = "\n".join(segment.text for reading in readings for row in reading.rows for segment in row)
    commas, named = values.comma_decimals(everything), values.currencies(everything)

    def amounts(text: str) -> Iterator[Found]:
        yield from values.amounts(text, commas)
        if len(named) == 1:
            yield from values.bare_amounts(text, commas, next(iter(named)))

    finders: dict[str, Finder] = {
        "money": amounts, "date": values.dates,
        "number": lambda text: values.numbers(text, commas), "yes/no": values.yes_or_no}
    if kind == "label":
        return _settle(question, list(_titles(question, readings)) or
                       list(_beside_keys(question, readings, _label_finder(question))))
    if kind == "text":
        return _settle(question, list(_texts(question, readings)))
    if kind in finders:
        return _settle(question, list(_beside_keys(question, readings, finders[kind])))
    return Answer(question.id, None, reason=f"no rule answers a question of type {kind}; it needs a model")


def _settle(question: Question, candidates: list[_Candidate]) -> Answer:
    fitting = sorted((item for item in candidates if item.fit >= MIN_FIT), key=lambda item: -item.fit)
    if not fitting:
        return Answer(question.id, None, reason="no value of this type stands beside a key that the question names")
    best = fitting[0]
    rivals = {(item.found.value, item.found.currency): item for item in reversed(fitting)
              if item.fit > best.fit - CLEAR_LEAD}
    evidence = tuple(_evidence(item) for item in list(rivals.values())[::-1][:3])
    if len(rivals) > 1:
        shown = ", ".join(item.quote for item in list(rivals.values())[::-1][:4])
        return Answer(question.id, None, evidence=evidence, reason=f"several values stand beside keys alike: {shown}")
    if best.found.value is None:
        return Answer(question.id, None, evidence=evidence, reason=f"{best.quote} can be read in two ways")
    sure = float(best.reading.words.confidences[list(best.words)].min())
    if sure < (MIN_LABEL_CONFIDENCE if question.answer.type == "label" else MIN_WORD_CONFIDENCE):
        return Answer(question.id, None, evidence=evidence, reason=f"{best.quote} is not legible enough")
    ceiling = HINTED if question.look_for else UNHINTED
    return Answer(question.id, best.found.value, best.found.currency, round(ceiling * min(1.0, best.fit) * sure, 4),
                  "rule", evidence, reason=f"stands beside {best.key!r}")


def _evidence(item: _Candidate) -> Evidence:
    box = union([tuple(item.reading.words.boxes[index].tolist()) for index in item.words])
    return Evidence(page=item.reading.page, box=box, quote=item.quote, score=item.fit)


@dataclass(frozen=True)
class _RowText:
    text: str
    words: tuple[int, ...]
    starts: tuple[int, ...]
    segments: tuple[Segment, ...]
    offsets: tuple[int, ...]

    def covering(self, start: int, end: int, words: Words) -> tuple[int, ...]:
        return tuple(word for word, at in zip(self.words, self.starts, strict=True)
                     if at < end and start < at + len(words.texts[word]))


def _row_text(row: Sequence[Segment], words: Words) -> _RowText:
    text, order, starts, offsets = "", [], [], []
    for segment in row:
        text += "   " if text else ""
        offsets.append(len(text))
        for place, index in enumerate(segment.words):
            text += " " if place else ""
            order.append(index)
            starts.append(len(text))
            text += words.texts[index]
    return _RowText(text, tuple(order), tuple(starts), tuple(row), tuple(offsets))


def _beside_keys(question: Question, readings: Sequence[Reading], finder: Finder) -> Iterator[_Candidate]:
    wanted = [*phrases(question), " ".join(question.look_for)]  # hints may name a table's row and column
    for reading in readings:
        for place, row in enumerate(reading.rows):
            line = _row_text(row, reading.words)
            last_end = 0
            for found in sorted(finder(line.text), key=lambda item: item.start):
                keys = _keys(reading, place, line, found, last_end)
                last_end = found.end
                score, key = max(((strength * fit(key, wanted), key) for key, strength in keys), default=(0.0, ""))
                if score:
                    words = line.covering(found.start, found.end, reading.words)
                    yield _Candidate(score, found, reading, words, line.text[found.start : found.end].strip(), key)


def _keys(reading: Reading, place: int, line: _RowText, found: Found, last_end: int) -> Iterator[tuple[str, float]]:
    """Texts that may be the key of a value, each with how strongly its place speaks for it."""
    at = max(index for index, offset in enumerate(line.offsets) if offset <= found.start)
    own = line.segments[at]
    near = line.text[max(line.offsets[at], last_end) : found.start].strip()
    if any(ch.isalpha() for ch in near):
        yield near, 1.0
        if len(near.split()) < 3:
            yield f"{_tail_above(reading, place, own)} {near}", 0.9
    elif found.end - found.start >= CELL_SHARE * len(own.text):
        left = [segment for segment in line.segments[:at] if _is_words(segment.text)]
        if left and left[-1] is line.segments[at - 1]:
            yield left[-1].text, 1.0
        if not left or not _in_column(reading, place, own):
            yield from ((text, 0.95) for text in _right_above(reading, place, own))
        header = _column_header(reading, place, own)
        if left and header:
            yield f"{left[0].text} {header}", 0.95
        elif header and not left:
            yield header, 0.9


def _is_words(text: str) -> bool:
    letters = sum(ch.isalpha() for ch in text)
    return letters >= 2 and letters > sum(ch.isdecimal() for ch in text)


def _overlaps(a: Segment, b: Segment) -> bool:
    shared = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    return shared > 0.3 * min(a.box[2] - a.box[0], b.box[2] - b.box[0])


def _above(reading: Reading, place: int, own: Segment) -> Iterator[Segment]:
    for row in reversed(reading.rows[max(0, place - HEADER_REACH) : place]):
        yield from (segment for segment in row
                    if _overlaps(segment, own) and segment.box[3] <= own.box[1] + own.height / 2)


def _right_above(reading: Reading, place: int, own: Segment) -> Iterator[str]:
    nearest = next(_above(reading, place, own), None)
    if nearest and _is_words(nearest.text) and own.box[1] - nearest.box[3] <= 2.0 * max(own.height, nearest.height):
        yield nearest.text


def _column_header(reading: Reading, place: int, own: Segment) -> str | None:
    return next((segment.text for segment in _above(reading, place, own) if _is_words(segment.text)), None)


def _tail_above(reading: Reading, place: int, own: Segment) -> str:
    above = next(_above(reading, place, own), None)
    if above is None or own.box[1] - above.box[3] > own.height:
        return ""
    return " ".join(above.text.split()[-6:])


def _texts(question: Question, readings: Sequence[Reading]) -> Iterator[_Candidate]:
    """Texts after `key:`, in the cell right of a key, or below it where keys stand as a row of headers."""
    wanted = phrases(question)
    for reading in readings:
        for place, row in enumerate(reading.rows):
            headers = _is_header_row(reading, place)
            for at, segment in enumerate(row):
                key, colon, rest = segment.text.partition(":")
                if colon and re.search(r":\s", rest):
                    continue  # a second key in the same line: where the first value ends is not known
                if colon and rest.strip():
                    count = len(key.split())
                    yield _text(key, fit(key, wanted), reading, segment.words[count:], rest)
                    continue
                yield from _reference(segment, reading, wanted)
                score = fit(key, wanted)
                below = _below(reading, place, segment)
                right = row[at + 1] if at + 1 < len(row) else None
                if right is not None and _is_words(right.text) and below is not None and not _is_words(below.text):
                    right = None  # keys above their values, as in the boxes of a form
                value = below if headers or right is None or right.text.endswith(":") else right
                if score and value is not None and not value.text.endswith(":"):
                    yield _text(key, score if value is right else 0.95 * score, reading, value.words, value.text)


def _reference(segment: Segment, reading: Reading, wanted: Sequence[str]) -> Iterator[_Candidate]:
    """`Invoice no. 2024-117`: a key and a token with digits in one segment, without a colon."""
    tokens = segment.text.split()
    for cut in range(1, len(tokens)):
        if any(ch.isdecimal() for ch in tokens[cut]):
            if len(tokens) - cut <= 3:
                key = " ".join(tokens[:cut])
                yield _text(key, fit(key, wanted), reading, segment.words[cut:], " ".join(tokens[cut:]))
            return


def _text(key: str, score: float, reading: Reading, words: tuple[int, ...], text: str) -> _Candidate:
    text = text.strip(" :")
    if not words or not text:
        return _Candidate(0.0, Found(0, 0, text), reading, (0,), text, key)
    return _Candidate(score, Found(0, len(text), text), reading, words, text, key)


def _in_column(reading: Reading, place: int, own: Segment) -> bool:
    """Whether another value stands right below: a table, in which a column's header alone names no single value."""
    below = _below(reading, place, own)
    return below is not None and not _is_words(below.text)


def _below(reading: Reading, place: int, segment: Segment) -> Segment | None:
    for row in reading.rows[place + 1 : place + 3]:
        for item in row:
            gap = item.box[1] - segment.box[3]
            if _overlaps(item, segment) and -0.5 * segment.height <= gap <= 2.0 * segment.height:
                return item
    return None


def _is_header_row(reading: Reading, place: int) -> bool:
    row = reading.rows[place]
    if len(row) < 2 or any(ch.isdecimal() or ch == ":" for segment in row for ch in segment.text):
        return False
    below = [_below(reading, place, segment) for segment in row]
    return sum(item is not None for item in below) * 2 > len(row)


def _printed(question: Question) -> Iterator[tuple[str, str]]:
    """What may be printed for each label, with the label: its name, and the examples that the job gives of it."""
    if isinstance(question.answer, Label):
        for label in question.answer.labels:
            yield from ((text, label) for text in (label, *question.answer.examples.get(label, ())))


def _label_finder(question: Question) -> Finder:
    def find(text: str) -> Iterator[Found]:
        for printed, label in _printed(question):
            match = re.search(rf"(?<!\w){re.escape(printed)}(?!\w)", text, re.IGNORECASE)
            if match:
                yield Found(match.start(), match.end(), label)

    return find


def _titles(question: Question, readings: Sequence[Reading]) -> Iterator[_Candidate]:
    """Labels printed as a title: in a short line near the top of the first page, larger than any other such line."""
    titles = [(reading, segment, label) for reading in readings[:1] for row in reading.rows for segment in row
              for text, label in _printed(question) if reading.page == 1 and segment.box[1] < TITLE_SHARE
              and len(segment.words) <= 6 and fit(segment.text, [text]) >= MIN_FIT]
    heights = sorted(segment.height for reading in readings[:1] for row in reading.rows for segment in row)
    for reading, segment, label in titles:
        if segment.height >= 1.15 * heights[len(heights) // 2]:
            largest = max(item[1].height for item in titles)
            lead = segment.height / largest
            yield _Candidate(lead if lead < 0.85 else 1.0, Found(0, len(segment.text), label), reading, segment.words,
                             segment.text, "title")
