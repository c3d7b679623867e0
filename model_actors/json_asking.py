"""Asks a model that writes freely: all questions of a request as one JSON object, and a transcript of each view.

For models that no canvas can be laid before. Where a server can hold a reply to a JSON Schema it does; a reply is
checked either way.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model_actors import canvas, prompts
from model_actors.engine import Reply, Request, Usage, View
from model_actors.tasks import Outcome, Written, reply_of, together, transcribed
from schemas.checklist import Question

Part = str | View
"""What a message holds: text, or a view as its picture."""


@dataclass(frozen=True)
class Chat:
    """What one call shows and asks: a system prompt, the parts of the user's message, a JSON Schema for the reply."""

    instructions: str
    parts: tuple[Part, ...]
    schema: dict[str, Any] | None


@dataclass(frozen=True)
class Completion:
    """What came back: text, tokens with log-probabilities where the server has them, counts, and whether it ended."""

    text: str
    tokens: tuple[tuple[bytes, float], ...] | None
    input_tokens: int
    output_tokens: int
    ended: bool


def spelled(text: str, tokens: Iterable[tuple[bytes, float]]) -> tuple[tuple[bytes, float], ...] | None:
    """The tokens that spell a text, without what comes after it (the end of the turn, say); None where they do not."""
    wanted, kept, length = text.encode(), [], 0
    for token, chance in tokens:
        if length >= len(wanted):
            break
        kept.append((token, chance))
        length += len(token)
    return tuple(kept) if kept and b"".join(token for token, _ in kept) == wanted else None


Complete = Callable[[Chat], Awaitable[Completion]]


async def ask(request: Request, complete: Complete, max_tokens: int) -> Reply:
    """Answer a request."""
    asked = [_questions(request, complete)] if request.questions else []
    asked += [_transcript(request, view, complete, max_tokens)
              for view in request.views if request.transcribe and not view.leads]
    return reply_of(request, await together(asked))


async def _questions(request: Request, complete: Complete) -> Outcome:
    found = await complete(Chat(request.instructions, (*_shown(request.views), json_task(request.questions)),
                                {**portable(canvas.form_schema(request.questions)), "additionalProperties": False}))
    text = found.text.encode()
    chances = None if found.tokens is None else list(zip(
        itertools.accumulate(len(token) for token, _ in found.tokens), (chance for _, chance in found.tokens),
        strict=True))
    answers = canvas.form_answers(request.questions, text, chances)
    return Outcome(tuple(answers), (), Usage(found.input_tokens, found.output_tokens), found.ended)


async def _transcript(request: Request, view: View, complete: Complete, max_tokens: int) -> Outcome:
    found = await complete(Chat(request.instructions, (*_shown((view,)), prompts.TRANSCRIBE), None))
    tokens = found.tokens or ((found.text.encode(), 0.0),)
    written = Written(tuple(range(len(tokens))), tuple(chance for _, chance in tokens),
                      Usage(found.input_tokens, found.output_tokens), found.ended)
    outcome = transcribed(view, written, [token for token, _ in tokens],
                          f"cut after {max_tokens} tokens: raise engine.max_tokens to read on")
    if found.tokens is None:
        outcome = replace(outcome, transcripts=tuple(replace(
            transcript, confidence=None, confidence_source=None,
            blocks=tuple(replace(block, confidence=None) for block in transcript.blocks))
            for transcript in outcome.transcripts))
    return outcome


def _shown(views: Sequence[View]) -> list[Part]:
    parts: list[Part] = []
    for view in views:
        before = prompts.before_view(view, len(views))
        parts += [*([before] if before else []), view]
        after = prompts.after_view(view)
        parts += [_inert(after)] if after else []
    return parts


def _inert(text: str) -> str:
    """A page's own words, in which nothing can pass for the turns of a chat: servers parse these texts for them."""
    return re.sub(r"<(?=\|?[A-Za-z_/])", "< ", text)


def json_task(questions: Sequence[Question]) -> str:
    """The words that ask for one JSON object with an answer to every question."""
    return "\n".join([canvas.ASK_FORM, *map(canvas.member, questions)])


PATTERNS = {"date": r"^\d{4}-\d{2}-\d{2}$", "currency": "^[A-Z]{3}$", "timestamp": r"^(\d+:)?\d{2}:\d{2}(\.\d+)?$"}
"""What servers are told in the place of formats, which they do not know or hold."""


def portable(schema: Any) -> Any:
    """A JSON Schema in the words that servers have in common."""
    if isinstance(schema, list):
        return [portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "format" and isinstance(value, str) and value in PATTERNS:
            kept["pattern"] = PATTERNS[value]
        elif key in ("properties", "$defs", "definitions", "patternProperties") and isinstance(value, dict):
            kept[key] = {name: portable(each) for name, each in value.items()}  # its keys are names
        else:
            kept[key] = value if key in ("enum", "const", "default", "examples") else portable(value)
    return kept
