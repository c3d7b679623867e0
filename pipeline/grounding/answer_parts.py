"""The simple values that an answer is made of, each of which may stand on a page by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from model_actors.engine import Answer
from schemas.checklist import JsonSchema, ListOf, Question


@dataclass(frozen=True)
class Part:
    """A value in canonical form, its kind (number, money, date, text), and the currency of an amount."""

    kind: str
    value: str
    currency: str | None = None


def parts_of(question: Question, answer: Answer) -> Iterator[Part]:
    """The parts of an answer that has a value: itself, the items of a list, the values of an extraction.

    Of yes, no and a label, which need not be printed, the quotes of its evidence.
    """
    kind, value = question.answer.type, answer.value
    assert value is not None
    if kind in ("yes/no", "label"):
        yield from (Part("text", item.quote) for item in answer.evidence if item.quote)
    elif isinstance(question.answer, ListOf | JsonSchema):
        named = frozenset(_named(getattr(question.answer, "definition", None)))
        for leaf in _leaves(json.loads(value, parse_float=Decimal, parse_int=Decimal)):
            if leaf.value not in named:
                yield leaf
    else:
        yield Part(kind, value, answer.currency)


def _leaves(value: Any) -> Iterator[Part]:
    """The simple values of JSON; what is true, false or null stands on no page."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"} and isinstance(value["amount"], Decimal):
        yield Part("money", format(value["amount"], "f"), value["currency"])
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    elif isinstance(value, Decimal):
        yield Part("number", format(value, "f"))
    elif isinstance(value, str):
        yield Part("date" if _is_date(value) else "text", value)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _named(definition: Any) -> Iterator[str]:
    """The texts that a schema itself allows: labels, which need not be printed."""
    if isinstance(definition, dict):
        yield from (item for item in (*definition.get("enum", ()), definition.get("const")) if isinstance(item, str))
        for item in definition.values():
            yield from _named(item)
    elif isinstance(definition, list):
        for item in definition:
            yield from _named(item)
