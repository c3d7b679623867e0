"""Typed values: how an answer of each type is written canonically, checked, compared and stored."""

from __future__ import annotations

import datetime
import json
import math
import re
from decimal import Decimal
from typing import Any

import jsonschema

from schemas.checklist import JsonSchema, Label, ListOf, Question

CURRENCY = re.compile(r"[A-Z]{3}")
DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


class InvalidValueError(ValueError):
    """A value is not of its question's type."""


def columns(question: Question, value: str, currency: str | None = None) -> dict[str, Any]:
    """The typed columns of the answers table for a canonical value: value, number, currency, date.

    Canonical are: `yes` or `no`, also of an event; a label; a plain decimal like 1234.56; an ISO date; JSON for lists
    and schemas; any text else. Raises InvalidValueError where the value is not of the question's type; the items of a
    list are not looked at.
    """
    kind = question.answer.type
    row: dict[str, Any] = {"value": value, "number": None, "currency": None, "date": None}
    if kind in ("yes/no", "event") and value not in ("yes", "no"):
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
    if isinstance(question.answer, JsonSchema):
        _check_schema(_json(value), question.answer)
    return row


def _check_schema(value: Any, answer: JsonSchema) -> None:
    if answer.definition is None:
        return
    wrong = next(jsonschema.Draft202012Validator(answer.definition).iter_errors(value), None)
    if wrong is not None:
        raise InvalidValueError(f"{wrong.json_path} is not by the schema: {wrong.message}")


def _decimal(value: str) -> Decimal:
    if not DECIMAL.fullmatch(value):
        raise InvalidValueError(f"{value!r} is no plain decimal number")
    if math.isinf(float(value)):
        raise InvalidValueError(f"{value!r} is too large a number")
    return Decimal(value)


def _date(value: str) -> datetime.date:
    try:
        date = datetime.date.fromisoformat(value)
    except ValueError:
        date = None
    if date is None or date.isoformat() != value:
        raise InvalidValueError(f"{value!r} is no ISO date like 2026-02-03")
    return date


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise InvalidValueError(f"{value!r} is no JSON") from None


def same(question: Question, value: str, expected: str, currency: str | None = None) -> bool:
    """Whether a canonical value equals what the job expects, numbers as numbers and texts without case or edges.

    Where the job expects an amount in a currency, the amount must be in that `currency`.
    """
    if question.answer.type in ("number", "money"):
        named = CURRENCY.search(expected)
        if named and currency is not None and named[0] != currency:
            return False
        amount = re.sub(r"[A-Z]{3}|\s", "", expected)
        try:
            return _decimal(value) == _decimal(amount)
        except InvalidValueError:
            return False
    return value.strip().casefold() == expected.strip().casefold()
