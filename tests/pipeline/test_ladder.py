"""What is asked again, how, and which answer stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from engines import LIMITS

from model_actors.engine import Answer, Limits, Reply, Request, RequestError, Transcript, Usage, View, Words
from pipeline.grounding.ground import GroundedAnswer, Page, ground_answer
from pipeline.ladder import EFFORT, Climbed, climb
from pipeline.rendering import Rendered
from schemas.checklist import Question

BUDGETS = (70, 140, 280, 560, 1120)
SIGNED = Question(id="signed", ask="Signed?", answer="yes/no")  # type: ignore[arg-type]
DATED = Question(id="dated", ask="When?", answer="date")  # type: ignore[arg-type]


def view(budget: int = 140) -> View:
    return View(np.full((48, 96, 3), budget % 256, np.uint8), page=1)


def request(*questions: Question, transcribe: bool = False, budget: int = 140) -> Request:
    return Request("r", "a", (view(budget),), questions, transcribe, "", budget)


class Teller:
    """An engine that answers what a function tells of each request, and remembers what it was asked."""

    name = "teller"

    def __init__(self, tell: Callable[[Request], Reply]) -> None:
        self.asked: list[Request] = []
        self._tell = tell

    def limits(self) -> Limits:
        return LIMITS

    async def ask(self, asked: Request) -> Reply:
        self.asked.append(asked)
        return self._tell(asked)

    async def close(self) -> None:
        """Nothing to release."""


def climbed(teller: Teller, asked: Request, drawable: tuple[int, ...] = BUDGETS, printed: str | None = None) -> Climbed:
    """Climb over a page on which nothing is printed that an answer could be held against, or one line is."""
    async def redraw(budget: int) -> Rendered | None:
        return Rendered((view(budget),), (), budget) if budget in drawable else None

    async def ground(reply: Reply) -> dict[str, GroundedAnswer]:
        pages = [page(printed)] if printed else []
        return {each.question: ground_answer(question, each, pages) for each in reply.answers
                for question in asked.questions if question.id == each.question and each.value is not None}

    return asyncio.run(climb(asked, teller, BUDGETS, redraw, ground))


def page(text: str) -> Page:
    texts = text.split()
    boxes = np.array([[at / 10, 0.1, at / 10 + 0.08, 0.2] for at in range(len(texts))], np.float32)
    return Page(1, None, Words(texts, boxes, np.ones(len(texts), np.float32), np.zeros(len(texts), np.int32)),
                "text_layer")


def sure(value: str | None, confidence: float, question: str = "signed", source: str = "label_probability") -> Answer:
    return Answer(question, value, confidence=confidence, confidence_source=source)


def test_a_sure_answer_is_asked_once() -> None:
    teller = Teller(lambda _: Reply((), (sure("yes", 0.9),)))
    found = climbed(teller, request(SIGNED))
    assert (found.reply, found.rungs, found.budget) == (Reply((), (sure("yes", 0.9),)), (), 140)
    assert len(teller.asked) == 1


def test_a_doubtful_answer_is_asked_at_the_next_budgets_and_then_with_more_steps() -> None:
    teller = Teller(lambda asked: Reply((), (
        sure("2026-02-03", 0.5 + asked.budget / 10_000, "dated", "min_word_probability"),),
        Usage(10, 1, asked.effort)))
    found = climbed(teller, request(DATED))
    assert [(each.budget, each.effort) for each in teller.asked] == [(140, 1), (280, 1), (560, 1), (560, EFFORT)]
    assert [int(each.views[0].pixels[0, 0, 0]) for each in teller.asked] == [140, 280 % 256, 560 % 256, 560 % 256]
    assert found.rungs == ("budget 280", "budget 560", "effort")
    assert found.reply.answers == (sure("2026-02-03", 0.556, "dated", "min_word_probability"),)
    assert (found.reply.usage, found.budget) == (Usage(40, 4, 3 + EFFORT), 560)


def test_only_what_is_doubtful_is_asked_again_and_the_surer_answer_stands() -> None:
    def tell(asked: Request) -> Reply:
        first = asked.budget == 140
        known = {"signed": sure("yes", 0.6 if first else 0.8), "dated": sure("2026-02-03", 0.9, "dated")}
        return Reply((), tuple(known[each.id] for each in asked.questions))

    teller = Teller(tell)
    found = climbed(teller, request(SIGNED, DATED))
    assert [[each.id for each in asked.questions] for asked in teller.asked] == [["signed", "dated"], ["signed"]]
    assert found.reply.answers == (sure("yes", 0.8), sure("2026-02-03", 0.9, "dated"))


def test_an_answer_that_got_worse_does_not_replace_the_first() -> None:
    teller = Teller(lambda asked: Reply((), (sure("no" if asked.budget > 140 else "yes", 69 / asked.budget),)))
    assert climbed(teller, request(SIGNED)).reply.answers == (sure("yes", 69 / 140),)


def test_an_invalid_value_is_asked_again_however_sure_it_is_and_a_valid_one_stands() -> None:
    teller = Teller(lambda asked: Reply((), (
        sure("2026-02-31", 0.99, "dated") if asked.budget < 560 else sure("2026-02-28", 0.75, "dated"),)))
    found = climbed(teller, request(DATED))
    assert found.reply.answers == (sure("2026-02-28", 0.75, "dated"),)
    assert found.rungs == ("budget 280", "budget 560")


def test_an_answer_that_the_page_contradicts_is_asked_again_however_sure_it_is_and_the_other_stands() -> None:
    teller = Teller(lambda asked: Reply((), (
        sure("2026-02-08", 0.99, "dated") if asked.budget < 280 else sure("2026-02-03", 0.75, "dated"),)))
    found = climbed(teller, request(DATED), printed="Due date: 3 February 2026")
    assert found.reply.answers == (sure("2026-02-03", 0.75, "dated"),)
    assert (found.rungs, found.grounded["dated"].status) == (("budget 280",), "exact")


def test_an_answer_that_the_page_contradicts_to_the_end_stands_as_contradicted() -> None:
    teller = Teller(lambda asked: Reply((), (sure("2026-02-08", 0.99, "dated"),)))
    found = climbed(teller, request(DATED), printed="Due date: 3 February 2026")
    assert found.reply.answers == (sure("2026-02-08", 0.99, "dated"),)
    assert (found.rungs, found.grounded["dated"].status) == (("budget 280", "budget 560", "effort"), "contradicted")


def test_what_was_said_of_an_answer_goes_with_it_where_the_model_then_finds_nothing() -> None:
    teller = Teller(lambda asked: Reply((), (sure("2026-02-08" if asked.budget < 280 else None, 0.9, "dated"),)))
    found = climbed(teller, request(DATED), printed="Due date: 3 February 2026")
    assert (found.reply.answers[0].value, found.grounded, found.rungs) == (None, {}, ("budget 280",))


@pytest.mark.parametrize("source", ["rule", "ocr", None])
def test_what_no_model_said_is_never_asked_again(source: str | None) -> None:
    teller = Teller(lambda _: Reply((), (Answer("signed", "yes", confidence=0.1, confidence_source=source),)))
    assert climbed(teller, request(SIGNED)).rungs == ()


def test_pages_that_cannot_be_drawn_larger_are_asked_with_more_steps_alone_and_reads_not_even_that() -> None:
    known = {"signed": sure("yes", 0.5), "dated": sure("2026-02-03", 0.5, "dated")}
    teller = Teller(lambda asked: Reply((), tuple(known[each.id] for each in asked.questions)))
    found = climbed(teller, request(SIGNED, DATED), drawable=())
    assert (found.rungs, found.budget) == (("effort",), 140)
    assert [[each.id for each in asked.questions] for asked in teller.asked] == [["signed", "dated"], ["dated"]]
    assert climbed(Teller(lambda _: Reply((), (known["signed"],))), request(SIGNED), drawable=()).rungs == ()


def test_a_rung_that_is_refused_leaves_the_answer_as_it_was() -> None:
    def tell(asked: Request) -> Reply:
        if asked.budget > 140:
            raise RequestError("too long")
        return Reply((), (sure("yes", 0.5),))

    found = climbed(Teller(tell), request(SIGNED))
    assert (found.reply.answers, found.budget, found.rungs) == ((sure("yes", 0.5),), 140, ())


def transcript(text: str, confidence: float) -> Transcript:
    return Transcript(1, None, text, text, (), None, "model", confidence, "min_token_probability")


def test_a_page_that_cannot_be_read_is_turned_and_the_surest_reading_stands() -> None:
    def tell(asked: Request) -> Reply:
        upright = asked.views[0].pixels.shape == (96, 48, 3)
        return Reply((transcript("Total 5", 0.9) if upright else transcript("###", 0.001),))

    teller = Teller(tell)
    found = climbed(teller, request(transcribe=True))
    assert [each.views[0].pixels.shape[:2] for each in teller.asked] == [(48, 96), (96, 48), (48, 96), (96, 48)]
    assert (found.reply.transcripts[0].text, found.rungs) == ("Total 5", ("turn 90",))
    assert found.reply.transcripts[0].note == "read after a turn to the left of 90 degrees"


def test_a_page_that_is_read_well_enough_is_not_turned() -> None:
    teller = Teller(lambda _: Reply((transcript("Total 5", 0.1),)))
    assert climbed(teller, request(transcribe=True)).rungs == ()
    assert len(teller.asked) == 1
