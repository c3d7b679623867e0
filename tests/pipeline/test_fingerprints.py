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


def test_labels_are_named_by_what_is_said_of_them_and_as_ever_where_nothing_is() -> None:
    plain = {"labels": ["contract", "invoice"]}
    told = {"labels": {"contract": "An agreement", "invoice": None}}
    answers = [plain, told, {**plain, "examples": {"invoice": ["Please pay"]}}]
    names = [question_fingerprint(question(answer=answer)) for answer in answers]
    assert len(set(names)) == 3
    assert question_fingerprint(question(answer={"labels": dict.fromkeys(plain["labels"])})) == names[0]
    assert question_fingerprint(question(ask="Kind?", answer=["contract", "invoice"])) == (
        "9bf67bcbaa0039cef0e93b4869cc137e")  # as outputs have it that were written before labels had descriptions


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


@pytest.mark.parametrize(("entries", "engine", "documents", "videos"), [
    ({"instructions": "Be brief."}, True, False, False), ({"page_text": "none"}, True, False, False),
    ({"context": 4096}, True, False, False), ({"transcribe": True}, False, True, True),
    ({"frames": {"every": 2}}, False, False, True),
    ({"checklist": [{"id": "q", "ask": "Paid?", "answer": "yes/no"}]}, False, True, True),
    ({"checklist": [{"id": "q", "ask": "Signed?", "answer": "yes/no"}, {"id": "e", "ask": "?", "answer": "event"}]},
     False, False, True),
    ({"checklist": [{"id": "q", "ask": "Signed?", "answer": "yes/no"},
                    {"id": "p", "ask": "?", "answer": "text", "scope": "page"}]}, False, True, False),
    ({"name": "b"}, False, False, False), ({"inputs": ["elsewhere"]}, False, False, False),
    ({"output": "x"}, False, False, False), ({"limit": 3}, False, False, False),
    ({"exclude": ["x"]}, False, False, False), ({"passwords": ["x"]}, False, False, False),
    ({"limits": {"seconds": 5}}, False, False, False), ({"engine": {"workers": 7}}, False, False, False),
])
def test_what_of_a_job_names_its_results(entries: dict[str, Any], engine: bool, documents: bool, videos: bool) -> None:
    before, after = of_job(job(), CHOICE), of_job(job(**entries), CHOICE)
    assert (before.engine != after.engine, before.documents != after.documents, before.videos != after.videos) == (
        engine, documents, videos)
    assert (before.settings != after.settings) == engine


@pytest.mark.parametrize("other", [
    replace(CHOICE, edition={**CHOICE.edition, "rules": -1}),
    replace(CHOICE, limits=replace(CHOICE.limits, budgets=(70,))),
    replace(CHOICE, limits=replace(CHOICE.limits, pixels_per_em=1.0)),
])
def test_another_edition_of_the_same_engine_has_another_fingerprint_of_the_same_settings(other: EngineChoice) -> None:
    before, after = of_job(job(), CHOICE), of_job(job(), other)
    assert before.engine != after.engine
    assert (before.settings, before.questions) == (after.settings, after.questions)


@pytest.mark.parametrize("other", [replace(CHOICE, name="other"), replace(CHOICE, identity={"model": "another"})])
def test_another_engine_has_other_settings(other: EngineChoice) -> None:
    before, after = of_job(job(), CHOICE), of_job(job(), other)
    assert before.settings != after.settings
    assert before.engine != after.engine


def test_the_items_of_a_question_differ_between_documents_and_videos_by_the_sampling_rate_alone() -> None:
    names = of_job(job(transcribe=True), CHOICE)
    assert dict(names.documents) == {names.questions["q"]: "q", "transcribe": None}
    assert set(names.videos.values()) == {"q", None}
    assert names.items("image") == names.items("unknown") == names.documents
    assert names.items("video") == names.videos
