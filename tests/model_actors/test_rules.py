"""Answers by rule, on documents that were not used to write the rules, and the reasons for which a rule abstains."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipelines import Runner
from printed_pages import words_of

from model_actors.engine import Answer
from model_actors.layout import segments
from model_actors.rules import HINTED, Reading, answer_by_rule
from schemas.checklist import Label, Question

DATA = Path(__file__).parent.parent / "data"


def reading(*lines: str) -> Reading:
    """A page of lines; wide gaps stand for cells. Every character is 1 % of the page wide, every line 2 % high."""
    words = words_of(*lines)
    return Reading.of(1, words, segments(words, 1.0))


def ask(answer: Any, *lines: str, look_for: list[str] | None = None, question: str = "?") -> Answer:
    asked = Question.model_validate({"id": "q", "ask": question, "answer": answer, "look_for": look_for or []})
    return answer_by_rule(asked, [reading(*lines)])


def test_a_value_right_of_its_key_is_taken_with_its_box_and_key() -> None:
    found = ask("money", "Net total        EUR 10.00", "Total            EUR 12.00", look_for=["Total"])
    assert (found.value, found.currency, found.confidence, found.confidence_source) == ("12.00", "EUR", HINTED, "rule")
    assert found.reason == "stands beside 'Total'"
    assert found.evidence[0].quote == "EUR 12.00"
    assert found.evidence[0].box == pytest.approx((0.17, 0.04, 0.26, 0.06))


def test_a_value_below_its_key_is_taken() -> None:
    found = ask("date", "Issued            Due", "3 May 2026        2 June 2026", look_for=["Due"])
    assert found.value == "2026-06-02"


def test_a_value_in_the_named_row_and_column_is_taken() -> None:
    lines = ("Item          Qty         Weight", "Bolts         40          12", "Nuts          60          9")
    assert ask("number", *lines, look_for=["nuts", "qty"]).value == "60"


def test_a_column_header_alone_names_no_single_value() -> None:
    lines = ("Item          Qty", "Bolts         40", "Nuts          60")
    assert ask("number", *lines, look_for=["qty"]).value is None


def test_two_values_beside_keys_alike_are_a_conflict_that_shows_both() -> None:
    found = ask("date", "Due date: 3 May 2026", "Due date: 4 May 2026", look_for=["Due date"])
    assert found.value is None
    assert found.reason == "several values stand beside keys alike: 3 May 2026, 4 May 2026"
    assert [item.quote for item in found.evidence] == ["3 May 2026", "4 May 2026"]


def test_a_date_that_reads_two_ways_is_not_taken() -> None:
    found = ask("date", "Due date: 03/04/2026", look_for=["Due date"])
    assert (found.value, found.reason) == (None, "03/04/2026 can be read in two ways")


def test_words_that_are_hardly_legible_are_not_taken() -> None:
    page = reading("Due date: 3 May 2026")
    page.words.confidences[3] = 0.4
    asked = Question.model_validate({"id": "q", "ask": "?", "answer": "date", "look_for": ["Due date"]})
    assert answer_by_rule(asked, [page]).reason == "3 May 2026 is not legible enough"


@pytest.mark.parametrize(("answer", "line", "look_for"), [
    ("yes/no", "Invoice No. 12345", ["Invoice"]), (["paid", "overdue"], "Payment status: unpaid", ["Payment status"]),
    ("money", "Total: 12.500 EUR", ["Total"]), ("money", "Balance: -$1,250.00", ["Balance"]),
    ("money", "Balance: (1,250.00) USD", ["Balance"]), ("money", "Total: EUR 1.2 million", ["Total"]),
])
def test_what_only_looks_like_a_value_is_not_taken(answer: Any, line: str, look_for: list[str]) -> None:
    assert ask(answer, line, look_for=look_for).value is None


def test_text_after_a_colon_in_the_next_cell_or_below_a_header_is_taken() -> None:
    assert ask("text", "Order no.: K-17", look_for=["Order number"]).value == "K-17"
    assert ask("text", "Order no.         K-17", look_for=["Order number"]).value == "K-17"
    below = ask("text", "Customer          Order no.", "Miller            K-17", look_for=["Order number"])
    assert below.value == "K-17"
    assert ask("text", "Order no. K-17", look_for=["Order number"]).value == "K-17"


def test_a_title_is_the_label_of_a_document() -> None:
    labels = ["invoice", "delivery note"]
    page = reading("DELIVERY NOTE", "Our invoice follows", "in the week after", "this one")
    page.words.boxes[:2, 3] += 0.01
    large = Reading.of(1, page.words, segments(page.words, 1.0))
    asked = Question.model_validate({"id": "q", "ask": "What kind of document?", "answer": labels})
    assert answer_by_rule(asked, [large]).value == "delivery note"


@pytest.mark.parametrize("kind", ["list", {"type": "list", "of": "date"}])
def test_what_no_rule_can_answer_is_said_to_need_a_model(kind: Any) -> None:
    assert "needs a model" in (ask(kind, "Due: 3 May 2026").reason or "")


def exam(run: Runner, folder: Path, name: str, tmp_path: Path) -> Counter[str]:
    """Ask the questions of an exam, each of its own document, and count right, wrong and abstained."""
    questions = yaml.safe_load((folder / name).read_text("utf-8"))
    counts: Counter[str] = Counter()
    for document in sorted({question["document"] for question in questions}):
        own = [question for question in questions if question["document"] == document]
        checklist = [{key: question[key] for key in ("id", "ask", "answer", "look_for") if key in question}
                     for question in own]
        rows = run(tmp_path / document, inputs=[str(folder / document)], checklist=checklist)["answers"]
        given = {row["question"]: row for row in rows if row["level"] == "asset"}
        counts.update(mark(given[question["id"]], question["truth"]) for question in own)
    return counts


def mark(row: dict[str, Any], truth: Any) -> str:
    if row["status"] != "answered":
        return "abstained"
    if isinstance(truth, dict):
        right = (Decimal(row["value"]), row["currency"]) == (Decimal(truth["amount"]), truth["currency"])
    elif row["answer_type"] == "number" and truth is not None:
        right = Decimal(row["value"]) == Decimal(truth)
    else:
        right = row["value"] == truth
    return "right" if right else "wrong"


def test_of_twenty_answerable_questions_most_are_right_and_at_most_one_is_wrong(run: Runner, tmp_path: Path) -> None:
    counts = exam(run, DATA / "exam", "questions.yaml", tmp_path)
    assert counts.total() == 20
    assert counts["right"] >= 14
    assert counts["wrong"] <= 1


def test_of_questions_that_the_documents_do_not_answer_none_is_answered(run: Runner, tmp_path: Path) -> None:
    assert exam(run, DATA / "exam", "unanswerable.yaml", tmp_path) == {"abstained": 10}


def test_the_set_that_the_rules_were_mended_on_stays_right(run: Runner, tmp_path: Path) -> None:
    assert exam(run, DATA / "practice", "questions.yaml", tmp_path) == {"right": 17, "abstained": 3}
    assert exam(run, DATA / "practice", "unanswerable.yaml", tmp_path / "none") == {"abstained": 10}


def test_an_example_of_a_label_is_known_again_as_a_title_and_beside_a_key() -> None:
    kinds = {"labels": ["contract", "invoice"], "examples": {"contract": ["Supply agreement"], "invoice": ["Bill"]}}
    page = reading("Supply agreement", "between two parties", "of this land")
    large = [replace(segment, box=(*segment.box[:3], segment.box[1] + 0.03)) if place == 0 else segment
             for place, segment in enumerate(segment for row in page.rows for segment in row)]
    titled = replace(page, rows=[[segment] for segment in large])
    asked = Question.model_validate({"id": "q", "ask": "?", "answer": kinds})
    found = answer_by_rule(asked, [titled])
    assert (found.value, found.evidence[0].quote) == ("contract", "Supply agreement")
    assert answer_by_rule(asked.model_copy(update={"answer": Label(labels=("contract", "invoice"))}),
                          [titled]).value is None
    found = ask(kinds, "Type of paper: Bill", look_for=["Type of paper"])
    assert (found.value, found.evidence[0].quote) == ("invoice", "Bill")
