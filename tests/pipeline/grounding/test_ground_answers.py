"""Answers held against the words of their pages, by type: found in any format, contradicted, nowhere."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed_pages import page

from model_actors.engine import Answer, Evidence
from pipeline.grounding.ground import GroundedAnswer, Page, ground_answer
from schemas.checklist import JsonSchema, Question

CONTRACT = (page("Supply Agreement", "Effective date: 1 June 2025", "Notice period: 60 days",
                 "between Quillmarrow Components Ltd and Wexholm Pumps"),
            page("Schedule A", "Coupling sleeve 400 25.50 10,200.00", "Total contract value: EUR 48,750.00",
                 "Penalty (1,250.00) for each late week", number=2))


def question(answer: Any, *look_for: str) -> Question:
    return Question.model_validate({"id": "q", "ask": "?", "answer": answer, "look_for": look_for})


def ground(answer: Any, value: str | None, *pages: Page, currency: str | None = None, look_for: tuple[str, ...] = (),
           evidence: tuple[Evidence, ...] = ()) -> GroundedAnswer:
    return ground_answer(question(answer, *look_for), Answer("q", value, currency, evidence=evidence),
                         pages or CONTRACT)


@pytest.mark.parametrize(("answer", "value", "currency", "status", "quotes"), [
    ("number", "60", None, "exact", ["60"]),
    ("number", "10200", None, "exact", ["10,200.00"]),
    ("number", "-1250", None, "exact", ["(1,250.00)"]),
    ("number", "61", None, "absent", []),  # nothing says where it should stand
    ("number", "10220", None, "contradicted", ["10,200.00"]),
    ("number", "102000", None, "contradicted", ["10,200.00"]),
    ("money", "48750", "EUR", "exact", ["48,750.00"]),
    ("money", "10200.00", "EUR", "exact", ["10,200.00"]),  # the only currency that is named
    ("money", "48750.00", "USD", "contradicted", []),
    ("money", "47850.00", "EUR", "contradicted", ["48,750.00"]),
    ("money", "99.10", "EUR", "absent", []),
    ("date", "2025-06-01", None, "exact", ["1 June 2025"]),
    ("date", "2025-06-07", None, "contradicted", ["1 June 2025"]),
    ("date", "2025-01-06", None, "contradicted", ["1 June 2025"]),
    ("date", "2031-11-22", None, "absent", []),
    ("text", "Quillmarrow Components Ltd", None, "exact", ["Quillmarrow Components Ltd"]),
    ("text", "quillmarow components limited", None, "absent", []),
    ("text", "Quilmarrow Components Ltd.", None, "close", ["Quillmarrow Components Ltd"]),
    ("text", "Notice period: 90 days", None, "contradicted", ["Notice period: 60 days"]),
    ("text", "48,570.00", None, "contradicted", ["48,750.00"]),
    ("text", "a marble statue", None, "absent", []),
    ("text", "...", None, "not_checkable", []),
    ("event", "yes", None, "not_checkable", []),
    ("yes/no", "yes", None, "not_checkable", []),
    (["agreement", "letter"], "letter", None, "not_checkable", []),
    ("number", None, None, "not_checkable", []),
    ("number", "about sixty", None, "not_checkable", []),
    ("list", "no JSON", None, "not_checkable", []),
    ("list", "[]", None, "not_checkable", []),
    ("list", '["Schedule A", "Supply Agreement"]', None, "exact", ["Schedule A", "Supply Agreement"]),
    ("list", '["Schedule A", "Schedule of fees"]', None, "absent", ["Schedule A"]),
    ({"type": "list", "of": "number"}, "[60, 10200.0]", None, "exact", ["60", "10,200.00"]),
    ({"type": "list", "of": "number"}, "[60, 10220]", None, "contradicted", ["60", "10,200.00"]),
    ({"type": "list", "of": "money"}, '[{"amount": 48750.00, "currency": "EUR"}]', None, "exact", ["48,750.00"]),
    ({"type": "list", "of": "date"}, '["2025-06-01"]', None, "exact", ["1 June 2025"]),
])
def test_each_type_is_looked_for_in_its_own_way(
        answer: Any, value: str | None, currency: str | None, status: str, quotes: list[str]) -> None:
    found = ground(answer, value, currency=currency)
    assert (found.status, [item.quote for item in found.evidence]) == (status, quotes)


@pytest.mark.parametrize(("printed", "answer", "value", "status"), [
    ("1.234,50", "number", "1234.50", "exact"), ("1 234,50", "number", "1234.5", "exact"),
    ("1'234.50", "number", "1234.50", "exact"), ("1,234", "number", "1234", "exact"),
    ("1,234", "number", "1.234", "exact"), ("3.5 million", "number", "3500000", "close"),
    ("sixty-two days", "number", "62", "close"), ("250-", "number", "-250", "exact"),
    ("−250", "number", "-250", "exact"),
    ("12 345 678", "number", "345", "exact"), ("CHF48", "number", "48", "exact"), ("B48", "number", "48", "absent"),
    ("$ 50", "money USD", "50", "exact"), ("$50", "money CAD", "50", "close"), ("50.-", "money CHF", "50", "close"),
    ("2026-02-03", "date", "2026-02-03", "exact"), ("3. Februar 2026", "date", "2026-02-03", "exact"),
    ("03/02/2026", "date", "2026-02-03", "close"), ("02/03/2026", "date", "2026-02-03", "close"),
    ("03.02.26", "date", "2026-02-03", "close"), ("03.02.98", "date", "1998-02-03", "close"),
    ("2026年2月3日", "date", "2026-02-03", "exact"), ("31/12/2026", "date", "2026-12-31", "exact"),
])
def test_values_are_known_in_every_usual_format(printed: str, answer: str, value: str, status: str) -> None:
    kind, _, currency = answer.partition(" ")
    assert ground(kind, value, page(f"Total {printed} stated"), currency=currency or None).status == status


@given(st.sampled_from(["number", "money", "date", "text"]), st.text("12.,-'/ $€abc中年月日", max_size=12),
       st.lists(st.text("12.,-'/ $€abc中年月日()", min_size=1, max_size=12), max_size=8),
       st.sampled_from(["text_layer", "ocr"]))
def test_whatever_is_answered_of_whatever_page_has_a_status(
        kind: str, value: str, lines: list[str], source: Literal["text_layer", "ocr"]) -> None:
    shown = page(*lines, source=source)
    found = ground(kind, value, shown, currency="EUR", look_for=("a",), evidence=(Evidence(quote=value),))
    assert found.status in ("exact", "close", "contradicted", "absent", "not_checkable")
    assert found.status != "exact" or any(item.box is not None for item in found.evidence)


def test_evidence_is_where_the_value_stands() -> None:
    [item] = ground("money", "48750.00", currency="EUR").evidence
    assert (item.page, item.time_s, item.quote) == (2, None, "48,750.00")
    assert item.box == pytest.approx((0.26, 0.08, 0.35, 0.1))


def test_given_evidence_gets_the_box_and_the_page_of_its_quote() -> None:
    found = ground("number", "60", evidence=(Evidence(quote="notice period: 60 days", score=0.5),))
    [item] = found.evidence
    assert (found.status, item.page, item.quote, item.score) == ("exact", 1, "notice period: 60 days", 0.5)
    assert item.box == pytest.approx((0, 0.08, 0.22, 0.1))


def test_given_evidence_that_has_a_box_stays_as_it_is() -> None:
    given = (Evidence(page=1, box=(0.0, 0.0, 1.0, 1.0), quote="60 days"),)
    assert ground("number", "60", evidence=given) == GroundedAnswer("exact", given)


def test_a_quote_is_looked_for_on_its_own_page_alone() -> None:
    found = ground("number", "60", evidence=(Evidence(page=2, quote="Notice period: 60 days"),))
    assert found.evidence[0].box is None


def test_a_quote_that_holds_another_value_contradicts_the_answer() -> None:
    quoted = (Evidence(page=2, quote="Total contract value: EUR 48,750.00"),)
    assert ground("money", "10200.00", currency="EUR", evidence=quoted).status == "contradicted"
    assert ground("money", "48750.00", currency="EUR", evidence=quoted).status == "exact"


def test_a_value_is_contradicted_where_its_quote_or_what_to_look_for_stands() -> None:
    assert ground("number", "66", look_for=("Notice period",)).status == "contradicted"
    assert ground("number", "66", look_for=("Penalty",)).status == "absent"
    assert ground("number", "66", evidence=(Evidence(page=1, quote="Notice period"),)).status == "contradicted"
    assert ground("number", "77", look_for=("Notice period",)).status == "absent"


def test_the_quote_of_one_item_contradicts_no_other_item() -> None:
    quoted = (Evidence(page=1, quote="Notice period: 60 days"),)
    assert ground({"type": "list", "of": "number"}, "[60, 400]", evidence=quoted).status == "exact"


def test_short_numbers_of_ocr_contradict_nothing() -> None:
    for text, status in (("Notice period 60 days", "absent"), ("Notice period 600 days", "contradicted")):
        value = text.split()[2].replace("6", "8")
        assert ground("number", value, page(text, source="ocr"), look_for=("Notice period",)).status == status
        assert ground("number", value, page(text), look_for=("Notice period",)).status == "contradicted"


@pytest.mark.parametrize("answer", ["yes/no", ["yes", "no"]])
def test_of_yes_no_and_labels_the_quotes_are_checked(answer: Any) -> None:
    for quote, status in (("Supply Agreement", "exact"), ("Suply Agreement", "close"), ("Lease", "absent")):
        assert ground(answer, "yes", evidence=(Evidence(quote=quote),)).status == status


def test_the_leaves_of_an_extraction_are_checked_and_its_labels_are_not() -> None:
    asked = Question(id="q", ask="?", answer=JsonSchema.model_validate({"type": "schema", "schema": "x.json"}))
    schema = {"type": "object", "properties": {"kind": {"enum": ["sale", "lease"]}}}
    asked = asked.model_copy(update={"answer": asked.answer.model_copy(update={"definition": schema})})
    value = {"kind": "sale", "buyer": "Wexholm Pumps", "from": "2025-06-01", "signed": True, "end": None,
             "lines": [{"price": 25.50, "total": {"amount": 10200, "currency": "EUR"}}]}
    assert ground_answer(asked, Answer("q", json.dumps(value)), CONTRACT).status == "exact"
    value["buyer"] = "Pumpworks of Ottermouth"
    assert ground_answer(asked, Answer("q", json.dumps(value)), CONTRACT).status == "absent"


def test_without_pages_nothing_is_checked_and_on_blank_ones_nothing_stands() -> None:
    assert ground_answer(question("number"), Answer("q", "60"), []).status == "not_checkable"
    assert ground("number", "60", page()).status == "absent"
    assert ground("text", "Wexholm", page()).status == "absent"
    assert ground("list", '["Wexholm"]', page()).status == "absent"


def test_what_ocr_cannot_read_is_not_checked_by_it() -> None:
    assert ground("text", "Ромашка", page("PoMaшka", source="ocr")).status == "not_checkable"
    assert ground("text", "Ромашка", page("Ромашка")).status == "exact"


def test_a_text_that_ocr_has_read_nearly_is_close() -> None:
    shown = page("Brindlewlck Purnp Works Ltd", source="ocr")
    assert ground("text", "Brindlewick Pump Works Ltd", shown).status == "close"


def test_a_long_text_may_stand_in_pieces() -> None:
    said = "The buyer pays within thirty days and the supplier delivers to the north dock"
    shown = page("The supplier delivers to the north dock", "on working days only.",
                 "The buyer pays within thirty days and")
    assert ground("text", said, shown).status == "close"


def test_evidence_of_a_video_names_the_time() -> None:
    frames = [page("GATE 4 CLOSED", number=None, time_s=2.0), page("GATE 4 OPEN", number=None, time_s=3.0)]
    [item] = ground("text", "gate 4 open", *frames).evidence
    assert (item.page, item.time_s, item.end_s, item.quote) == (None, 3.0, 3.0, "GATE 4 OPEN")
    quoted = (Evidence(time_s=2.5, end_s=4.0, quote="GATE 4"),)
    [item] = ground("yes/no", "yes", *frames, evidence=quoted).evidence
    assert (item.time_s, item.end_s) == (2.5, 4.0)
    assert item.box == pytest.approx((0, 0, 0.06, 0.02))
