"""Finds when an event happens: it is asked again of ever fewer of the frames in which it is seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from model_actors.engine import Reply, Request
from model_actors.tasks import together
from schemas.checklist import Event


async def locate(request: Request, reply: Reply, ask: Callable[[Request], Awaitable[Reply]]) -> Reply:
    """The reply, every event that it sees being looked for in each half of the views by `ask`, which locates it there.

    Where neither half shows it by itself, as with what is told by a change alone, it is the whole's. A half's images
    are encoded already, and the first half's prompt is the beginning of one that was; an event of one frame takes
    about twice the prefill of its window, one of all 60 at most seven times.
    """
    timed = {question.id for question in request.questions if isinstance(question.answer, Event)}
    seen = {answer.question for answer in reply.answers if answer.question in timed and answer.value == "yes"}
    if not seen or len(request.views) < 2:
        return reply
    middle = len(request.views) // 2
    questions = tuple(question for question in request.questions if question.id in seen)
    halves = await together(ask(replace(request, views=views, questions=questions, transcribe=False))
                            for views in (request.views[:middle], request.views[middle:]))
    located = {question.id: [item for half in halves for answer in half.answers if answer.question == question.id
                             for item in answer.evidence] for question in questions}
    answers = tuple(replace(answer, evidence=tuple(located.get(answer.question) or answer.evidence))
                    for answer in reply.answers)
    return replace(reply, answers=answers, usage=sum((half.usage for half in halves), reply.usage))
