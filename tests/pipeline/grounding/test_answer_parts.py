"""The values that an answer is made of."""

from __future__ import annotations

from typing import Any

import pytest

from model_actors.engine import Answer, Evidence
from pipeline.grounding.answer_parts import Part, parts_of
from schemas.checklist import Question


@pytest.mark.parametrize(("answer", "value", "currency", "parts"), [
    ("money", "12.50", "EUR", [Part("money", "12.50", "EUR")]), ("text", "a b", None, [Part("text", "a b")]),
    ("yes/no", "yes", None, [Part("text", "seen here")]), (["a", "b"], "a", None, [Part("text", "seen here")]),
    ("list", '["a", 1.50, true, null]', None, [Part("text", "a"), Part("number", "1.50")]),
    ({"type": "list", "of": "money"}, '[{"amount": 1e3, "currency": "EUR"}]', None, [Part("money", "1000", "EUR")]),
    ({"type": "list", "of": "date"}, '["2026-02-03", "2026-02-31"]', None,
     [Part("date", "2026-02-03"), Part("text", "2026-02-31")]),
    ({"schema": "x.json"}, '{"a": {"b": ["c"]}, "d": 5}', None, [Part("text", "c"), Part("number", "5")]),
])
def test_an_answer_falls_into_its_values(answer: Any, value: str, currency: str | None, parts: list[Part]) -> None:
    question = Question.model_validate({"id": "q", "ask": "?", "answer": answer})
    given = Answer("q", value, currency, evidence=(Evidence(quote="seen here"), Evidence(page=1)))
    assert list(parts_of(question, given)) == parts
