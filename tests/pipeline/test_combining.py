"""How the answers of parts become one, rule by rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.combining import combine
from schemas.checklist import Question

Row = dict[str, Any]


def ask(rule: str, answer: Any = "yes/no") -> Question:
    return Question.model_validate({"id": "q", "ask": "?", "answer": answer, "combine": rule})


def part(page: int, value: str | None, confidence: float = 0.9, **entries: Any) -> Row:
    return {"question_fingerprint": "fp", "engine": "e", "page": page, "chunk_id": f"p{page}-{page}", "value": value,
            "status": "unsure" if value is None else "answered", "confidence": confidence, "currency": None,
            "number": None, "reason": "not found" if value is None else "printed",
            "evidence": [{"page": page, "score": None}], **entries}


def pages(row: Row) -> list[int]:
    return [item["page"] for item in row["evidence"]]


@pytest.mark.parametrize(("rule", "values", "status", "value", "shown"), [
    ("any", ["no", "yes", "no"], "answered", "yes", [2]),
    ("any", ["no", None, "yes"], "answered", "yes", [3]),
    ("any", ["no", "no"], "answered", "no", [1, 2]),
    ("any", ["no", None], "unsure", None, [1, 2]),
    ("all", ["yes", "no", "yes"], "answered", "no", [2]),
    ("all", ["yes", "yes"], "answered", "yes", [1, 2]),
    ("all", ["yes", None], "unsure", None, [1, 2]),
    ("all", [None, None], "unsure", None, [1, 2]),
    ("first", [None, "yes", "no"], "answered", "yes", [2])])
def test_yes_and_no(rule: str, values: list[str | None], status: str, value: str | None, shown: list[int]) -> None:
    row = combine(ask(rule), [part(page, each) for page, each in enumerate(values, 1)])
    assert (row["status"], row.get("value"), pages(row)) == (status, value, shown)


def test_what_all_parts_must_say_is_as_sure_as_the_least_sure_of_them() -> None:
    assert combine(ask("any"), [part(1, "no", 0.9), part(2, "no", 0.6)])["confidence"] == 0.6
    assert combine(ask("any"), [part(1, "yes", 0.6), part(2, "yes", 0.9), part(3, "no", 1.0)])["confidence"] == 0.9


def test_why_nothing_is_said_tells_how_many_parts_gave_no_answer() -> None:
    assert combine(ask("all"), [part(1, "yes"), part(2, None), part(3, None)])["reason"] \
        == "2 of 3 parts gave no answer"


@given(st.lists(st.decimals(-10**6, 10**6, places=2), min_size=1, max_size=30))
def test_a_sum_is_exact(amounts: list[Decimal]) -> None:
    row = combine(ask("sum", "number"), [part(page, str(each), number=float(each))
                                         for page, each in enumerate(amounts, 1)])
    assert Decimal(row["value"]) == sum(amounts)
    assert row["number"] == float(sum(amounts))


def test_a_sum_says_what_it_is_made_of_and_keeps_its_currency() -> None:
    rows = [part(1, "10.50", 0.8, number=10.5, currency="EUR"), part(2, None),
            part(3, "0.25", 0.7, number=0.25, currency="EUR")]
    row = combine(ask("sum", "money"), rows)
    assert (row["value"], row["currency"], row["confidence"]) == ("10.75", "EUR", 0.7)
    assert row["reason"] == "the sum of 2 answers; 1 of 3 parts gave none"
    assert pages(row) == [1, 3]


def test_amounts_in_several_currencies_have_no_sum() -> None:
    row = combine(ask("sum", "money"), [part(1, "1", currency="EUR"), part(2, "1", currency="USD")])
    assert (row["status"], row["reason"]) == ("unsure", "its parts are in several currencies: EUR, USD")
    assert pages(row) == [1, 2]


@pytest.mark.parametrize("grounding", ["contradicted", "absent"])
def test_an_answer_that_the_page_does_not_bear_out_gives_way_to_one_that_it_does(grounding: str) -> None:
    wrong, right = part(1, "x", 0.99, grounding=grounding), part(2, "y", 0.6, grounding="exact")
    row = combine(ask("surest", "text"), [wrong, right])
    assert (row["value"], row["grounding"], pages(row)) == ("y", "exact", [2])
    alone = combine(ask("surest", "text"), [wrong])
    assert (alone["value"], alone["grounding"]) == ("x", grounding)


def test_a_decision_rests_on_what_the_page_bears_out_where_there_is_such() -> None:
    wrong, right, other = (part(1, "yes", 0.99, grounding="absent"), part(2, "yes", 0.6, grounding="exact"),
                           part(3, "no", 0.9))
    for rule in ("any", "first"):
        row = combine(ask(rule), [wrong, right, other])
        assert (row["value"], row["grounding"], row["confidence"]) == ("yes", "exact", 0.6)


@pytest.mark.parametrize(("rule", "answer"), [("sum", "number"), ("all", "yes/no")])
def test_what_rests_on_all_parts_is_borne_out_only_if_each_is(rule: str, answer: str) -> None:
    value = "1" if rule == "sum" else "yes"
    row = combine(ask(rule, answer), [part(1, value, 0.5, number=1.0, grounding="exact"),
                                      part(2, value, 0.99, number=1.0, grounding="contradicted")])
    assert (row["status"], row["grounding"]) == ("answered", "contradicted")


def test_probabilities_go_with_the_answer_that_is_taken() -> None:
    given_ = [{"label": "yes", "probability": 0.9}, {"label": "no", "probability": 0.1}]
    assert combine(ask("surest"), [part(1, "yes", probabilities=given_)])["probabilities"] == given_
