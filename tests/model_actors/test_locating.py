"""Where an event is: found by asking of ever fewer frames, whatever frames show it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_actors.engine import Answer, Evidence, Reply, Request, Usage, View
from model_actors.locating import locate
from schemas.checklist import Question

PIXELS = np.zeros((48, 48, 3), np.uint8)
OPEN, MOVES = (Question.model_validate({"id": name, "ask": "?", "answer": "event"}) for name in ("open", "moves"))
SEEN = Question.model_validate({"id": "seen", "ask": "?", "answer": "yes/no"})


def found(count: int, **shows: Callable[[list[int]], bool]) -> tuple[Reply, list[int]]:
    """The reply about so many frames, one a second, where `shows` says of each question in which frames the event is
    seen; and of how many frames each request was.
    """
    asked: list[int] = []

    async def ask(request: Request) -> Reply:
        asked.append(len(request.views))
        frames = [round(view.time_s or 0.0) for view in request.views]
        whole = Evidence(time_s=float(frames[0]), end_s=frames[-1] + 1.0)
        seen = {question.id: shows[question.id](frames) for question in request.questions}
        answers = tuple(Answer(name, "yes" if is_seen else "no", evidence=(whole,) if is_seen else ())
                        for name, is_seen in seen.items())
        return await locate(request, Reply(answers=answers, usage=Usage(1)), ask)

    views = tuple(View(PIXELS, time_s=float(second), until_s=second + 1.0) for second in range(count))
    questions = tuple(question for question in (OPEN, MOVES, SEEN) if question.id in shows)
    return asyncio.run(ask(Request("r", "a@v", views, questions, True, "", 280))), asked


def stretches(reply: Reply, question: str) -> list[tuple[float | None, float | None]]:
    [answer] = [answer for answer in reply.answers if answer.question == question]
    return [(item.time_s, item.end_s) for item in answer.evidence]


@given(st.integers(1, 60), st.data())
def test_each_frame_that_shows_an_event_is_found_and_no_other(count: int, data: st.DataObject) -> None:
    true = data.draw(st.sets(st.integers(0, count - 1)))
    reply, asked = found(count, open=lambda frames: bool(true & set(frames)))
    assert stretches(reply, "open") == [(second, second + 1) for second in sorted(true)]
    assert reply.usage.input_tokens == len(asked) <= max(1, 2 * count - 1)


@given(st.integers(2, 60), st.data())
def test_what_is_told_by_a_change_alone_is_found_as_narrowly_as_it_can_be_told(count: int, data: st.DataObject) -> None:
    after = data.draw(st.integers(1, count - 1))
    reply, _ = found(count, moves=lambda frames: frames[0] < after <= frames[-1])
    [(first, last)] = stretches(reply, "moves")
    assert (first or 0) < after < (last or 0)


def test_events_that_are_seen_are_looked_for_together_and_nothing_else_is_asked_again() -> None:
    reply, asked = found(8, open=lambda frames: 2 in frames, moves=lambda frames: 5 in frames, seen=lambda _: True)
    assert asked == [8, *[4, 4], *[2, 2, 2, 2], *[1, 1, 1, 1]]
    assert (stretches(reply, "open"), stretches(reply, "moves")) == ([(2, 3)], [(5, 6)])
    assert stretches(reply, "seen") == [(0, 8)]


def test_an_event_that_is_not_seen_is_not_looked_for() -> None:
    reply, asked = found(60, open=lambda _: False)
    assert (asked, stretches(reply, "open"), reply.answers[0].value) == ([60], [], "no")
