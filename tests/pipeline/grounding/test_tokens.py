"""Tokens: what counts as one, what two of them have in common, and what Markdown is not text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grounding.tokens import COUNTED, LOOSE, MARKED, page_tokens, readable, readings, same_number, text_tokens


@pytest.mark.parametrize(("text", "keys"), [
    ("Total: EUR 48,750.00.", ["total", "eur", "48,750.00"]), ("-5 and 3-5 or (7)", ["-5", "and", "3-5", "or", "7"]),
    ("DN-20581 A4 20mm", ["dn", "20581", "a4", "20mm"]), ("12.05.2024, 14:30", ["12.05.2024", "14:30"]),
    ("$5 €6", ["$", "5", "€", "6"]), ("don’t “stop”", ["don", "t", "stop"]), ("snake_case|x", ["snake", "case", "x"]),
    ("合同 No.5", ["合", "同", "no", "5"]), ("かな", ["か", "な"]), ("हिन्दी पाठ", ["हिन्दी", "पाठ"]),
    ("ไทย", ["ไ", "ท", "ย"]),
    ("ﬁne ＡＢ１２", ["fine", "ab12"]), ("co\u00adop \u200b", ["coop"]), ("AT&amp;T", ["at", "t"]), ("…—•", []),
])
def test_text_is_cut_into_words_and_whole_numbers(text: str, keys: list[str]) -> None:
    assert page_tokens(text.split()).keys == keys
    assert text_tokens(text)[0].keys == keys


def test_tokens_point_to_their_words() -> None:
    assert page_tokens(["a-b", "…", "c"]).words == [0, 0, 2]
    tokens, words = text_tokens("a-b\n\n…  c\n")
    assert (tokens.words, words) == ([0, 0, 2], ["a-b", "…", "c"])


@pytest.mark.parametrize(("text", "kinds"), [
    ("a <b>c</b>", {"a": COUNTED, "b": MARKED, "c": COUNTED}), ("```py\nx = 1\n```", {"py": MARKED, "x": COUNTED}),
    ("[a](b) (c)", {"a": COUNTED, "b": MARKED, "c": COUNTED}), ("![a](b) c", {"a": LOOSE, "b": LOOSE, "c": COUNTED}),
    ("$a$ $5", {"a": LOOSE, "5": COUNTED}), ("$5 to 6$", {"5": COUNTED, "to": COUNTED, "6": COUNTED}),
    (r"\(a\) \[b\] $$c$$", {"a": LOOSE, "b": LOOSE, "c": LOOSE}), ("<figure>a</figure>b", {"a": LOOSE, "b": COUNTED}),
    ("<!-- a\nb --> c", {"a": MARKED, "b": MARKED, "c": COUNTED}), ("1 < 2 > 1", {"2": COUNTED}),
])
def test_markup_formulas_and_figures_are_told_apart(text: str, kinds: dict[str, int]) -> None:
    tokens, _ = text_tokens(text)
    assert {key: kind for key, kind in zip(tokens.keys, tokens.kinds, strict=True) if key in kinds} == kinds


@pytest.mark.parametrize(("one", "other", "layer", "ocr"), [
    ("1,234.50", "1234.5", True, True), ("1,234", "1.234", True, True), ("12.5", "125", False, True),
    ("-5", "5", False, True), ("12.05.2024", "12/05/2024", True, True), ("20581", "2O58l".lower(), False, True),
    ("20581", "20582", False, False), ("a4", "a5", False, False),
])
def test_two_prints_of_one_number_are_the_same(one: str, other: str, layer: bool, ocr: bool) -> None:
    assert same_number(one, other, ocr=False) is layer
    assert same_number(one, other, ocr=True) is ocr
    assert page_tokens([other]).has_number(one, ocr=False) is layer
    assert page_tokens([other]).has_number(one, ocr=True) is ocr


@given(st.decimals(min_value=-10**9, max_value=10**9, places=2))
def test_a_number_can_be_read_as_what_it_is_worth(number: Decimal) -> None:
    assert number in readings(f"{number:,}")
    assert number in readings(f"{number:,}".translate(str.maketrans(",.", ".,")))


@pytest.mark.parametrize(("key", "known"), [
    ("total", True), ("größe", True), ("ωμέγα", True), ("合", True), ("€", True), ("1,234", True), ("договор", False),
    ("か", False), ("계약", False), ("عقد", False)])
def test_ocr_knows_latin_greek_and_han(key: str, known: bool) -> None:
    assert readable(key) is known
