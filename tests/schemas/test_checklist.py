"""Questions: which pages they select, and how their conditions read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.checklist import Condition, Label, Question, applies, condition, select_pages

BLANK = st.sampled_from(["", " ", "  "])
PAGE = st.integers(1, 40)


@st.composite
def selections(draw: st.DrawFn) -> tuple[str, list[tuple[int | None, int | None]]]:
    """A `pages` text, and the ranges it means; None stands for the last page."""
    parts: list[str] = []
    ranges: list[tuple[int | None, int | None]] = []
    for _ in range(draw(st.integers(1, 5))):
        first = draw(st.none() | PAGE)
        end = first if draw(st.booleans()) else draw(st.none() | st.integers(first or 1, 50)) if first else None
        one = first == end and draw(st.booleans())
        words = ["last" if page is None else str(page) for page in ([first] if one else [first, end])]
        parts.append(draw(BLANK) + (draw(BLANK) + "-" + draw(BLANK)).join(words) + draw(BLANK))
        ranges.append((first, end))
    return ",".join(parts), ranges


@given(selections(), st.integers(1, 45))
def test_selected_pages_are_exactly_those_named_in_order_and_once(
        selection: tuple[str, list[tuple[int | None, int | None]]], count: int) -> None:
    text, ranges = selection
    named = {page for first, end in ranges for page in range(first or count, (end or count) + 1)}
    assert select_pages(text, count) == [page for page in range(1, count + 1) if page in named]


@given(st.text("0123456789-, last", max_size=12), st.integers(0, 30))
def test_any_text_is_refused_or_selects_sorted_unique_pages_within_range(text: str, count: int) -> None:
    try:
        pages = list(select_pages(text, count))
    except ValueError:
        pages = []
        with pytest.raises(ValueError, match=r"^pages: "):
            select_pages(text, count)
    assert pages == sorted(set(pages))
    assert all(1 <= page <= count for page in pages)


@pytest.mark.parametrize(("text", "pages"), [
    ("1-3, 7, last", [1, 2, 3, 7, 10]), ("last", [10]), ("last-last", [10]), ("8-last", [8, 9, 10]), ("12", []),
    ("9-12", [9, 10]), ("3,1,3,2-3", [1, 2, 3]), ("12-last", []), ("1-999999999999", list(range(1, 11))),
])
def test_pages_of_ten(text: str, pages: list[int]) -> None:
    assert select_pages(text, 10) == pages


def test_no_selection_is_every_page() -> None:
    assert list(select_pages(None, 3)) == [1, 2, 3]
    assert list(select_pages(None, 0)) == []


@pytest.mark.parametrize("text", ["", " ", "0", "00", "0-3", "00-3", "3-1", "1-0", "last-2", "-3", "1-", "1,", "a",
                                  "1.5", "first", "1 2", "1--3", "1-2-3"])
def test_text_that_selects_no_pages_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^pages: "):
        select_pages(text, 10)


def question(only_if: str | None) -> Question:
    return Question.model_validate({"id": "b", "ask": "?", "answer": "text", "only_if": only_if})


@pytest.mark.parametrize(("text", "parsed"), [
    ("a == yes", ("a", True, "yes")), ("a!=no", ("a", False, "no")), ("  a  ==  two words  ", ("a", True, "two words")),
    ("a == 'yes'", ("a", True, "yes")), ('a == "x y"', ("a", True, "x y")), ("a == b == c", ("a", True, "b == c")),
    ("a_1 == 5", ("a_1", True, "5")),
])
def test_condition_reads(text: str, parsed: tuple[str, bool, str]) -> None:
    name, equal, value = parsed
    assert condition(question(text)) == Condition(question=name, equal=equal, value=value)


def test_no_condition() -> None:
    assert condition(question(None)) is None


@pytest.mark.parametrize("text", ["", "a", "a ==", "== yes", "a = yes", "a > 1", "1a == yes", "a and b"])
def test_condition_that_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 'id == value' or 'id != value'"):
        question(text)


def test_labels_may_be_described_and_shown_by_examples() -> None:
    told = {"labels": {"contract": "An agreement", "other": None}, "examples": {"other": ["Dear Sir"]}}
    question = Question.model_validate({"id": "q", "ask": "?", "answer": told, "expect": "other"})
    assert question.answer == Label(labels=("contract", "other"), descriptions={"contract": "An agreement"},
                                    examples={"other": ("Dear Sir",)})
    assert Question.model_validate(question.model_dump(mode="json", by_alias=True)) == question


@pytest.mark.parametrize("answer", [
    {"labels": ["a", "b"], "examples": {"c": ["x"]}}, {"labels": ["a", "b"], "descriptions": {"c": "x"}},
])
def test_what_is_said_of_a_label_that_is_none_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="'c' is none of the labels a, b"):
        Question.model_validate({"id": "q", "ask": "?", "answer": answer})


@pytest.mark.parametrize(("entries", "documents", "videos"), [
    ({}, True, True), ({"of": "documents"}, True, False), ({"of": "videos"}, False, True),
    ({"scope": "page"}, True, False), ({"pages": "1"}, True, False), ({"answer": "event"}, False, True)])
def test_a_question_is_asked_of_what_it_can_be_asked_of(
        entries: dict[str, str], documents: bool, videos: bool) -> None:
    question = Question.model_validate({"id": "q", "ask": "?", "answer": "text", **entries})
    assert (applies(question, "pdf"), applies(question, "image"), applies(question, "video")) \
        == (documents, documents, videos)
