"""Names of results that may be reused: what an engine would answer, and what was asked of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_actors.choosing import EngineChoice
from schemas.checklist import JsonSchema, Question
from schemas.job import Job

RENDERER_VERSION = 1
"""Raised whenever the same page or frame may be drawn, or its text layer judged, differently."""

PLANNER_VERSION = 1
"""Raised whenever the same asset may be cut into other chunks."""


def digest(value: object) -> str:
    """32 hexadecimal digits that name a value made of JSON types."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Fingerprints:
    """`engine` names the engine and how it is shown things, `questions` each question, `asked` all that a job asks,
    `judged` how the answers are judged, `tried` the passwords and limits, which matter to what failed.
    """

    engine: str
    questions: Mapping[str, str]
    asked: str
    judged: str
    tried: str


def question_fingerprint(question: Question) -> str:
    """Changes with whatever may change the answer; not with `expect`, `severity` or `only_if`, which judge it."""
    asked: dict[str, Any] = question.model_dump(mode="json", exclude={"expect", "severity", "only_if"})
    if isinstance(question.answer, JsonSchema):
        asked["answer"] = {"type": "schema", "schema": question.answer.definition}  # wherever the file lies
    return digest(asked)


def judging_fingerprint(checklist: Sequence[Question]) -> str:
    """Changes with `expect`, `severity` and `only_if`, and with the questions they belong to."""
    return digest([(question.id, question.expect, question.severity, question.only_if) for question in checklist])


def of_job(job: Job, choice: EngineChoice) -> Fingerprints:
    """The fingerprints of a job on the engine that it names."""
    engine = digest([choice.name, choice.identity, choice.limits.budgets, choice.limits.pixels_per_em,
                     RENDERER_VERSION, job.instructions, job.page_text])
    questions = {question.id: question_fingerprint(question) for question in job.checklist}
    asked = digest([questions, job.transcribe, job.frames.every, job.context, choice.limits.images, PLANNER_VERSION])
    tried = digest([[password.get_secret_value() for password in job.passwords], job.limits.model_dump()])
    return Fingerprints(engine, questions, asked, judging_fingerprint(job.checklist), tried)
