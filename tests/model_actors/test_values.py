"""Values in a line of text: what is found, and in which canonical form."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_actors import values


@pytest.mark.parametrize(("printed", "commas", "plain"), [
    ("1,234.50", False, "1234.50"), ("1.234,50", True, "1234.50"), ("1 234,50", True, "1234.50"),
    ("1'234.50", False, "1234.50"), ("1,234,567", False, "1234567"), ("1.234.567", True, "1234567"),
    ("1,234", False, "1234"), ("1.234", True, "1234"), ("1.234", False, "1.234"), ("1,234", True, "1.234"),
    ("12,5", True, "12.5"), ("12.5", True, "12.5"), ("-3.20", False, "-3.20"), ("−3", False, "-3"), ("007", False, "7"),
])
def test_a_printed_number_becomes_a_plain_decimal(printed: str, commas: bool, plain: str) -> None:
    assert values.decimal_text(printed, commas) == plain


@given(st.from_regex(values.NUMBER, fullmatch=True) | st.from_regex(r"-?[0-9]+([.,'][0-9]+)*", fullmatch=True),
       st.booleans())
def test_digits_with_any_marks_are_a_decimal_or_none(printed: str, commas: bool) -> None:
    plain = values.decimal_text(printed, commas)
    assert plain is None or Decimal(plain).is_finite()


@given(st.decimals(min_value=0, max_value=10**9, places=2), st.booleans())
def test_every_grouped_amount_is_read_back(amount: Decimal, commas: bool) -> None:
    printed = f"{amount:,.2f}"
    if commas:
        printed = printed.translate(str.maketrans(",.", ".,"))
    found = list(values.amounts(f"Total: EUR {printed} due", commas))
    assert [(Decimal(item.value or ""), item.currency) for item in found] == [(amount, "EUR")]


@pytest.mark.parametrize(("text", "expected"), [
    ("EUR 48,750.00", [("48750.00", "EUR")]), ("48.750,00 €", [("48750.00", "EUR")]), ("$12", [("12", "USD")]),
    ("CHF 1'450.00 for each day", [("1450.00", "CHF")]), ("3 EURO", []), ("net 10.00, gross 12.00", []),
    ("£5.00 and £6.00", [("5.00", "GBP"), ("6.00", "GBP")]), ("EUR 62, 361.58", [(None, "EUR")]),
    ("62, 361.58 EUR", [(None, "EUR")]), ("EUR 36.248.03", [(None, "EUR")]),
])
def test_amounts_need_a_currency_beside_them(text: str, expected: list[tuple[str | None, str]]) -> None:
    commas = values.comma_decimals(text)
    assert [(item.value, item.currency) for item in values.amounts(text, commas)] == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-02-03", ["2026-02-03"]), ("3 February 2026", ["2026-02-03"]), ("February 3, 2026", ["2026-02-03"]),
    ("3. Februar 2026", ["2026-02-03"]), ("03.02.2026", ["2026-02-03"]), ("le 3 février 2026", ["2026-02-03"]),
    ("the 1st of May 2026", ["2026-05-01"]), ("3-Feb-2026", ["2026-02-03"]), ("25/12/2026", ["2026-12-25"]),
    ("12/25/2026", ["2026-12-25"]), ("07/07/2026", ["2026-07-07"]), ("03/04/2026", [None]),
    ("31.02.2026", []), ("version 1.2.2026.4", []), ("3 Feb", []),
])
def test_dates_are_calendar_dates_and_ambiguous_ones_have_no_value(text: str, expected: list[str | None]) -> None:
    assert [item.value for item in values.dates(text)] == expected


@given(st.dates(min_value=datetime.date(1900, 1, 1), max_value=datetime.date(2100, 1, 1)))
def test_every_date_written_out_is_read_back(date: datetime.date) -> None:
    text = f"on {date:%d} {date:%B} {date:%Y}, at noon"
    assert [item.value for item in values.dates(text)] == [str(date)]


@pytest.mark.parametrize(("text", "expected"), [
    ("sixty (60) days", ["60"]), ("5 pieces of 12.5 kg", ["5", "12.5"]), ("on 3 May 2026 for EUR 20.00: 7", ["7"]),
    ("ref 2024-117", []), ("A4 page", []), ("1. The party", []), ("2) next", []), ("n = 3.", ["3"]),
    ("plate 200 x 200 x 10", []),
])
def test_numbers_leave_dates_amounts_references_and_list_marks_alone(text: str, expected: list[str]) -> None:
    assert [item.value for item in values.numbers(text, False)] == expected


def test_bare_amounts_have_two_decimals_and_take_the_given_currency() -> None:
    found = list(values.bare_amounts("3 items 12.50 per EUR 4.00", False, "EUR"))
    assert [(item.value, item.currency) for item in found] == [("12.50", "EUR")]


@pytest.mark.parametrize(("text", "expected"), [("Insured: Yes", ["yes"]), ("Versichert: nein", ["no"]), ("Notes", [])])
def test_yes_and_no_are_whole_words(text: str, expected: list[str]) -> None:
    assert [item.value for item in values.yes_or_no(text)] == expected
