"""A checklist: typed questions with a scope, as a user writes them in a job file."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Union

from pydantic import Field, field_validator, model_validator

from schemas.strict import Strict

IDENTIFIER = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
CONDITION = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_-]*)\s*(==|!=)\s*(.+?)\s*$")


class YesNo(Strict):
    """`answer: yes/no`"""

    type: Literal["yes/no"] = "yes/no"


class Label(Strict):
    """`answer: [contract, invoice]`: exactly one of the labels.

    `labels: {contract: An agreement signed by two parties, invoice: A demand for payment}` describes them, of which
    each may be left without a description. `examples` lists texts that a label's pages show: `{contract: [Supply
    agreement]}`.
    """

    type: Literal["label"] = "label"
    labels: tuple[str, ...] = Field(min_length=2)
    descriptions: dict[str, str] = Field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _described(cls, answer: Any) -> Any:
        if isinstance(answer, dict) and isinstance(answer.get("labels"), dict):
            said = {name: text for name, text in answer["labels"].items() if text is not None}
            return {"descriptions": said, **answer, "labels": list(answer["labels"])}
        return answer

    @model_validator(mode="after")
    def _of_its_labels(self) -> Label:
        for entry, named in (("descriptions", self.descriptions), ("examples", self.examples)):
            if strange := [name for name in named if name not in self.labels]:
                raise ValueError(f"{entry}: {strange[0]!r} is none of the labels {', '.join(self.labels)}")
        return self

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("labels must differ from each other")
        return labels


class Number(Strict):
    """`answer: number`: a decimal number."""

    type: Literal["number"] = "number"


class Money(Strict):
    """`answer: money`: an amount and an ISO 4217 currency."""

    type: Literal["money"] = "money"


class Date(Strict):
    """`answer: date`: a calendar date."""

    type: Literal["date"] = "date"


class Text(Strict):
    """`answer: text`: a short free text."""

    type: Literal["text"] = "text"


class ListOf(Strict):
    """`answer: {type: list, of: date}`: several values of one simple type; `answer: list` lists texts."""

    type: Literal["list"] = "list"
    of: Literal["number", "money", "date", "text"] = "text"


class JsonSchema(Strict):
    """`answer: {schema: invoice.schema.json}`: an extraction; the path is relative to the job file.

    `definition` is what the file holds, once the job is loaded.
    """

    type: Literal["schema"] = "schema"
    path: str = Field(alias="schema")
    definition: dict[str, Any] | None = Field(default=None, exclude=True)


class Event(Strict):
    """`answer: event`: stretches of time in which something happens; videos only."""

    type: Literal["event"] = "event"


AnswerType = Annotated[
    Union[YesNo, Label, Number, Money, Date, Text, ListOf, JsonSchema, Event], Field(discriminator="type")
]
SHORTHANDS = ("yes/no", "number", "money", "date", "text", "list", "event")


class Question(Strict):
    """One typed question.

    `scope`: `document` asks it of the whole object, `page` of every page by itself. `of` limits it to documents or to
    videos, `pages` to pages, counted from 1: `1-3, 7, last`. `expect` makes it an audit check. `only_if` names a
    condition on an earlier question, `id == value` or `id != value`. `look_for` lists phrases printed near the answer.

    `combine` says how the answers of pages, chunks or windows become the object's own: the `surest` that the page bears
    out; yes where `any` says so, or where `all` do; the `first` in order; their `sum`. An answer whose confidence is
    below `sure_from` decides no check.
    """

    id: str = Field(pattern=IDENTIFIER)
    ask: str = Field(min_length=1)
    answer: AnswerType
    scope: Literal["page", "document"] = "document"
    of: Literal["documents", "videos"] | None = None
    pages: str | None = None
    expect: str | None = None
    severity: Literal["low", "medium", "high"] = "medium"
    only_if: str | None = None
    look_for: tuple[str, ...] = ()
    combine: Literal["surest", "any", "all", "first", "sum"] = "surest"
    sure_from: float = Field(default=0.5, ge=0, le=1)

    @field_validator("answer", mode="before")
    @classmethod
    def _shorthand(cls, answer: Any) -> Any:
        if isinstance(answer, str):
            if answer not in SHORTHANDS:
                raise ValueError(f"unknown answer type {answer!r}: one of {', '.join(SHORTHANDS)}, a list of labels"
                                 " or {schema: file}")
            return {"type": answer}
        if isinstance(answer, list):
            return {"type": "label", "labels": answer}
        if isinstance(answer, dict) and "type" not in answer:
            for key, kind in (("schema", "schema"), ("labels", "label")):
                if key in answer:
                    return {"type": kind, **answer}
        return answer

    @field_validator("expect", mode="before")
    @classmethod
    def _expect_as_text(cls, expect: Any) -> Any:
        return expect if expect is None else str(expect)

    @field_validator("look_for", mode="before")
    @classmethod
    def _one_phrase_is_a_list(cls, look_for: Any) -> Any:
        return [look_for] if isinstance(look_for, str) else look_for

    @field_validator("pages", mode="before")
    @classmethod
    def _one_page_is_a_text(cls, pages: Any) -> Any:
        return str(pages) if type(pages) is int else pages

    @field_validator("pages")
    @classmethod
    def _pages_parse(cls, pages: str | None) -> str | None:
        if pages is not None:
            select_pages(pages, 1)
        return pages

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Question:
        if isinstance(self.answer, Event) and (self.scope == "page" or self.pages):
            raise ValueError("an event is looked for in videos: 'scope: page' and 'pages' do not apply")
        if self.of == "videos" and (self.scope == "page" or self.pages):
            raise ValueError("of: videos have no pages: 'scope: page' and 'pages' do not apply")
        if self.of == "documents" and isinstance(self.answer, Event):
            raise ValueError("of: an event is looked for in videos")
        if self.expect is not None:
            allowed = {"yes/no": ("yes", "no"), "label": getattr(self.answer, "labels", ())}.get(self.answer.type)
            if allowed is not None and self.expect not in allowed:
                raise ValueError(f"expect: {self.expect!r} is not one of {', '.join(allowed)}")
            if self.answer.type in ("list", "schema", "event"):
                raise ValueError(f"expect cannot be compared with an answer of type {self.answer.type}")
        combined = {"any": ("yes/no",), "all": ("yes/no",), "sum": ("number", "money")}.get(self.combine)
        if isinstance(self.answer, Event) and self.combine != "surest":
            raise ValueError("an event is seen or not seen in every window: 'combine' does not apply")
        if combined is not None and self.answer.type not in combined:
            raise ValueError(f"combine: {self.combine} is for answers of type {' or '.join(combined)}")
        if self.only_if is not None and not CONDITION.match(self.only_if):
            raise ValueError(f"only_if: write 'id == value' or 'id != value', not {self.only_if!r}")
        return self


class Condition(Strict):
    """A parsed `only_if`."""

    question: str
    equal: bool
    value: str


def condition(question: Question) -> Condition | None:
    """The parsed `only_if` of a question, or None where it has none."""
    if question.only_if is None:
        return None
    match = CONDITION.match(question.only_if)
    assert match is not None  # held by the validator of Question
    return Condition(question=match[1], equal=match[2] == "==", value=match[3].strip("'\""))


def select_pages(pages: str | None, count: int) -> range | list[int]:
    """Page numbers (from 1) that a `pages` text selects out of `count` pages, in order, each once.

    None selects all. Raises ValueError where the text is not like `1-3, 7, last`, or a range runs backwards.
    """
    if pages is None:
        return range(1, count + 1)
    chosen: set[int] = set()
    for part in pages.split(","):
        match = re.fullmatch(r"\s*(\d+|last)\s*(?:-\s*(\d+|last)\s*)?", part)
        if not match or int(match[1].replace("last", "1")) == 0:
            raise ValueError(f"pages: write page numbers from 1 like '1-3, 7, last', not {part.strip()!r}")
        ends = [math.inf if end == "last" else int(end) for end in (match[1], match[2] or match[1])]
        if ends[0] > ends[1]:
            raise ValueError(f"pages: {part.strip()!r} runs backwards")
        first, end = (count if end == math.inf else int(end) for end in ends)
        chosen.update(range(first, min(end, count) + 1))
    return sorted(page for page in chosen if page <= count)


def applies(question: Question, kind: str) -> bool:
    """Whether a question is asked of an object of a kind: events of videos only, pages of documents only."""
    if kind == "video":
        return question.scope == "document" and question.pages is None and question.of != "documents"
    return not isinstance(question.answer, Event) and question.of != "videos"
