"""Fingerprints: they change with whatever may change an answer, and with nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_actors.choosing import EngineChoice, choose
from pipeline.fingerprints import digest, of_job, question_fingerprint
from schemas.checklist import Question
from schemas.job import Job, load_job

CHOICE = choose(Job.model_validate({"name": "test", "inputs": ["/in"], "output": "/out", "transcribe": True}))


def question(**entries: Any) -> Question:
    return Question.model_validate({"id": "q", "ask": "Signed?", "answer": "yes/no", **entries})


def job(**entries: Any) -> Job:
    return Job.model_validate({"name": "a", "inputs": ["in"], "output": "out", "checklist": [
        {"id": "q", "ask": "Signed?", "answer": "yes/no"}], **entries})


def test_digests_name_values_by_their_content() -> None:
    assert digest({"a": [1, 2], "b": None}) == digest({"b": None, "a": (1, 2)}) == "14265913f60ea6d8fd54c743c5beb668"
    assert len({digest(value) for value in ([1, 2], [2, 1], ["1", 2], [[1], 2], [1, 2, None])}) == 5


@pytest.mark.parametrize("entries", [
    {"id": "p"}, {"ask": "Signed"}, {"answer": "text"}, {"answer": ["yes", "no"]}, {"scope": "page"}, {"pages": "1"},
    {"look_for": "Signature"},
])
def test_a_question_asked_otherwise_has_another_fingerprint(entries: dict[str, Any]) -> None:
    assert question_fingerprint(question(**entries)) != question_fingerprint(question())


@pytest.mark.parametrize("entries", [{"expect": "yes"}, {"severity": "high"}, {"only_if": "a == yes"}])
def test_how_an_answer_is_judged_is_not_in_the_fingerprint(entries: dict[str, Any]) -> None:
    assert question_fingerprint(question(**entries)) == question_fingerprint(question())


def test_a_schema_counts_by_its_content_and_not_by_its_place(tmp_path: Path) -> None:
    def fingerprint(name: str, schema: object) -> str:
        (tmp_path / name).write_text(json.dumps(schema, indent=len(name)))
        (tmp_path / "job.yaml").write_text("{name: j, inputs: [in], output: out, checklist: "
                                           f"[{{id: q, ask: '?', answer: {{schema: {name}}}}}]}}")
        return question_fingerprint(load_job(tmp_path / "job.yaml").checklist[0])

    first = fingerprint("a.json", {"type": "object", "title": "A"})
    assert fingerprint("other.json", {"title": "A", "type": "object"}) == first
    assert fingerprint("a.json", {"type": "object", "title": "B"}) != first


@pytest.mark.parametrize(("entries", "engine", "asked"), [
    ({"instructions": "Be brief."}, True, False), ({"page_text": "none"}, True, False),
    ({"transcribe": True}, False, True), ({"frames": {"every": 2}}, False, True), ({"context": 4096}, False, True),
    ({"checklist": [{"id": "q", "ask": "Paid?", "answer": "yes/no"}]}, False, True),
    ({"name": "b"}, False, False), ({"inputs": ["elsewhere"]}, False, False), ({"output": "x"}, False, False),
    ({"limit": 3}, False, False), ({"exclude": ["x"]}, False, False), ({"passwords": ["x"]}, False, False),
    ({"limits": {"seconds": 5}}, False, False), ({"engine": {"workers": 7}}, False, False),
])
def test_what_of_a_job_names_its_results(entries: dict[str, Any], engine: bool, asked: bool) -> None:
    before, after = of_job(job(), CHOICE), of_job(job(**entries), CHOICE)
    assert (before.engine != after.engine, before.asked != after.asked) == (engine, asked)


@pytest.mark.parametrize("other", [
    replace(CHOICE, name="other"), replace(CHOICE, identity={**CHOICE.identity, "rules": -1}),
    replace(CHOICE, limits=replace(CHOICE.limits, budgets=(70,))),
    replace(CHOICE, limits=replace(CHOICE.limits, pixels_per_em=1.0)),
])
def test_another_engine_has_another_fingerprint(other: EngineChoice) -> None:
    assert of_job(job(), other).engine != of_job(job(), CHOICE).engine
    assert of_job(job(), other).questions == of_job(job(), CHOICE).questions
