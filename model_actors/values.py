"""Finds typed values in a line of text: amounts, dates, numbers and yes/no words, in canonical form."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "Kč": "CZK"}
CODES = tuple("""
    EUR USD GBP CHF JPY CNY INR SEK NOK DKK PLN CZK HUF RON BGN TRY CAD AUD NZD HKD SGD ZAR BRL MXN KRW ILS AED SAR THB
""".split())
MONTHS = {name: number for number, names in enumerate((
    "january januar janvier enero gennaio januari janeiro jan jänner",
    "february februar février febrero febbraio februari fevereiro feb",
    "march märz mars marzo maart março mar maerz mrz",
    "april avril abril aprile apr",
    "may mai mayo maggio mei maio",
    "june juni juin junio giugno junho jun",
    "july juli juillet julio luglio julho jul",
    "august août agosto augustus aug",
    "september septembre septiembre settembre setembro sep sept",
    "october oktober octobre octubre ottobre outubro oct okt",
    "november novembre noviembre novembro nov",
    "december dezember décembre diciembre dicembre dezembro dec dez",
), start=1) for name in names.split()}
YES, NO = frozenset({"yes", "ja", "oui", "sí", "true", "y"}), frozenset({"no", "nein", "non", "false", "n"})

NUMBER = r"[-−]?(?:\d{1,3}(?:[ ,.'’\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)(?![\d])"
MARK = "|".join([*(re.escape(symbol) for symbol in SYMBOLS), *CODES])
MONEY = re.compile(rf"(?<![\w.,])(?:(?P<before>{MARK})\s*(?P<a>{NUMBER})|(?P<b>{NUMBER})\s*(?P<after>{MARK})(?!\w))")
CURRENCY = re.compile(rf"(?<!\w)(?:{MARK})(?!\w)")
PLAIN = re.compile(rf"(?<![\w.,/-])(?<!\d [x×] ){NUMBER}(?![\w/]|[.,]\d|-\d| [x×] \d)")  # no side of 200 x 200
MONTH = "|".join(sorted((re.escape(name) for name in MONTHS), key=len, reverse=True))
DATES = (
    re.compile(r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.|er|º)?\s*(?:de\s+|of\s+)?(?P<name>{MONTH})\b\.?,?\s*"
               r"(?:de\s+|of\s+)?(?P<y>\d{4})(?!\d)", re.IGNORECASE),
    re.compile(rf"\b(?P<name>{MONTH})\b\.?\s*(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s*(?P<y>\d{{4}})(?!\d)", re.IGNORECASE),
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4})(?!\.?\d)"),
    re.compile(rf"(?<!\d)(?P<d>\d{{1,2}})-(?P<name>{MONTH})-(?P<y>\d{{4}})(?!\d)", re.IGNORECASE),
)
SIGNED = re.compile(r"[-−(]\s*$")
SCALED = re.compile(r"\s*(?:[-)](?!\w)|(?:k|m|mn|mio|mrd|tsd|bn|million|billion|thousand|millionen)\b)", re.IGNORECASE)
"""A sign, parentheses or a scale around an amount: what it comes to is not told from its digits."""

TORN = re.compile(r"(?<=\d)[.,'’] \d{3}(?!\d)")
SLASHED = re.compile(r"(?<![\d/])(\d{1,2})[/-](\d{1,2})[/-](\d{4})(?![\d/])")


@dataclass(frozen=True)
class Found:
    """A value at characters start to end of a line; `value` is canonical, None where it can be read two ways."""

    start: int
    end: int
    value: str | None
    currency: str | None = None


def decimal_text(text: str, comma_decimals: bool) -> str | None:
    """A printed number as a plain decimal: 1,234.50, 1.234,50, 1 234,50 and 1'234.50 alike are 1234.50.

    A single separator before exactly three digits groups thousands, unless it is the decimal mark of the document.
    None for 1.234.50 and 1.234,567.89, one of whose marks is not what was printed.
    """
    digits = re.sub(r"[\s'’\u00a0\u202f]", "", text).replace("−", "-")
    marks = [ch for ch in digits if ch in ".,"]
    if len(set(marks)) == 2:
        if marks.count(marks[-1]) > 1:
            return None
        decimal = marks[-1]
    elif len(marks) > 1:
        if len(digits) - digits.rindex(marks[0]) - 1 != 3:
            return None
        decimal = ""
    elif marks:
        tail = len(digits) - digits.index(marks[0]) - 1
        decimal = marks[0] if tail != 3 or (marks[0] == ",") == comma_decimals else ""
    else:
        decimal = ""
    plain = "".join(ch for ch in digits if ch not in ".," or ch == decimal).replace(",", ".")
    return format(Decimal(plain), "f")


def comma_decimals(text: str) -> bool:
    """Whether a document writes decimals with a comma, told by its numbers with one or two decimals."""
    commas = len(re.findall(r"\d,\d{1,2}(?!\d)", text))
    return commas > len(re.findall(r"\d\.\d{1,2}(?![\d.])", text))


def amounts(text: str, commas: bool) -> Iterator[Found]:
    """Numbers with a currency beside them; no value where a sign, parentheses or a scale leave their worth in doubt."""
    for match in MONEY.finditer(text):
        mark = match["before"] or match["after"]
        printed = match["a"] or match["b"]
        open_to_doubt = _torn(match) or _altered(text, match.start(), match.end())
        if re.fullmatch(r"\d{1,3}\.\d{3}", printed) and not commas:
            open_to_doubt = True  # 12.500 is twelve and a half, or thousands in a document that shows no decimals
        value = None if open_to_doubt else decimal_text(printed, commas)
        yield Found(match.start(), match.end(), value, SYMBOLS.get(mark, mark))


def _altered(text: str, start: int, end: int) -> bool:
    return bool(SIGNED.search(text[:start]) or SCALED.match(text[end:]))


def _torn(match: re.Match[str]) -> bool:
    """Whether a number may go on across a blank that OCR put behind its thousands mark, as in `62, 361.58`."""
    return any(TORN.match(match.string, at) for at in (max(0, match.start() - 2), match.end()))


def currencies(text: str) -> set[str]:
    """The currencies that a text names."""
    return {SYMBOLS.get(match[0], match[0]) for match in CURRENCY.finditer(text)}


def bare_amounts(text: str, commas: bool, currency: str) -> Iterator[Found]:
    """Numbers with two decimals and no currency beside them, in the only currency that the document names."""
    taken = [(found.start, found.end) for found in amounts(text, commas)]
    for found in numbers(text, commas):
        if re.search(r"[.,]\d\d$", text[found.start : found.end]) and not any(
                start < found.end and found.start < end for start, end in taken):
            value = None if _altered(text, found.start, found.end) else found.value
            yield Found(found.start, found.end, value, currency)


def dates(text: str) -> Iterator[Found]:
    """Calendar dates with a four-digit year; 03/04/2026 can be read two ways and has no value."""
    for pattern in DATES:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            month = MONTHS[parts["name"].casefold()] if parts.get("name") else int(parts["m"])
            yield from _date(match, int(parts["y"]), month, int(parts["d"]))
    for match in SLASHED.finditer(text):
        first, second, year = (int(part) for part in match.groups())
        if first <= 12 and second <= 12 and first != second:
            yield Found(match.start(), match.end(), None)
        else:
            yield from _date(match, year, *((second, first) if first > 12 or first == second else (first, second)))


def _date(match: re.Match[str], year: int, month: int, day: int) -> Iterator[Found]:
    try:
        yield Found(match.start(), match.end(), datetime.date(year, month, day).isoformat())
    except ValueError:
        return


def numbers(text: str, commas: bool) -> Iterator[Found]:
    """Numbers that belong to no date, no amount and no longer reference."""
    taken = [(found.start, found.end) for found in (*dates(text), *amounts(text, commas))]
    for match in PLAIN.finditer(text):
        counted = not text[: match.start()].strip() and re.match(r"[.)](?:\s|$)", text[match.end() :])
        if not counted and not any(start < match.end() and match.start() < end for start, end in taken):
            value = None if _torn(match) else decimal_text(match[0], commas)
            yield Found(match.start(), match.end(), value)


def yes_or_no(text: str) -> Iterator[Found]:
    """Words that say yes or no."""
    for match in re.finditer(r"[^\W\d_]+", text):
        word = match[0].casefold()
        if word == "no" and re.match(r"\.?\s*[:#]?\s*[\w-]*\d", text[match.end() :]):
            continue  # `Invoice No. 123` is a reference
        if word in YES or word in NO:
            yield Found(match.start(), match.end(), "yes" if word in YES else "no")
