"""Planning documents: every page once, within every limit, and nothing planned that does not fit."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_actors.budgets import BUDGETS, IMAGE_MARKS, image_size, image_tokens, text_tokens
from model_actors.canvas import ASK_READ, line, read_task
from model_actors.engine import Limits
from pipeline.planning import (
    PROMPT_TOKENS,
    QUESTION_TOKENS,
    STAMP_TOKENS,
    TEXT_TOKENS,
    Chunk,
    check_job,
    plan_document,
    question_tokens,
)
from pipeline.units import DocumentProbe, PageShape, UnreadableError
from schemas.checklist import Question, select_pages
from schemas.job import Job, JobError

LIMITS = Limits(context=262_144, canvas=256, images=16, budgets=BUDGETS, pixels_per_em=11.0, text_in_prompt=True,
                seconds_per_image=0.5)
A4 = PageShape(595, 842, em=10)

SHAPES = st.builds(PageShape, width=st.floats(20, 5000), height=st.floats(20, 5000),
                   em=st.none() | st.floats(2, 200), text_bytes=st.integers(0, 9000), native=st.booleans())
PROBES = st.builds(DocumentProbe, st.lists(SHAPES, min_size=1, max_size=25).map(tuple))
ANSWERS = st.sampled_from(["yes/no", "text", "number", "list", ["contract", "invoice"], "event"])
PAGES = st.sampled_from([None, None, "1", "last", "1-3, last", "2-9", "30-last"])


def limits(**values: Any) -> Limits:
    return Limits(**{**LIMITS.__dict__, **values})


def job(*checklist: dict[str, Any], **values: Any) -> Job:
    entries = [{"id": f"q{place}", "ask": "What is it?", "answer": "text", **entry}
               for place, entry in enumerate(checklist)]
    return Job.model_validate({"name": "a", "inputs": ["in"], "output": "out", "checklist": entries,
                               "transcribe": not checklist, **values})


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    entries = []
    for _ in range(draw(st.integers(0, 6))):
        answer = draw(ANSWERS)
        entry = {"ask": draw(st.text(min_size=1, max_size=80)), "answer": answer}
        if answer != "event":
            entry |= {"scope": draw(st.sampled_from(["document", "page"])), "pages": draw(PAGES)}
        entries.append(entry)
    return job(*entries, transcribe=not entries or draw(st.booleans()), context=draw(st.integers(14_000, 262_144)),
               instructions=draw(st.text(max_size=200)), page_text=draw(st.sampled_from(["none", "layer"])))


LIMITS_SEEN = st.builds(limits, context=st.integers(14_000, 262_144), canvas=st.sampled_from([0, 256]),
                        images=st.integers(1, 30), pixels_per_em=st.floats(5, 30),
                        budgets=st.sampled_from([BUDGETS, BUDGETS[:3], (560,)]))


def pages_of(question: Question, count: int) -> list[int]:
    return list(select_pages(question.pages, count))


@settings(max_examples=200)
@given(PROBES, jobs(), LIMITS_SEEN)
def test_every_page_that_is_asked_about_is_in_exactly_one_chunk_of_each_question(probe: DocumentProbe, asked: Job,
                                                                                 seen: Limits) -> None:
    chunks = plan_document(probe, asked, seen)
    count = len(probe.pages)
    for question in asked.checklist:
        pages = [page for chunk in chunks if question.id in chunk.questions for page in chunk.pages]
        expected = [] if question.answer.type == "event" else pages_of(question, count)
        assert sorted(pages) == expected
        if question.scope == "page":
            assert all(len(chunk.pages) == 1 for chunk in chunks if question.id in chunk.questions)
    transcribed = [page for chunk in chunks if chunk.transcribe for page in chunk.pages]
    assert transcribed == (list(range(1, count + 1)) if asked.transcribe else [])
    assert all(len(chunk.pages) == 1 for chunk in chunks if chunk.transcribe)


@settings(max_examples=200)
@given(PROBES, jobs(), LIMITS_SEEN)
def test_no_chunk_is_over_a_limit_and_its_tokens_are_those_of_all_that_it_holds(probe: DocumentProbe, asked: Job,
                                                                                seen: Limits) -> None:
    questions = {question.id: question for question in asked.checklist}
    for chunk in plan_document(probe, asked, seen):
        assert chunk.tokens <= min(asked.context, seen.context)
        assert 1 <= chunk.images == len(chunk.pages) == len(chunk.sizes) <= seen.images
        assert chunk.budget in seen.budgets
        texts = sum(question_tokens(questions[name]) for name in chunk.questions) + text_tokens(asked.instructions)
        held = [probe.pages[page - 1] for page in chunk.pages]
        layers = sum(page.text_bytes + TEXT_TOKENS for page in held if page.text_bytes
                     ) if asked.page_text == "layer" else 0
        images = sum(image_tokens(size) for size in chunk.sizes)
        assert chunk.tokens == PROMPT_TOKENS + seen.canvas + texts + layers + images + STAMP_TOKENS * chunk.images
        assert chunk.questions or chunk.transcribe
        for page, size in zip(held, chunk.sizes, strict=True):
            assert size == image_size(page.width, page.height, chunk.budget)
            assert image_tokens(size) - IMAGE_MARKS <= chunk.budget
            assert [side % 48 for side in size] == [0, 0]


@given(PROBES, jobs(), LIMITS_SEEN)
def test_chunks_have_names_of_their_own_and_the_order_of_the_pages_and_are_planned_alike_again(
        probe: DocumentProbe, asked: Job, seen: Limits) -> None:
    chunks = plan_document(probe, asked, seen)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert [chunk.pages[0] for chunk in chunks] == sorted(chunk.pages[0] for chunk in chunks)
    assert all(list(chunk.pages) == sorted(set(chunk.pages)) for chunk in chunks)
    assert plan_document(probe, asked, seen) == chunks


@given(PROBES, jobs(), LIMITS_SEEN)
def test_one_question_is_asked_of_a_page_once_and_packed_chunks_are_as_few_as_they_can_be(
        probe: DocumentProbe, asked: Job, seen: Limits) -> None:
    """Two chunks of the same questions that follow each other would not fit as one."""
    by_questions: dict[tuple[str, ...], list[Chunk]] = {}
    for chunk in plan_document(probe, asked, seen):
        if not chunk.transcribe and not any(question.scope == "page" and question.id in chunk.questions
                                            for question in asked.checklist):
            by_questions.setdefault(chunk.questions, []).append(chunk)
    for group in by_questions.values():
        for first, second in pairwise(group):
            if len(first.pages) < seen.images and first.budget >= second.budget:
                page = probe.pages[second.pages[0] - 1]
                size = image_size(page.width, page.height, first.budget)
                text = page.text_bytes if asked.page_text == "layer" else 0
                assert first.tokens + image_tokens(size) + STAMP_TOKENS + text > min(asked.context, seen.context)


def test_document_questions_share_chunks_by_the_pages_they_see() -> None:
    asked = job({"pages": "1-2"}, {}, {"pages": "1,2"}, {"scope": "page", "pages": "2"})
    chunks = plan_document(DocumentProbe((A4,) * 3), asked, LIMITS)
    assert [(chunk.id, chunk.pages, chunk.questions, chunk.transcribe) for chunk in chunks] == [
        ("d0:p1-2", (1, 2), ("q0", "q2"), False), ("d1:p1-3", (1, 2, 3), ("q1",), False),
        ("p2-2", (2,), ("q3",), False)]


def test_document_questions_of_one_page_join_that_pages_own_chunk() -> None:
    asked = job({}, {"scope": "page"}, transcribe=True)
    chunk, = plan_document(DocumentProbe((A4,)), asked, LIMITS)
    assert (chunk.id, chunk.questions, chunk.transcribe) == ("p1-1", ("q1", "q0"), True)


def test_a_chunk_is_planned_within_one_percent_of_the_full_context_with_its_canvas() -> None:
    seen = limits(context=262_144, canvas=256, images=1000)
    chunks = plan_document(DocumentProbe((A4,) * 1000), job({}, context=262_144, page_text="none"), seen)
    assert 0.99 * 262_144 < chunks[0].tokens <= 262_144
    assert chunks[0].tokens + 266 + IMAGE_MARKS + STAMP_TOKENS > 262_144
    assert sum(len(chunk.pages) for chunk in chunks) == 1000


def test_ten_thousand_pages_are_an_ordinary_document() -> None:
    chunks = plan_document(DocumentProbe((A4,) * 10_000), job({}, transcribe=True, context=262_144), LIMITS)
    assert Counter(chunk.transcribe for chunk in chunks) == {True: 10_000, False: 625}


def test_a_page_whose_text_does_not_fit_is_unreadable_and_the_message_says_what_to_do() -> None:
    probe = DocumentProbe((A4, PageShape(595, 842, em=10, text_bytes=40_000)))
    with pytest.raises(UnreadableError) as error:
        plan_document(probe, job(context=32_768), LIMITS)
    assert error.value.category == "too_large"
    assert error.value.message.startswith("page 2 with its text takes up to 41,")
    assert error.value.message.endswith("over the context of 32,768: raise 'context' or use 'page_text: none'")
    assert len(plan_document(probe, job(context=32_768, page_text="none"), LIMITS)) == 2


def test_small_text_takes_a_larger_budget_and_a_chunk_the_largest_of_its_pages() -> None:
    probe = DocumentProbe((PageShape(595, 842, em=18), PageShape(595, 842, em=6)))
    assert [chunk.budget for chunk in plan_document(probe, job(), LIMITS)] == [140, 1120]
    assert [chunk.budget for chunk in plan_document(probe, job({}), LIMITS)] == [1120]


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=5, unique=True),
       st.lists(st.text(max_size=30), max_size=3))
def test_tokens_of_a_question_are_never_underestimated(ask: str, labels: list[str], look_for: list[str]) -> None:
    """Against bytes: a tokenizer with byte fallback never makes more tokens than a text has UTF-8 bytes.

    No vocabulary of a real tokenizer comes with the libraries that the tests may use, so none is compared with.
    """
    question = Question.model_validate({"id": "q", "ask": ask or "?", "answer": labels, "look_for": look_for})
    task = read_task([question] * 9)
    assert 9 * question_tokens(question) + len(ASK_READ) >= len(task.encode())
    assert question_tokens(question) == QUESTION_TOKENS + len(line(question).encode())


@pytest.mark.parametrize("long", [{"instructions": "é" * 20_000}, {"context": 2_048}])
def test_a_checklist_that_fits_no_context_is_refused(long: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="so that no page fits a context of"):
        check_job(job({"ask": "x" * 1_000}, **long), LIMITS)


@given(jobs(), LIMITS_SEEN)
def test_after_the_check_every_page_without_text_fits(asked: Job, seen: Limits) -> None:
    try:
        check_job(asked, seen)
    except JobError:
        return
    shapes = (PageShape(48, 48_000, em=1), PageShape(1584, 1584, em=1), A4)
    chunks = plan_document(DocumentProbe(shapes), asked, seen)
    assert all(chunk.tokens <= min(asked.context, seen.context) for chunk in chunks)
