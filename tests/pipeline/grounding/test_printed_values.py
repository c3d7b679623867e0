"""Values printed on a page, in every reading, with the words that print them."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grounding.printed_values import Printed, PrintedText, dates, nearly, numbers, same


def printed(text: str) -> PrintedText:
    return PrintedText.of(text.split())


def test_a_number_can_be_read_with_either_decimal_mark_and_keeps_its_words_and_its_currency() -> None:
    assert sorted(numbers(printed("due EUR 1,234 now")), key=lambda each: each.value) == [
        Printed("1.234", 2, 3, "EUR"), Printed("1234", 2, 3, "EUR")]


def test_digits_that_stand_apart_are_one_number_and_several() -> None:
    assert {(each.value, each.first, each.last) for each in numbers(printed("12 345 678"))} == {
        ("12345678", 0, 3), ("12", 0, 1), ("345", 1, 2), ("678", 2, 3)}


@pytest.mark.parametrize(("text", "mark", "currency", "expected"), [
    ("€ 5", "€", "EUR", True), ("5 €", "€", "EUR", True), ("5 EUR", "EUR", "USD", False), ("$5", "$", "CAD", None),
    ("5", None, "EUR", None), ("¥5", "¥", "CNY", None), ("EUR -5", "EUR", "EUR", True)])
def test_the_currency_is_that_which_stands_beside_an_amount(
        text: str, mark: str | None, currency: str, expected: bool | None) -> None:
    found = next(numbers(printed(text)))
    assert (found.mark, found.has_currency(currency)) == (mark, expected)


@given(st.decimals(min_value=-10**9, max_value=10**9, places=2), st.booleans())
def test_every_grouped_number_is_read_back(number: Decimal, commas: bool) -> None:
    text = f"{number:,}".translate(str.maketrans(",.", ".,") if commas else {})
    assert any(same(each.value, str(number)) for each in numbers(printed(f"Sum {text} due")))


@given(st.dates(min_value=datetime.date(1951, 1, 1), max_value=datetime.date(2049, 12, 31)),
       st.sampled_from(["%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d", "%d.%m.%y"]))
def test_every_date_is_read_back(date: datetime.date, pattern: str) -> None:
    assert str(date) in {each.value for each in dates(printed(f"on {date.strftime(pattern)} at noon"))}


@pytest.mark.parametrize("text", ["31.02.2026", "1.2.3.4", "99/99/2026", "June 2025"])
def test_what_is_no_calendar_date_is_none(text: str) -> None:
    assert list(dates(printed(text))) == []


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("60", "66", True), ("60", "60.0", False), ("60", "77", False), ("48750.00", "48570", True), ("12.5", "125", True),
    ("12.5", "-12.5", True), ("1234", "234", True), ("5", "6", False), ("2025-06-01", "2025-01-06", True),
    ("2025-06-01", "2025-06-07", True), ("2025-06-01", "2024-07-01", False)])
def test_values_differ_by_little_or_by_more(one: str, other: str, expected: bool) -> None:
    assert nearly(one, other) is expected
    assert nearly(other, one) is expected
