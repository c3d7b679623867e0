"""Typed values: how an answer of each type is written canonically, checked, compared and stored."""

from __future__ import annotations

import datetime
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.checklist import Label, ListOf, Question

CURRENCY = re.compile(r"[A-Z]{3}")


class InvalidValueError(ValueError):
    """A value is not of its question's type."""


def columns(question: Question, value: str, currency: str | None = None) -> dict[str, Any]:
    """The typed columns of the answers table for a canonical value: value, number, currency, date.

    Canonical are: `yes` or `no`; a label; a plain decimal like 1234.56; an ISO date; JSON for lists and schemas; any
    text else. Raises InvalidValueError where the value is not of the question's type.
    """
    kind = question.answer.type
    row: dict[str, Any] = {"value": value, "number": None, "currency": None, "date": None}
    if kind == "yes/no" and value not in ("yes", "no"):
        raise InvalidValueError(f"{value!r} is neither yes nor no")
    if isinstance(question.answer, Label) and value not in question.answer.labels:
        raise InvalidValueError(f"{value!r} is none of the labels")
    if kind in ("number", "money"):
        row["number"] = float(_decimal(value))
    if kind == "money":
        if currency is None or not CURRENCY.fullmatch(currency):
            raise InvalidValueError(f"{currency!r} is no ISO 4217 currency")
        row["currency"] = currency
    if kind == "date":
        row["date"] = _date(value)
    if isinstance(question.answer, ListOf) and not isinstance(_json(value), list):
        raise InvalidValueError("a list is written as a JSON array")
    if kind == "schema":
        _json(value)
    return row


def _decimal(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise InvalidValueError(f"{value!r} is no decimal number") from None
    if not number.is_finite():
        raise InvalidValueError(f"{value!r} is no finite number")
    return number


def _date(value: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise InvalidValueError(f"{value!r} is no ISO date") from None


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise InvalidValueError(f"{value!r} is no JSON") from None


def same(question: Question, value: str, expected: str) -> bool:
    """Whether a canonical value equals what the job expects, numbers as numbers and texts without case or edges."""
    if question.answer.type in ("number", "money"):
        amount = re.sub(r"[A-Z]{3}|[\s,_]", "", expected)
        try:
            return _decimal(value) == _decimal(amount)
        except InvalidValueError:
            return False
    return value.strip().casefold() == expected.strip().casefold()
