"""Typed values: what is canonical, what is refused, and what equals what a job expects."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.answers import InvalidValueError, columns, same
from schemas.checklist import Question

EMPTY = {"number": None, "currency": None, "date": None}


def question(answer: Any) -> Question:
    return Question.model_validate({"id": "a", "ask": "?", "answer": answer})


@pytest.mark.parametrize(("answer", "value", "currency", "typed"), [
    ("yes/no", "yes", None, {}), ("yes/no", "no", None, {}), (["a", "b"], "b", None, {}),
    ("number", "1234.56", None, {"number": 1234.56}), ("number", "-3", None, {"number": -3.0}),
    ("number", "7", "EUR", {"number": 7.0}),
    ("money", "0.10", "EUR", {"number": 0.1, "currency": "EUR"}),
    ("date", "2024-02-29", None, {"date": datetime.date(2024, 2, 29)}), ("text", " any text ", None, {}),
    ("list", '["a", "b"]', None, {}), ({"type": "list", "of": "date"}, "[]", None, {}),
    ({"schema": "s.json"}, '{"total": 3}', None, {}), ("event", "yes", None, {}),
])
def test_canonical_value_fills_its_typed_columns(answer: Any, value: str, currency: str | None,
                                                 typed: dict[str, Any]) -> None:
    assert columns(question(answer), value, currency) == {**EMPTY, "value": value, **typed}


@pytest.mark.parametrize(("answer", "value", "currency"), [
    ("yes/no", "Yes", None), ("yes/no", "true", None), ("event", "00:05", None), (["a", "b"], "A", None),
    (["a", "b"], "", None),
    ("number", "", None), ("number", "1,000", None), ("number", "1_000", None), ("number", "1e5", None),
    ("number", " 1", None), ("number", "1.", None), ("number", ".5", None), ("number", "+1", None),
    ("number", "NaN", None), ("number", "Infinity", None), ("number", "１２", None), ("number", "9" * 400, None),
    ("number", "1\n", None),
    ("money", "1.00", None), ("money", "1.00", "eur"), ("money", "1.00", "EURO"), ("money", "x", "EUR"),
    ("date", "2026-02-30", None), ("date", "20260203", None), ("date", "2026-W05-2", None),
    ("date", "03.02.2026", None),
    ("date", "2026-02-03T00:00", None),
    ("list", "a, b", None), ("list", '{"a": 1}', None), ({"schema": "s.json"}, "{", None),
])
def test_value_of_another_type_is_refused(answer: Any, value: str, currency: str | None) -> None:
    with pytest.raises(InvalidValueError):
        columns(question(answer), value, currency)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-10**15, max_value=10**15, places=4))
def test_every_plain_decimal_is_a_number(number: Decimal) -> None:
    assert columns(question("number"), format(number, "f"))["number"] == float(number)


@given(st.dates())
def test_every_iso_date_is_a_date(date: datetime.date) -> None:
    assert columns(question("date"), date.isoformat())["date"] == date


@pytest.mark.parametrize(("answer", "value", "expected", "equal"), [
    ("yes/no", "yes", "yes", True), ("yes/no", "yes", "no", False), ("text", "ACME Ltd", " acme ltd ", True),
    ("text", "STRASSE", "straße", True), ("text", "ACME", "ACME Ltd", False),
    ("number", "1234.50", "1234.5", True), ("number", "1234.50", "1,234.50", False),
    ("number", "1234.50", "1235", False),
    ("number", "5", "five", False), ("money", "100", "100 EUR", True), ("money", "100.00", "EUR 100", True),
    ("date", "2026-02-03", "2026-02-03", True), ("date", "2026-02-03", "2026-03-02", False),
])
def test_same_compares_numbers_as_numbers_and_texts_without_case(answer: Any, value: str, expected: str,
                                                                 equal: bool) -> None:
    assert same(question(answer), value, expected) is equal


@pytest.mark.parametrize(("expected", "currency", "equal"), [
    ("100 EUR", "EUR", True), ("100 EUR", "USD", False), ("EUR 100", "USD", False), ("100", "USD", True),
])
def test_amount_expected_in_a_currency_is_compared_in_it(expected: str, currency: str, equal: bool) -> None:
    assert same(question("money"), "100.00", expected, currency) is equal


@pytest.mark.parametrize(("value", "says"), [('{"total": 3}', None), ('{"total": "3"}', "$.total is not by the schema"),
                                             ("{}", "$ is not by the schema: 'total' is a required property")])
def test_an_extraction_must_be_by_its_schema(value: str, says: str | None) -> None:
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
    asked = question({"schema": "s.json", "definition": schema})
    if says is None:
        assert columns(asked, value)["value"] == value
    else:
        with pytest.raises(InvalidValueError, match=re.escape(says)):
            columns(asked, value)
