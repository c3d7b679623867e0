"""Names of results that may be reused: what an engine would answer, and what was asked of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model_actors.choosing import EngineChoice
from schemas.checklist import JsonSchema, Label, Question, applies
from schemas.job import Job

RENDERER_VERSION = 3
"""Raised whenever the same page or frame may be drawn, or its text layer judged, differently."""

PLANNER_VERSION = 2
"""Raised whenever the same asset may be cut into other chunks."""


def digest(value: object) -> str:
    """32 hexadecimal digits that name a value made of JSON types."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


JUDGING = ("expect", "severity", "only_if", "combine", "sure_from")
"""What of a question says how its answers are combined and judged, without asking anything again."""

TRANSCRIPT = "transcribe"
"""The item that stands for the transcript, where others stand for a question each."""


@dataclass(frozen=True)
class Fingerprints:
    """`engine` names how objects are read and asked, and thereby the results that may stand together.

    `settings` is the part of it that the job file says; the rest comes with the version of Canvass. `questions` names
    each question, and `later` are the ids of those that wait for the answers of others. `documents` and `videos` map
    the items that are asked of such an object, one a question and one for the transcript, to the question's id (None
    for the transcript). `judged` names how the answers are judged, `tried` the passwords and limits, which matter to
    what failed.
    """

    engine: str
    settings: str
    questions: Mapping[str, str]
    documents: Mapping[str, str | None]
    videos: Mapping[str, str | None]
    judged: str
    tried: str
    later: frozenset[str] = frozenset()

    def items(self, kind: str) -> Mapping[str, str | None]:
        """The items that may be asked of an object of a kind."""
        return self.videos if kind == "video" else self.documents

    def wanted(self, kind: str, locked: Collection[str], asked: Collection[str] = ()) -> frozenset[str]:
        """The items that are to be asked of an object of a kind, those that were `asked` among them, while some
        questions are locked.
        """
        return frozenset(item for item, name in self.items(kind).items() if name not in locked or item in asked)


def asked_text(items: Iterable[str]) -> str:
    """Items as one text, for a column of a table."""
    return " ".join(sorted(items))


def question_fingerprint(question: Question) -> str:
    """Changes with whatever may change the answer; not with what judges it (JUDGING), or whom it is asked of."""
    asked: dict[str, Any] = question.model_dump(mode="json", exclude={*JUDGING, "of"})
    if isinstance(question.answer, JsonSchema):
        asked["answer"] = {"type": "schema", "schema": question.answer.definition}  # wherever the file lies
    if isinstance(question.answer, Label):  # labels that nothing describes are named as before there were descriptions
        asked["answer"] = {name: entry for name, entry in asked["answer"].items() if entry}
    return digest(asked)


def judging_fingerprint(checklist: Sequence[Question]) -> str:
    """Changes with what judges an answer, and with the questions that it belongs to."""
    return digest([question.model_dump(mode="json", include={"id", *JUDGING}) for question in checklist])


def of_job(job: Job, choice: EngineChoice) -> Fingerprints:
    """The fingerprints of a job on the engine that it names, in this version of Canvass."""
    settings = digest([choice.name, choice.identity, job.instructions, job.page_text, job.context])
    engine = digest([settings, choice.edition, choice.limits.budgets, choice.limits.pixels_per_em, choice.limits.images,
                     RENDERER_VERSION, PLANNER_VERSION])
    later = frozenset(each.id for each in job.checklist if each.only_if) if choice.limits.waves else frozenset[str]()
    return replace(of_questions(job), engine=engine, settings=settings, later=later)


def of_questions(job: Job) -> Fingerprints:
    """The fingerprints of what a job asks and how it judges, of no engine: for what changes answers without asking."""
    questions = {question.id: question_fingerprint(question) for question in job.checklist}
    transcript: dict[str, str | None] = {TRANSCRIPT: None} if job.transcribe else {}
    documents = {questions[each.id]: each.id for each in job.checklist if applies(each, "pdf")} | transcript
    videos = {questions[each.id]: each.id for each in job.checklist if applies(each, "video")} | transcript
    sampling = [job.frames.every, *([job.frames.budget] if job.frames.budget else [])]
    sampled = {digest([item, *sampling]): name for item, name in videos.items()}
    tried = digest([[password.get_secret_value() for password in job.passwords], job.limits.model_dump()])
    return Fingerprints("", "", questions, documents, sampled, judging_fingerprint(job.checklist), tried)
