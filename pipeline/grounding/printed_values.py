"""Numbers, amounts and dates that are printed on a page, in every reading that their format allows."""

from __future__ import annotations

import datetime
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from rapidfuzz.distance import OSA

from model_actors import values

MARKED = "|".join(rf"(?<={code})" for code in values.CODES)
NUMBER = re.compile(rf"(?:(?<![\w.,])|{MARKED}){values.NUMBER}")
BEFORE, AFTER = re.compile(rf"(?:{values.MARK})\s*[-−(]?\s*$"), re.compile(rf"\s*\)?\s*(?:{values.MARK})(?!\w)")

LEADING_SIGN, TRAILING_SIGN = re.compile(r"[-−]\s?$"), re.compile(r"[-−](?!\w)")

SCALES = ((re.compile(r"\s*(?:k|tsd|thousand|tausend)\b", re.IGNORECASE), 10**3),
          (re.compile(r"\s*(?:m|mn|mio|millions?|millionen)\b", re.IGNORECASE), 10**6),
          (re.compile(r"\s*(?:bn|mrd|billions?|milliarden?)\b", re.IGNORECASE), 10**9))

SHARED = {"$": "CAD AUD NZD HKD SGD MXN", "¥": "CNY"}
"""Currencies that a symbol may stand for besides its usual one."""

ONES = {word: number for number, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen".split())}
TENS = {word: 10 * number for number, word in enumerate(
    "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)}
SPELLED = re.compile(rf"\b(?:({'|'.join(TENS)})(?:[- ]({'|'.join(list(ONES)[1:10])}))?|({'|'.join(ONES)}))\b",
                     re.IGNORECASE)

SHORT_DATE = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\d./-]*\d)")
HAN_DATE = re.compile(r"(\d{4})\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?日")


@dataclass(frozen=True)
class Printed:
    """A value printed in words `first` to `last`, the end exclusive.

    `value` is a plain decimal or an ISO date, `mark` the sign or code of the currency beside it, and `sure` says that
    it can be read in no other way, decimals after a point or a comma apart.
    """

    value: str
    first: int
    last: int
    mark: str | None = None
    sure: bool = True

    def has_currency(self, code: str) -> bool | None:
        """Whether the amount is in a currency; None where no currency stands beside it, or one that may be it."""
        if self.mark is None or code in SHARED.get(self.mark, "").split():
            return None
        return values.SYMBOLS.get(self.mark, self.mark) == code


@dataclass(frozen=True)
class PrintedText:
    """The words of a page as one text, and where in it each word starts."""

    text: str
    starts: list[int]

    @staticmethod
    def of(words: Sequence[str]) -> PrintedText:
        """The text of words, one space between two."""
        plain = [unicodedata.normalize("NFKC", word) for word in words]
        return PrintedText(" ".join(plain), [0, *accumulate(len(word) + 1 for word in plain)][: len(plain)])

    def at(self, start: int, end: int) -> tuple[int, int]:
        """The words that these characters lie in, the end exclusive."""
        return bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1)


def numbers(printed: PrintedText) -> Iterator[Printed]:
    """Numbers, signed and scaled as they may be meant, those of dates and references among them.

    Digits that stand apart are read as one number, and each for itself.
    """
    text = printed.text
    for match in NUMBER.finditer(text):
        yield from _number(printed, match[0], match.start(), match.end())
        if " " in match[0]:
            for part in re.finditer(r"\S+", match[0]):
                yield from _number(printed, part[0], match.start() + part.start(), match.start() + part.end())
    for match in SPELLED.finditer(text):
        tens, unit, alone = (match[group] and match[group].lower() for group in (1, 2, 3))
        worth = ONES[alone] if alone else TENS[tens] + ONES.get(unit or "zero", 0)
        yield Printed(str(worth), *printed.at(*match.span()), sure=False)


def _number(printed: PrintedText, number: str, start: int, end: int) -> Iterator[Printed]:
    text = printed.text
    words = printed.at(start, end)
    if number[0] in "-−" and text[start - 1 : start].isalnum():
        number = number[1:]  # the second of a range
    before, after = BEFORE.search(text, max(0, start - 6), start), AFTER.match(text, end)
    mark = before[0].strip(" \t\n-−(") if before else after[0].strip(" \t\n)") if after else None
    enclosed = text[start - 1 : start] == "(" and text[end : end + 1] == ")"
    negative = enclosed or LEADING_SIGN.search(text, max(0, start - 2), start) or TRAILING_SIGN.match(text, end)
    for worth in {values.decimal_text(number, commas) for commas in (False, True)} - {None}:
        assert worth is not None
        yield Printed(worth, *words, mark)
        if negative:
            yield Printed(f"-{worth}", *words, mark)
        for pattern, factor in SCALES:
            if pattern.match(text, end):
                yield Printed(format(Decimal(worth) * factor, "f"), *words, mark, sure=False)


def dates(printed: PrintedText) -> Iterator[Printed]:
    """Dates; those that can be read two ways, 03/04/2026 or 03.04.26, in both."""
    for found in values.dates(printed.text):
        if found.value is not None:
            yield Printed(found.value, *printed.at(found.start, found.end))
    for match in SHORT_DATE.finditer(printed.text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        for century in (0,) if year > 99 else (1900, 2000):
            for month, day in {(second, first), (first, second)}:
                yield from _date(printed, match, century + year, month, day, sure=False)
    for match in HAN_DATE.finditer(printed.text):
        yield from _date(printed, match, int(match[1]), int(match[2]), int(match[3]), sure=True)


def _date(printed: PrintedText, match: re.Match[str], year: int, month: int, day: int, sure: bool) -> Iterator[Printed]:
    try:
        yield Printed(datetime.date(year, month, day).isoformat(), *printed.at(*match.span()), sure=sure)
    except ValueError:
        return


def same(one: str, other: str) -> bool:
    """Whether two canonical values, decimals or dates, are worth the same."""
    try:
        return Decimal(one) == Decimal(other)
    except ArithmeticError:
        return one == other


def nearly(one: str, other: str) -> bool:
    """Whether two values, of two digits or more, differ by little.

    That is by a digit, by two that are swapped, by their sign or decimal point, or by day and month.
    """
    figures = [re.sub(r"\D", "", re.sub(r"^(-?\d+\.\d*?)0+$", r"\1", value)) for value in (one, other)]
    if min(map(len, figures)) < 2 or same(one, other):
        return False
    flipped = f"{one[:5]}{one[8:]}-{one[5:7]}"
    return flipped == other or OSA.distance(*figures) <= 1
