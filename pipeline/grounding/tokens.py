"""Cuts text and the words of a page into tokens to compare: numbers whole, scripts without spaces by character.

Both sides go through the same steps, so that a page is always made of the same tokens as its own text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import accumulate

from model_actors.values import decimal_text

UNSPACED = ("\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
            "\U0001b000-\U0001b16f\U00020000-\U0003ffff")
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana and Han. Each of their characters is a token."""

CURRENCY = "$\u00a2-\u00a5\u20a0-\u20cf"
BREAKS = (r"\s!-#%-/:-@\[-`{-~\u00a0\u00a1\u00a6-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2000-"
          r"\u206f\u2190-\u2bff\u3000-\u3004\u3008-\u303f\u30fb\ufffd")
IN_WORD = rf"[^{BREAKS}{CURRENCY}{UNSPACED}]"
TOKEN = re.compile(rf"[{CURRENCY}{UNSPACED}]|(?:(?<![\w)\]%.,-])-(?=\d))?{IN_WORD}+"
                   rf"(?:(?<=\d)[.,:/'-](?=\d){IN_WORD}+)*")
"""One token. Marks between digits belong to a number, and so does a minus that nothing stands before."""

UNSPACED_CHARACTER = re.compile(rf"[{UNSPACED}]")
DIGIT = re.compile(r"\d")
PLAIN_NUMBER = re.compile(r"-?\d+(?:[.,']\d+)*")
MARKS = re.compile(r"[.,:/'-]")

SAME = {ord(one): "'" for one in "‘’‚‛`´′"} | {ord(one): '"' for one in "“”„‟″"} | {
    ord(one): "-" for one in "‐‑‒–—―−﹣－"} | dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF])
"""Quotes and dashes that print alike; soft hyphens, zero-width and bidirectional marks print nothing."""

MISREAD = str.maketrans("oilsbzgq", "01158299")
"""Letters that OCR writes for digits."""

READABLE = re.compile(r"[\x00-\u024f\u0300-\u03ff\u1e00-\u1fff\u20a0-\u20cf\u2c60-\u2c7f\ua720-\ua7ff]*"
                      r"|[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Latin and Greek. With Han they are the scripts among the characters of PP-OCRv6 tiny (its rec/inference.yml)."""

MARKUP = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>|\((?<=\]\()[^()\s]*\)|```[^\n]*|~~~[^\n]*", re.DOTALL)
"""What marks text up and is not printed: HTML, addresses of links, fences with the language of code."""

NOT_TEXT = re.compile(
    r"!\[[^\]]*\]\([^)]*\)|<figure\b.*?</figure>|<img\b[^<>]*>"
    r"|\$\$.*?\$\$|\\\(.*?\\\)|\\\[.*?\\\]"
    r"|\$(?=\S)(?:[A-Za-z]|[^$\n]*[\\^_={}][^$\n]*)(?<=\S)\$(?!\d)", re.DOTALL | re.IGNORECASE)
"""Descriptions of figures, and formulas: what a page shows there is not written in these words.

Between single dollars, by Pandoc's rule (tex_math_dollars): no space within, no digit behind; and it must look like a
formula, since an amount of dollars does not.
"""

COUNTED, MARKED, LOOSE = 0, 1, 2
"""A token must be on the page, or is markup, or of a formula or figure and excuses what stands there."""


@dataclass(frozen=True)
class Tokens:
    """Tokens in order: what is compared, the index of the word that each stands in, and COUNTED, MARKED or LOOSE."""

    keys: list[str]
    words: list[int]
    kinds: list[int]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def _numbers(self) -> frozenset[str]:
        return frozenset(filter(is_number, self.keys))

    @cached_property
    def _worths(self) -> frozenset[Decimal]:
        return frozenset(worth for key in self._numbers if PLAIN_NUMBER.fullmatch(key) for worth in readings(key))

    @cached_property
    def _bare(self) -> dict[tuple[str, bool], list[str]]:
        found: dict[tuple[str, bool], list[str]] = {}
        for key in self._numbers:
            for ocr in (False, True):
                found.setdefault((bare(key, ocr), ocr), []).append(key)
        return found

    def has_number(self, number: str, ocr: bool) -> bool:
        """Whether one of them is the same number."""
        if number in self._numbers or (PLAIN_NUMBER.fullmatch(number) and readings(number) & self._worths):
            return True
        return any(same_number(number, key, ocr) for key in self._bare.get((bare(number, ocr), ocr), ()))


def page_tokens(texts: Sequence[str]) -> Tokens:
    """The tokens of a page's words, all of them COUNTED."""
    return _tokens([texts], ())


def text_tokens(text: str) -> tuple[Tokens, list[str]]:
    """The tokens of Markdown, and the words that they point to."""
    lines = [line.split() for line in text.splitlines()]
    return _tokens(lines, ((MARKUP, MARKED), (NOT_TEXT, LOOSE))), [word for line in lines for word in line]


def plain(word: str) -> str:
    """A word as it is compared: NFKC, which undoes ligatures, one kind of quotes and dashes, no case, no entities."""
    if word.isascii():
        return html.unescape(word).lower() if "&" in word else word.lower()
    word = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).translate(SAME).casefold())
    return html.unescape(word).casefold() if "&" in word else word


@lru_cache(maxsize=1 << 14)
def _cut(word: str) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
    """A word as it is compared, its tokens, and where in it each starts. Most words of a corpus come again."""
    compared = plain(word)
    found = list(TOKEN.finditer(compared))
    return compared, tuple(match[0] for match in found), tuple(match.start() for match in found)


def _tokens(lines: Sequence[Sequence[str]], patterns: Sequence[tuple[re.Pattern[str], int]]) -> Tokens:
    cut = [[_cut(word) for word in line] for line in lines if line]
    words = [piece for line in cut for piece in line]
    keys = [key for _, found, _ in words for key in found]
    kinds = [COUNTED] * len(keys)
    joined = "\n".join(" ".join(compared for compared, _, _ in line) for line in cut) if patterns else ""
    spans = [(*match.span(), kind) for pattern, kind in patterns for match in pattern.finditer(joined)]
    if spans:
        begins = accumulate((len(compared) + 1 for compared, _, _ in words), initial=0)
        starts = [begin + offset for begin, (_, _, offsets) in zip(begins, words, strict=False) for offset in offsets]
        for start, end, kind in spans:
            first, last = bisect_left(starts, start), bisect_left(starts, end)
            kinds[first:last] = [kind] * (last - first)
    return Tokens(keys, [index for index, (_, found, _) in enumerate(words) for _ in found], kinds)


def is_number(key: str) -> bool:
    """Whether a token holds a digit."""
    return bool(DIGIT.search(key))


def digits(key: str) -> int:
    """How many digits a token holds."""
    return len(DIGIT.findall(key))


def letters(key: str) -> int:
    """How many letters a token is worth: a character of a script without spaces is a syllable or a word, and two."""
    return 2 if UNSPACED_CHARACTER.fullmatch(key) else len(key)


def bare(key: str, ocr: bool) -> str:
    """A token without marks; of a number that OCR has read, letters that it writes for digits are digits."""
    stripped = MARKS.sub("", key)
    return stripped.translate(MISREAD) if ocr and is_number(key) else stripped


def same_number(one: str, other: str, ocr: bool) -> bool:
    """Whether two tokens print one number. OCR loses marks and signs, so there the digits decide."""
    if one == other:
        return True
    alike = bare(one, ocr) == bare(other, ocr)
    if PLAIN_NUMBER.fullmatch(one) and PLAIN_NUMBER.fullmatch(other) and not (ocr and alike):
        return bool(readings(one) & readings(other))
    return alike


def readings(number: str) -> set[Decimal]:
    """What a printed number may be worth, with decimals after a point or after a comma."""
    found = (decimal_text(number, commas) for commas in (False, True))
    return {Decimal(value) for value in found if value is not None}


def readable(key: str) -> bool:
    """Whether OCR knows the script of a token."""
    return key.isascii() or bool(READABLE.fullmatch(key))
