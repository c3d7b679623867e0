"""Questions to reads and forms, and typed answers back from what stands on their canvases."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers_made import MADE, plain, specials

from model_actors import canvas
from model_actors.canvas import LETTERS, Read, Slot
from model_actors.constrained import token_bytes
from model_actors.engine import RequestError
from model_actors.grammar import automaton
from model_actors.prompts import timestamp
from schemas.answers import columns
from schemas.checklist import JsonSchema, Question

LETTER = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('"\\{}[],:\n\té🦊')
TEXT = st.text(LETTER, min_size=1, max_size=8)
HOSTILE = st.sampled_from(['", "q2": "', '{"q1": null, "q2": 1}', '"q3": ', "\\", '\\"', "}", '"}', "null", "q1"])
LABELS = st.integers(2, 52).flatmap(lambda count: st.lists(TEXT | HOSTILE, min_size=count, max_size=count, unique=True))


@st.composite
def read_questions(draw: st.DrawFn) -> list[Question]:
    return [Question(id=f"q{number}", ask=draw(TEXT), answer=draw(st.just("yes/no") | LABELS))
            for number in range(1, draw(st.integers(1, 12)) + 1)]


def filled(read: Read, chosen: dict[str, int]) -> list[int]:
    """The ids of a canvas where each slot holds the chosen label."""
    ids = list(read.ids)
    for slot in read.slots:
        ids[slot.position] = slot.ids[chosen[slot.question.id]]
    return ids


@pytest.mark.parametrize("make", MADE)
@settings(max_examples=30)
@given(read_questions(), st.integers(8, 40), st.randoms(use_true_random=False))
def test_every_question_has_one_slot_in_which_each_label_reads_as_its_letter(
        make: Callable[[], Any], questions: list[Question], width: int, chance: Any) -> None:
    tokenizer = make()
    special, written = specials(tokenizer), token_bytes(tokenizer)
    reads = canvas.reads(tokenizer, questions, width, special.end_of_turn, special.pad)
    slots = [slot for read in reads for slot in read.slots]
    assert [slot.question for slot in slots] == questions
    assert all(len(set(slot.ids)) == len(slot.ids) == len(canvas.labels(slot.question)) for slot in slots)
    assert all(read.slots and len(read.ids) <= width for read in reads)
    assert all(len({slot.position for slot in read.slots}) == len(read.slots) for read in reads)
    for _ in range(3):
        chosen = {slot.question.id: chance.randrange(len(slot.ids)) for slot in slots}
        for read in reads:
            ids = filled(read, chosen)
            assert list(ids[-2:]) == [special.end_of_turn, special.pad]
            assert b"".join(written[token] or b"" for token in ids).decode() == "".join(
                f"{number}: {LETTERS[chosen[slot.question.id]]}\n" for number, slot in enumerate(read.slots, 1))
            assert read.task == canvas.read_task([slot.question for slot in read.slots])


@pytest.mark.parametrize("make", MADE)
def test_a_canvas_is_split_only_where_the_next_line_and_the_end_do_not_fit(make: Callable[[], Any]) -> None:
    """Nine lines take `line` tokens each, the tenth and the eleventh one more; every canvas counts from 1."""
    line = len(make().encode("1: A\n", add_special_tokens=False))
    questions = [Question(id=f"q{number}", ask="?", answer="yes/no") for number in range(11)]

    def split(width: int) -> list[int]:
        return [len(read.slots) for read in canvas.reads(make(), questions, width, 5, 0)]

    assert [split(width) for width in (11 * line + 4, 11 * line + 3, 5 * line + 1, line + 3)] == [
        [11], [10, 1], [4, 4, 3], [1] * 11]
    with pytest.raises(RequestError, match=f"a line of {line} tokens does not fit a canvas of {line + 1}"):
        split(line + 1)


def test_more_labels_than_letters_are_refused() -> None:
    question = Question(id="kind", ask="?", answer=[str(number) for number in range(53)])
    with pytest.raises(RequestError, match=r"'kind' has 53 labels, and at most 52 .* split it into two questions"):
        canvas.reads(plain(), [question], 48, 5, 0)


@pytest.mark.parametrize("merged", [": B", "B\n"])
def test_a_tokenizer_without_a_token_for_every_letter_is_refused(merged: str) -> None:
    tokenizer = plain.__wrapped__()
    tokenizer.add_tokens([merged])
    with pytest.raises(RequestError, match="gives letters no tokens of their own"):
        canvas.reads(tokenizer, [Question(id="q", ask="?", answer="yes/no")], 48, 5, 0)


@given(st.lists(st.lists(st.integers(-99, 99).map(lambda each: each * abs(each) / 8), min_size=2, max_size=52),
                min_size=1, max_size=3))
def test_a_read_answers_the_likeliest_label_with_its_share(rows: list[list[float]]) -> None:
    questions = [Question(id=f"q{number}", ask="?", answer=[f"label {each}" for each in range(len(row))])
                 for number, row in enumerate(rows)]
    read = Read((), tuple(Slot(question, 0, tuple(range(len(row))))
                          for question, row in zip(questions, rows, strict=True)))
    for question, row, answer in zip(questions, rows, canvas.read_answers(read, rows), strict=True):
        shares = np.exp(np.array(row) - max(row))
        assert (answer.question, answer.value) == (question.id, f"label {int(np.argmax(row))}")
        assert answer.confidence == pytest.approx((shares / shares.sum()).max(), rel=1e-9)
        assert answer.confidence_source == "label_probability"
        assert [label for label, _ in answer.probabilities] == list(canvas.labels(question))
        assert [share for _, share in answer.probabilities] == pytest.approx(list(shares / shares.sum()), rel=1e-9)


def test_labels_are_told_with_their_descriptions_and_examples_where_the_job_has_some() -> None:
    answer = {"labels": {"contract": "Signed by two.", "invoice": None, "other": "Anything else"},
              "examples": {"contract": ["This agreement", 'the "Parties"'], "invoice": ["Please pay"]}}
    question = Question.model_validate({"id": "kind", "ask": "Which?", "answer": answer})
    told = ('\n- contract: Signed by two.; for example "This agreement", "the \\"Parties\\""'
            '\n- invoice: for example "Please pay"\n- other: Anything else')
    assert canvas.line(question) == "Which? A = contract, B = invoice, C = other" + told
    assert canvas.member(question) == '"kind": Which? (one of "contract", "invoice", "other")' + told


def test_a_task_says_what_its_canvas_then_holds() -> None:
    questions = [Question(id="a", ask="Is it?", answer="yes/no"), Question(id="b", ask="Which?", answer=["x=y", "né"])]
    assert canvas.read_task(questions) == (
        f"{canvas.ASK_READ}\n1. Is it? A = yes, B = no\n2. Which? A = x=y, B = né")
    questions = [Question(id="a", ask="How many?", answer="number"), Question(id="b", ask="All?", answer="list")]
    assert canvas.form_task(questions) == (
        f'{canvas.ASK_FORM}\n"a": How many? (a number)\n"b": All? (a list, each a short text)')
    schema = extraction("c").model_copy(update={"ask": "What?"})
    assert canvas.form_task([schema]).endswith(
        '"c": What? (by this schema: {"properties": {"ä": {"type": ["string", "null"]}, "q2": {"type": "number"}, '
        '"q3": {"type": "null"}}})')


def extraction(name: str) -> Question:
    question = Question(id=name, ask="?", answer={"schema": "x.json"})
    assert isinstance(question.answer, JsonSchema)
    definition = {"properties": {"ä": {"type": ["string", "null"]}, "q2": {"type": "number"}, "q3": {"type": "null"}}}
    return question.model_copy(update={"answer": question.answer.model_copy(update={"definition": definition})})


DIGITS = st.builds(lambda sign, whole, places: f"{sign}{whole}{places}", st.sampled_from(["", "-"]),
                   st.integers(0, 10**17), st.sampled_from(["", ".5", ".50", ".00", ".123456789"]))
CODES = st.sampled_from(["EUR", "USD"])
DATES = st.dates().filter(lambda date: 1000 <= date.year < 3000).map(str)


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def money(amount: str, currency: str) -> str:
    return f'{{"amount": {amount}, "currency": "{currency}"}}'


def extracted(text: str | None, digits: str) -> str:
    return f'{{"ä": {dumped(text)}, "q2": {digits}, "q3": null}}'


def listed(items: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str, None]]:
    return st.lists(items, max_size=3).map(lambda texts: f"[{', '.join(texts)}]").map(lambda text: (text, text, None))


def event(spans: list[tuple[int, int]]) -> tuple[str, str, None]:
    """Stretches of time; one that ends before it begins is none."""
    written = [dumped({"from": timestamp(first), "to": timestamp(last)}) for first, last in spans]
    return f"[{', '.join(written)}]", "yes" if any(first <= last for first, last in spans) else "no", None


WRITTEN: dict[Any, st.SearchStrategy[tuple[str, str, str | None]]] = {
    "number": DIGITS.map(lambda text: (text, text, None)),
    "money": st.tuples(DIGITS, CODES).map(lambda pair: (money(*pair), *pair)),
    "date": DATES.map(lambda date: (dumped(date), date, None)),
    "text": (TEXT | HOSTILE).map(lambda text: (dumped(text), text, None)),
    "list": listed((TEXT | HOSTILE).map(dumped)), "list of number": listed(DIGITS),
    "list of date": listed(DATES.map(dumped)), "list of money": listed(st.builds(money, DIGITS, CODES)),
    "event": st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 9_999)), max_size=3).map(event),
    "schema": st.builds(extracted, TEXT | HOSTILE | st.none(), DIGITS).map(lambda text: (text, text, None))}
"""Of each kind of answer what stands in a form, the value and the currency; schemas have keys that questions have."""


@st.composite
def forms(draw: st.DrawFn) -> tuple[list[Question], str, list[tuple[int, int]], list[tuple[str | None, str | None]]]:
    """Questions, a form of them, from which byte to which each value stands, and each value with its currency."""
    questions, text, places, values = [], "{", [], []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        kind, _, of = draw(st.sampled_from(list(WRITTEN))).partition(" of ")
        name = f"q{number}"
        answer: Any = {"type": kind, "of": of} if of else kind
        questions.append(extraction(name) if kind == "schema" else Question(id=name, ask="?", answer=answer))
        text += f'{", " if number > 1 else ""}"{name}": '
        source, *value = draw(st.just(("null", None, None)) | WRITTEN[f"{kind} of {of}" if of else kind])
        places.append((len(text.encode()), len((text + source).encode())))
        values.append(tuple(value))
        text += source
    return questions, text + "}", places, values


@given(forms(), st.data())
def test_a_form_gives_back_each_value_exactly_and_how_sure_its_own_tokens_are(form: Any, data: st.DataObject) -> None:
    questions, text, places, values = form
    size = len(text.encode())
    ends = sorted(data.draw(st.sets(st.integers(1, size), max_size=size)) | {size})
    chances = data.draw(st.lists(st.floats(-9, 0), min_size=len(ends), max_size=len(ends)))
    tokens = list(zip([0, *ends], ends, chances, strict=False))
    answers = canvas.form_answers(questions, text.encode(), list(zip(ends, chances, strict=True)))
    assert [(answer.question, answer.value, answer.currency) for answer in answers] == [
        (question.id, *value) for question, value in zip(questions, values, strict=True)]
    for question, answer, (first, last) in zip(questions, answers, places, strict=True):
        words = [range(first + word.start(), first + word.end())
                 for word in re.finditer(rb"[^ \n\t\r\f\v]+", text.encode()[first:last])]
        assert answer.confidence == pytest.approx(min(
            math.exp(sum(chance for start, end, chance in tokens if start < word.stop and end > word.start))
            for word in words))
        assert answer.confidence_source == "min_word_probability"
        assert (answer.reason is None) == (answer.value is not None)
        if answer.value is not None:
            columns(question, answer.value, answer.currency)  # raises where it is not of its type


@given(forms())
def test_a_form_is_what_its_schema_lets_be_written(form: Any) -> None:
    questions, text, *_ = form
    machine = automaton(canvas.form_schema(questions))
    assert machine.final[machine.run(text.encode())]


def test_the_tokens_beside_a_value_do_not_count_for_it() -> None:
    tokens = [('{"t": ', 0.1), ('"é🦊', 0.95), ('日本"', 0.6), (', "a": ', 0.2), ("12", 0.9), (".50", 0.8),
              (', "b": ', 0.2), ("null", 0.7), (', "c": ', 0.2), ('"two', 0.9), (" wo", 0.6), ('rds"', 0.5), ("}", 0.3),
              ("", 0.05)]
    ends = list(itertools.accumulate(len(text.encode()) for text, _ in tokens))
    answers = canvas.form_answers(
        [Question(id=name, ask="?", answer=kind) for name, kind in (
            ("t", "text"), ("a", "number"), ("b", "date"), ("c", "text"))],
        "".join(text for text, _ in tokens).encode(),
        [(end, math.log(chance)) for end, (_, chance) in zip(ends, tokens, strict=True)])
    assert [(answer.value, answer.reason) for answer in answers] == [
        ("é🦊日本", None), ("12.50", None), (None, "the model finds nothing stated"), ("two words", None)]
    assert [answer.confidence for answer in answers] == pytest.approx([0.95 * 0.6, 0.9 * 0.8, 0.7, 0.6 * 0.5])


@given(forms(), st.data())
def test_a_form_that_is_cut_short_anywhere_answers_nothing(form: Any, data: st.DataObject) -> None:
    questions, text, *_ = form
    whole = text.encode()
    answers = canvas.form_answers(questions, whole[: data.draw(st.integers(0, len(whole) - 1))], [])
    assert [(answer.question, answer.value, answer.confidence, answer.reason) for answer in answers] == [
        (question.id, None, 0.0, "the reply holds no whole JSON object") for question in questions]


@pytest.mark.parametrize(("written", "values", "reasons"), [
    ('Sure!\n```json\n{ "b" : "x y",\n "a":3 }\n```', ["3", "x y"], [None, None]),
    ('{"b": {"a": 1}, "a": 2.50}', ["2.50", None], [None, 'the reply is no text: {"a": 1}']),
    ('{"a": "two"}', [None, None], ['the reply is no number: "two"', "the reply leaves it out"]),
    ('{"a": 1, "b": "x"} {"a": 2}', ["1", "x"], [None, None]), ("[1]", [None, None],
                                                                ["the reply holds no whole JSON object"] * 2)])
def test_json_that_was_written_freely_is_read_whatever_stands_around_it(
        written: str, values: list[str | None], reasons: list[str | None]) -> None:
    questions = [Question(id="a", ask="?", answer="number"), Question(id="b", ask="?", answer="text")]
    answers = canvas.form_answers(questions, written.encode(), None)
    assert [answer.value for answer in answers] == values
    assert [answer.reason for answer in answers] == reasons
