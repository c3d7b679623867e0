"""What a model that writes canvases is asked for a request, and the reply made of what it wrote.

A request becomes tasks: reads for labels, one form for all other questions, a transcript of each view. Tasks about the
same views stand together, since they share an encoding of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from model_actors import canvas, prompts
from model_actors.engine import Answer, Block, Evidence, Reply, Request, RequestError, Transcript, Usage, View
from model_actors.grammar import SchemaError, automaton
from schemas.checklist import Event, Question
from schemas.job import JobError

T = TypeVar("T")

REPLIES_VERSION = 3
"""Raised whenever the same reply of a model may be understood otherwise."""

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Task:
    """One thing that is asked of some views: a read, a form of `questions`, or, with neither, a transcript."""

    views: tuple[View, ...]
    words: str
    read: canvas.Read | None = None
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Written:
    """What was written over one or more canvases, up to the end of the turn, and what it took."""

    ids: tuple[int, ...]
    chances: tuple[float, ...]
    usage: Usage
    ended: bool


@dataclass(frozen=True)
class Outcome:
    """What one task found."""

    answers: tuple[Answer, ...] = ()
    transcripts: tuple[Transcript, ...] = ()
    usage: Usage = field(default_factory=Usage)
    ended: bool = True


def tasks_of(request: Request, tokenizer: Any, special: prompts.SpecialTokens, width: int) -> list[list[Task]]:
    """The tasks of a request, those about the same views together, reads first: they are the shortest.

    `width` is that of a canvas. Raises RequestError where a label cannot be read.
    """
    read = [question for question in request.questions if canvas.is_read(question)]
    formed = tuple(question for question in request.questions if not canvas.is_read(question))
    together = [Task(request.views, each.task, read=each) for each in (
        canvas.reads(tokenizer, read, width, special.end_of_turn, special.pad) if read else ())]
    if formed:
        together.append(Task(request.views, canvas.form_task(formed), questions=formed))
    apart = [Task((view,), prompts.TRANSCRIBE) for view in request.views if request.transcribe and not view.leads]
    if len(request.views) == 1:
        return [group for group in [[*together, *apart]] if group]
    return [group for group in [together, *([task] for task in apart)] if group]


async def together(asked: Iterable[Awaitable[T]]) -> list[T]:
    """What all of these come to. When one fails the others are cancelled, so that nothing is left under way."""
    tasks = [asyncio.ensure_future(each) for each in asked]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def text_of(ids: Sequence[int], written: Sequence[bytes | None]) -> tuple[bytes, list[int]]:
    """What ids write, without control tokens, and where in it each id ends."""
    text, ends = b"", []
    for token in ids:
        text += written[token] or b""
        ends.append(len(text))
    return text, ends


def formed(questions: Sequence[Question], found: Written, written: Sequence[bytes | None]) -> Outcome:
    """The answers of a form."""
    text, ends = text_of(found.ids, written)
    answers = canvas.form_answers(questions, text, list(zip(ends, found.chances, strict=False)))
    return Outcome(tuple(answers), usage=found.usage)


def read(task: Task, slots: canvas.Read, logits: Sequence[Sequence[float]], usage: Usage) -> Outcome:
    """The answers of a read. An event that is seen stands for the whole time of the views, until it is located."""
    timed = {slot.question.id for slot in slots.slots if isinstance(slot.question.answer, Event)}
    begins, ends = task.views[0].time_s, task.views[-1].until_s
    answers = canvas.read_answers(slots, logits)
    return Outcome(tuple(
        replace(answer, evidence=(Evidence(time_s=begins, end_s=ends, score=answer.confidence),))
        if answer.question in timed and answer.value == "yes" else answer for answer in answers), usage=usage)


def form_too_long(questions: Sequence[Question], canvases: int, usage: Usage) -> Outcome:
    """What is said of a form that cannot be written within the canvases of the job."""
    reason = (f"the form does not fit {canvases} canvases: ask fewer questions at a time, or raise engine.canvases")
    return Outcome(tuple(Answer(question.id, None, reason=reason) for question in questions), usage=usage, ended=False)


def transcribed(view: View, found: Written, written: Sequence[bytes | None], cut: str) -> Outcome:
    """The transcript of a view, a block a paragraph. `cut` is noted where it did not come to its end."""
    data, ends = text_of(found.ids, written)
    blocks, place = [], 0
    for part in data.decode("utf-8", "replace").split("\n\n"):
        size = len(part.encode())
        inside = [chance for end, chance in zip(ends, found.chances, strict=False) if place < end <= place + size]
        if part.strip():
            blocks.append(Block("paragraph", part.strip(), WHOLE, math.exp(min(inside, default=0.0))))
        place += size + 2
    text = data.decode("utf-8", "replace").strip()
    transcript = Transcript(view.page, view.time_s, text, text, tuple(blocks), None, "model",
                            math.exp(min(found.chances, default=0.0)), "min_token_probability",
                            view.note if found.ended else cut)
    return Outcome(transcripts=(transcript,), usage=found.usage, ended=found.ended)


def cut_note(canvases: int) -> str:
    """What is noted of a transcript that did not end within the canvases of the job."""
    return f"cut after {canvases} canvases: raise engine.canvases to read on"


def reply_of(request: Request, outcomes: Sequence[Outcome]) -> Reply:
    """The reply to a request. What it found on its one page or frame stands there, if nowhere more exactly.

    Stretches of time are those of the frames that were shown in them.
    """
    page = request.views[0].page if len(request.views) == 1 else None
    time_s = request.views[0].time_s if len(request.views) == 1 else None
    evidence = (Evidence(page, time_s),) if len(request.views) == 1 else ()
    timed = {question.id for question in request.questions if isinstance(question.answer, Event)}
    answers = [_on_frames(answer, request.views) if answer.question in timed
               else replace(answer, evidence=answer.evidence or (evidence if answer.value is not None else ()))
               for outcome in outcomes for answer in outcome.answers]
    usage = sum((outcome.usage for outcome in outcomes), Usage())
    return Reply(tuple(transcript for outcome in outcomes for transcript in outcome.transcripts), tuple(answers), usage,
                 "stop" if all(outcome.ended for outcome in outcomes) else "length")


def _on_frames(answer: Answer, views: Sequence[View]) -> Answer:
    """An answer whose stretches begin with the first frame in them and end where the last one is no longer shown."""
    evidence = []
    for stretch in answer.evidence:
        shown = [view for view in views if (view.until_s or 0.0) > (stretch.time_s or 0.0)
                 and (view.time_s or 0.0) <= (stretch.end_s or 0.0)]
        if shown:
            evidence.append(replace(stretch, time_s=shown[0].time_s, end_s=shown[-1].until_s))
    if answer.value == "yes" and not evidence:
        return replace(answer, value=None, evidence=(), reason="the reply names times of which it was shown no frame")
    return replace(answer, evidence=tuple(evidence))


def check_questions(instructions: str, questions: Sequence[Question], canvases: bool = True) -> None:
    """Raise JobError for texts that cannot be encoded; with `canvases`, also where a question can be neither read nor
    made a form of, or all of them make too large a one.
    """
    formed = [question for question in questions if not canvas.is_read(question)]
    try:
        instructions.encode()
    except UnicodeEncodeError:
        raise JobError("instructions: hold half of a surrogate pair: write the character") from None
    for question in questions:
        try:
            canvas.line(question).encode()
            if not canvases:
                continue
            if canvas.is_read(question):
                canvas.check_labels(question)
            else:
                automaton(canvas.form_schema([question]))
        except UnicodeEncodeError:
            raise JobError(f"checklist {question.id!r}: holds half of a surrogate pair: write the character") from None
        except (SchemaError, RequestError) as error:
            raise JobError(f"checklist {question.id!r}: its schema {error}" if isinstance(error, SchemaError)
                           else str(error)) from None
    if not canvases:
        return
    try:
        automaton(canvas.form_schema(formed))
    except SchemaError as error:
        raise JobError(f"checklist: the form of all {len(formed)} questions {error}") from None
