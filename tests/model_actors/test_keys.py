"""How well a printed key fits what a question names."""

from __future__ import annotations

import pytest

from model_actors.keys import fit, phrases
from model_actors.rules import MIN_FIT
from schemas.checklist import Question


@pytest.mark.parametrize(("key", "phrase"), [
    ("Invoice no.", "Invoice number"), ("Total contract value:", "total contract value"),
    ("Rechnungsnr.", "Rechnungsnummer"),
    ("Date of issue", "Issue date"), ("Recalibration due", "When is recalibration due?"),
    ("Either party may end this agreement; notice period", "Notice period"), ("Oue date", "Oue date"),
    ("abzüglich Anzahlung", "Anzahlung"), ("Numéro de facture", "numero facture"),
])
def test_keys_in_other_words_order_or_abbreviation_fit(key: str, phrase: str) -> None:
    assert fit(key, [phrase]) >= MIN_FIT


@pytest.mark.parametrize(("key", "phrase"), [
    ("Due date", "Invoice date"), ("Net total", "Total"), ("Subtotal", "Total"), ("Date", "What is the invoice date?"),
    ("Previous balance", "Balance"), ("", "Total"), ("Total", "Total contract value"), ("MwSt. 19 %", "Gesamtbetrag"),
])
def test_keys_of_something_else_do_not_fit(key: str, phrase: str) -> None:
    assert fit(key, [phrase]) < MIN_FIT


def test_a_qualifier_that_the_question_says_too_fits() -> None:
    assert fit("Net total", ["What is the net total?"]) == 1.0


def test_hints_stand_for_the_question_and_its_end_may_be_dropped() -> None:
    asked = Question.model_validate({"id": "a", "ask": "What is the due date of the invoice?", "answer": "date"})
    assert phrases(asked)[1] == "What is the due date"
    hinted = asked.model_copy(update={"look_for": ("Due",)})
    assert phrases(hinted) == ["Due"]
