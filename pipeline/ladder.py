"""Asks again what was answered in doubt: with larger pictures, then with more thought, and keeps what is surer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model_actors.canvas import is_read
from model_actors.engine import Answer, Engine, Reply, Request, RequestError, Transcript
from pipeline.grounding.ground import GroundedAnswer
from pipeline.rendering import Rendered
from schemas import answers
from schemas.checklist import Question

DOUBT = 0.7
"""Confidence below which an answer is asked again; a label of two stands at 0.5 where nothing is known."""

RAISES = 2
"""Budgets above the planned one that are tried: each costs twice the one before."""

EFFORT = 4
"""Effort of the last rung: so many times the denoising steps."""

UNREADABLE = 0.02
"""Confidence of a transcript below which the page may lie on its side."""

MODEL_SOURCES = frozenset({"label_probability", "min_token_probability", "min_word_probability"})
"""Where confidence is a model's own, so that another try may change it; a rule says the same again."""

PRINTED = frozenset({"number", "money", "date"})
"""Types of answers that stand on the page as they are."""

Redraw = Callable[[int], Awaitable[Rendered | None]]
"""Draws a chunk's units at another budget; None where that is not possible."""


Ground = Callable[[Reply], Awaitable[Mapping[str, GroundedAnswer]]]
"""Holds the answers of a reply against the page's own words; by question."""


@dataclass(frozen=True)
class Climbed:
    """The best of all replies, what all of them cost together, the rungs taken, and the budget of the last.

    `grounded` says of each answer how it agrees with the page's own words.
    """

    reply: Reply
    grounded: Mapping[str, GroundedAnswer]
    rungs: tuple[str, ...]
    budget: int


async def climb(request: Request, engine: Engine, budgets: Sequence[int], redraw: Redraw, ground: Ground) -> Climbed:
    """Ask, and climb while an answer is doubtful, or refuted by the page's own words.

    Raises RequestError for the first question only, and EngineError.
    """
    best, rungs = await _turned(request, await engine.ask(request), engine)
    grounded = await ground(best)
    budget = request.budget
    larger = [each for each in budgets if each > request.budget][:RAISES]
    for rung in [*map(str, larger), "effort"]:
        doubtful = _doubtful(request, best, grounded)
        if not doubtful:
            break
        again = replace(request, questions=doubtful, transcribe=False)
        if rung == "effort":
            formed = tuple(question for question in doubtful if not is_read(question))
            if not formed:  # a read is one step; more of them make it surer, not better
                break
            again = replace(again, questions=formed, effort=EFFORT)
        else:
            drawn = await redraw(int(rung))
            if drawn is None or len(drawn.views) < len(request.views):
                continue
            again = replace(again, views=drawn.views, budget=drawn.budget)
        try:
            reply = await engine.ask(again)
        except RequestError:
            continue  # too much for the context, say: what was answered before stands
        best, grounded = _surer(doubtful, best, grounded, reply, await ground(reply))
        request, budget = replace(again, questions=doubtful), again.budget
        rungs.append(rung if rung == "effort" else f"budget {rung}")
    return Climbed(best, grounded, tuple(rungs), budget)


def _doubtful(request: Request, reply: Reply, grounded: Mapping[str, GroundedAnswer]) -> tuple[Question, ...]:
    found = {answer.question: answer for answer in reply.answers}
    return tuple(question for question in request.questions
                 if question.id in found and _is_doubtful(question, found[question.id], grounded.get(question.id)))


def _is_doubtful(question: Question, answer: Answer, grounded: GroundedAnswer | None) -> bool:
    if answer.confidence_source not in MODEL_SOURCES:
        return False
    return not _is_valid(question, answer) or (answer.confidence or 0.0) < DOUBT or _is_refuted(question, grounded)


def _is_refuted(question: Question, grounded: GroundedAnswer | None) -> bool:
    """Whether the page says otherwise, or a value that is read off it stands nowhere; a text may be a paraphrase."""
    return grounded is not None and (grounded.status == "contradicted" or (
        grounded.status == "absent" and question.answer.type in PRINTED))


def _is_valid(question: Question, answer: Answer) -> bool:
    if answer.value is None:
        return True
    try:
        answers.columns(question, answer.value, answer.currency)
    except answers.InvalidValueError:
        return False
    return True


def _surer(asked: Sequence[Question], old: Reply, known: Mapping[str, GroundedAnswer], new: Reply,
           learnt: Mapping[str, GroundedAnswer]) -> tuple[Reply, Mapping[str, GroundedAnswer]]:
    """Of each answer that was asked again the better one: valid, then not refuted, then the more confident."""
    questions = {question.id: question for question in asked}
    again = {answer.question: answer for answer in new.answers}

    def standing(answer: Answer, grounded: Mapping[str, GroundedAnswer]) -> tuple[bool, bool, float]:
        question = questions[answer.question]
        return (_is_valid(question, answer), not _is_refuted(question, grounded.get(question.id)),
                answer.confidence or 0.0)

    merged, settled = [], dict(known)
    for answer in old.answers:
        other = again.get(answer.question)
        if other is not None and standing(other, learnt) > standing(answer, known):
            answer = other
            settled.pop(answer.question, None)  # an abstention is held against nothing
            settled |= {answer.question: learnt[answer.question]} if answer.question in learnt else {}
        merged.append(answer)
    return replace(old, answers=tuple(merged), usage=old.usage + new.usage), settled


async def _turned(request: Request, reply: Reply, engine: Engine) -> tuple[Reply, list[str]]:
    """The reply with the surest transcript of its page, which may lie on its side or its head."""
    if not _is_unreadable(request, reply):
        return reply, []
    best, turned = reply.transcripts[0], []
    for quarters in (1, 2, 3):
        view = replace(request.views[0], pixels=np.ascontiguousarray(np.rot90(request.views[0].pixels, quarters)))
        try:
            again = await engine.ask(replace(request, views=(view,), questions=(), transcribe=True))
        except RequestError:
            continue
        reply = replace(reply, usage=reply.usage + again.usage)
        if (again.transcripts[0].confidence or 0.0) > (best.confidence or 0.0):
            best = replace(again.transcripts[0], note=f"read after a turn to the left of {90 * quarters} degrees")
            turned = [f"turn {90 * quarters}"]
    return replace(reply, transcripts=(best,)), turned


def _is_unreadable(request: Request, reply: Reply) -> bool:
    """Whether the one page of a request was transcribed with next to no confidence, and has no words of its own."""
    if len(request.views) != 1 or len(reply.transcripts) != 1 or request.views[0].words is not None:
        return False
    transcript: Transcript = reply.transcripts[0]
    return transcript.confidence_source in MODEL_SOURCES and (transcript.confidence or 0.0) < UNREADABLE
