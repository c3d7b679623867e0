"""Questions to canvases and back: reads, whose slots are labels settled in one step, and forms, which are JSON.

A checklist is asked in up to two ways, chosen by answer type: yes/no, labels and whether an event is seen are *read*,
everything else is a *form*. Both tell the model in words exactly what the canvas then holds: a canvas that the prompt
did not ask for is answered badly. Transcripts are neither: they are written freely.
"""

from __future__ import annotations

import json
import math
import re
import string
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from model_actors.engine import Answer, Evidence, RequestError
from schemas.checklist import Event, JsonSchema, Label, ListOf, Question, YesNo

LETTERS = string.ascii_uppercase + string.ascii_lowercase

ASK_READ = "Answer each question from what is shown: its number, a colon and the letter of its answer."
ASK_FORM = "Fill in this JSON form from what is shown. Write null where nothing is stated."

FORM_HINTS = {
    "number": "a number", "money": 'like {"amount": 12.5, "currency": "EUR"}', "date": "a date, YYYY-MM-DD",
    "text": "a short text", "event": 'stretches of time like [{"from": "00:05", "to": "00:09"}]'}


def is_read(question: Question) -> bool:
    """Whether a question is answered by a label that one denoising step settles."""
    return isinstance(question.answer, YesNo | Label | Event)


def labels(question: Question) -> tuple[str, ...]:
    """The labels of a question that is read, in the order in which they are offered."""
    return question.answer.labels if isinstance(question.answer, Label) else ("yes", "no")


def check_labels(question: Question) -> None:
    """Raise RequestError for more labels than there are letters."""
    if len(labels(question)) > len(LETTERS):
        raise RequestError(f"question {question.id!r} has {len(labels(question))} labels, and at most {len(LETTERS)} "
                           "can be told apart in one step: split it into two questions")


def read_task(questions: Sequence[Question]) -> str:
    """The words that ask for a read of these questions."""
    return "\n".join([ASK_READ, *(f"{number}. {line(question)}" for number, question in enumerate(questions, 1))])


def line(question: Question) -> str:
    """The line of a task that asks one question."""
    if is_read(question):
        choices = ", ".join(f"{letter} = {label}" for letter, label in zip(LETTERS, labels(question), strict=False))
        return f"{question.ask} {choices}{_described(question)}"
    return member(question)


def _described(question: Question) -> str:
    """A line for each label of a question that the job describes, or shows by examples; nothing where it does not."""
    if not isinstance(question.answer, Label):
        return ""
    said = []
    for label in question.answer.labels:
        told = [question.answer.descriptions[label]] if label in question.answer.descriptions else []
        shown = ", ".join(json.dumps(text, ensure_ascii=False) for text in question.answer.examples.get(label, ()))
        told += [f"for example {shown}"] if shown else []
        said += [f"\n- {label}: {'; '.join(told)}"] if told else []
    return "".join(said)


def member(question: Question) -> str:
    """The line of a task that asks for one member of a JSON object."""
    if isinstance(question.answer, YesNo | Label):
        choices = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels(question))
        return f"{json.dumps(question.id)}: {question.ask} (one of {choices}){_described(question)}"
    if isinstance(question.answer, JsonSchema):
        hint = "by this schema: " + json.dumps(question.answer.definition, ensure_ascii=False)
    elif isinstance(question.answer, ListOf):
        hint = f"a list, each {FORM_HINTS[question.answer.of]}"
    else:
        hint = FORM_HINTS[question.answer.type]
    return f"{json.dumps(question.id)}: {question.ask} ({hint})"


@dataclass(frozen=True)
class Slot:
    """One position of a canvas and the ids that may stand there, one for each label of its question."""

    question: Question
    position: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Read:
    """A canvas of pinned ids with a slot for each question; what stands at the slots' own positions means nothing."""

    ids: tuple[int, ...]
    slots: tuple[Slot, ...]

    @property
    def task(self) -> str:
        """The words that ask for this canvas."""
        return read_task([slot.question for slot in self.slots])


def reads(tokenizer: Any, questions: Sequence[Question], width: int, end_of_turn: int, pad: int) -> list[Read]:
    """Canvases of at most `width` ids that read these questions, each as narrow as its lines, with a task of its own.

    Each ends with the end of the turn and a pad: without both, label mass is lost. Raises RequestError where a line
    does not fit, or the tokenizer does not give every letter a token of its own.
    """
    canvases: list[Read] = []
    ids: list[int] = []
    slots: list[Slot] = []
    for question in questions:
        pinned, place, choices = _line(tokenizer, len(slots) + 1, question)
        if len(pinned) + 2 > width:
            raise RequestError(f"a line of {len(pinned)} tokens does not fit a canvas of {width}")
        if len(ids) + len(pinned) + 2 > width:
            canvases.append(Read((*ids, end_of_turn, pad), tuple(slots)))
            ids, slots = [], []
            pinned, place, choices = _line(tokenizer, 1, question)
        slots.append(Slot(question, len(ids) + place, choices))
        ids += pinned
    canvases.append(Read((*ids, end_of_turn, pad), tuple(slots)))
    return canvases


def _line(tokenizer: Any, number: int, question: Question) -> tuple[list[int], int, tuple[int, ...]]:
    """A question's line with its first label, the place of the label in it, and the id of every label there."""
    check_labels(question)
    lines = [tokenizer.encode(f"{number}: {letter}\n", add_special_tokens=False)
             for letter in LETTERS[: len(labels(question))]]
    if len({len(each) for each in lines}) == 1:
        places = [place for place, column in enumerate(zip(*lines, strict=True)) if len(set(column)) > 1]
        if len(places) == 1 and len({each[places[0]] for each in lines}) == len(lines):
            return lines[0], places[0], tuple(each[places[0]] for each in lines)
    raise RequestError("this model's tokenizer gives letters no tokens of their own, so that labels cannot be read")


def read_answers(read: Read, logits: Sequence[Sequence[float]]) -> list[Answer]:
    """Answers from each slot's logits over its own ids, at temperature 1, in the order of the slots."""
    answers = []
    for slot, row in zip(read.slots, logits, strict=True):
        top = max(row)
        shares = [math.exp(value - top) for value in row]
        whole = sum(shares)
        found = tuple((label, share / whole) for label, share in zip(labels(slot.question), shares, strict=True))
        best, sure = max(found, key=lambda each: each[1])
        answers.append(Answer(slot.question.id, best, confidence=sure, confidence_source="label_probability",
                              probabilities=found))
    return answers


def form_task(questions: Sequence[Question]) -> str:
    """The words that ask for a form of these questions."""
    return "\n".join([ASK_FORM, *map(line, questions)])


def form_schema(questions: Sequence[Question]) -> dict[str, Any]:
    """The JSON Schema of a form: an object with a key for each question, null where nothing is stated."""
    return {"type": "object", "required": [question.id for question in questions],
            "properties": {question.id: {"anyOf": [{"type": "null"}, _value_schema(question)]}
                           for question in questions}}


MONEY: dict[str, Any] = {
    "type": "object", "required": ["amount", "currency"],
    "properties": {"amount": {"type": "number"}, "currency": {"type": "string", "format": "currency"}}}
SPAN: dict[str, Any] = {
    "type": "object", "required": ["from", "to"],
    "properties": {"from": {"type": "string", "format": "timestamp"}, "to": {"type": "string", "format": "timestamp"}}}
SIMPLE: dict[str, dict[str, Any]] = {
    "number": {"type": "number"}, "money": MONEY, "date": {"type": "string", "format": "date"},
    "text": {"type": "string", "minLength": 1}, "event": {"type": "array", "items": SPAN}}


def _value_schema(question: Question) -> dict[str, Any]:
    if isinstance(question.answer, JsonSchema):
        assert question.answer.definition is not None  # held by load_job
        return {**question.answer.definition, "$id": f"urn:canvass:{question.id}"}  # its references are its own
    if isinstance(question.answer, YesNo | Label):
        return {"enum": list(labels(question))}
    if isinstance(question.answer, ListOf):
        return {"type": "array", "items": SIMPLE[question.answer.of]}
    return SIMPLE[question.answer.type]


def form_answers(questions: Sequence[Question], written: bytes, chances: Sequence[tuple[int, float]] | None) \
        -> list[Answer]:
    """Answers from a form that was written, and from the log-probability of each token and the byte at which it ends.

    The confidence of a value is that of its least sure word. A question whose value is missing, or is none of its kind,
    is not answered, with no confidence at all.
    """
    text = written.decode("utf-8", "replace")
    try:
        found = dict(_members(text))
    except ValueError:
        return [_unanswered(question, "the reply holds no whole JSON object") for question in questions]
    answers = []
    for question in questions:
        if question.id not in found:
            answers.append(_unanswered(question, "the reply leaves it out"))
            continue
        value, place, end = found[question.id]
        source = text[place:end]
        sure = _sureness(source.encode(), len(text[:place].encode()), chances) if chances is not None else None
        answers.append(_form_answer(question, value, source, sure))
    return answers


def _unanswered(question: Question, reason: str) -> Answer:
    return Answer(question.id, None, confidence=0.0, confidence_source="min_word_probability", reason=reason)


def _members(text: str) -> Iterator[tuple[str, tuple[Any, int, int]]]:
    """The members of the object that a text holds: name, value, and where the value's own text begins and ends.

    Raises ValueError where it holds none whole.
    """
    decode = json.JSONDecoder().raw_decode
    place = _after(text, text.index("{") + 1)
    if text[place : place + 1] == "}":
        return
    while True:
        name, place = decode(text, place)
        place = _after(text, place)
        if text[place : place + 1] != ":" or not isinstance(name, str):
            raise ValueError
        place = _after(text, place + 1)
        value, end = decode(text, place)
        yield name, (value, place, end)
        place = _after(text, end)
        if text[place : place + 1] == "}":
            return
        if text[place : place + 1] != ",":
            raise ValueError
        place = _after(text, place + 1)


def _after(text: str, place: int) -> int:
    """The next place that holds no white space."""
    while text[place : place + 1].isspace():
        place += 1
    return place


def _sureness(source: bytes, offset: int, chances: Sequence[tuple[int, float]]) -> float:
    """The probability of the least sure word of a value that stands at a byte of a form.

    All tokens of a word must be right, so theirs are multiplied: 19 digits of 20 are no amount. Those of a whole text
    are not, or a long one would never be sure.
    """
    ends = [end for end, _ in chances]
    words = ((offset + word.start(), offset + word.end()) for word in re.finditer(rb"\S+", source))
    return math.exp(min((sum(chance for _, chance in chances[bisect_right(ends, first) : bisect_left(ends, last) + 1])
                         for first, last in words), default=0.0))


def _form_answer(question: Question, value: Any, source: str, confidence: float | None) -> Answer:
    kind = question.answer.type
    named = None if confidence is None else "min_word_probability"
    if value is None:
        return Answer(question.id, None, confidence=confidence, confidence_source=named,
                      reason="the model finds nothing stated")
    invalid = _unanswered(question, f"the reply is no {kind}: {source[:80]}")
    if not isinstance(question.answer, JsonSchema) and not (  # that one is checked with every other engine's answers
            Draft202012Validator(_value_schema(question)).is_valid(value)):
        return invalid
    written, currency = source, None
    if kind == "event":
        try:
            spans = [(_seconds(span["from"]), _seconds(span["to"])) for span in value]
        except ValueError:
            return invalid
        evidence = tuple(Evidence(time_s=first, end_s=last) for first, last in spans if first <= last)
        return Answer(question.id, "yes" if evidence else "no", None, confidence, named, evidence)
    if kind == "money":
        written, currency = _amount(source), value["currency"]
    elif kind in ("date", "text") or is_read(question):
        written = value
    return Answer(question.id, written, currency, confidence, named)


def _seconds(stamp: str) -> float:
    """The seconds of a time as prompts.timestamp writes it."""
    seconds = 0.0
    for part in stamp.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def _amount(source: str) -> str:
    """The amount as it is written: a float would lose 12.50's last digit."""
    amount: str = json.loads(source, parse_float=str, parse_int=str)["amount"]
    return amount
