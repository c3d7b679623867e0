"""A person's answers stand in the place of the engine's, through whatever a job does after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from pipelines import Runner, Tables

from jobs.running import prepare
from pipeline.fold import ORDER
from pipeline.tables import dataset
from schemas.job import Job

DUE = {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": ["Due date"], "expect": "2026-05-03"}
OPEN = {"id": "open", "ask": "Is it open?", "answer": "yes/no", "expect": "yes", "only_if": "due == 2026-05-03"}


def job(folder: Path, *checklist: dict[str, Any]) -> Job:
    return Job.model_validate({"name": "test", "output": str(folder / "out"), "inputs": [str(folder / "in")],
                               "transcribe": True, "checklist": checklist})


@pytest.fixture
def folder(tmp_path: Path, run: Runner) -> Path:
    (tmp_path / "in").mkdir()
    bad_inputs.text_image(tmp_path / "in" / "a.png", ["Due date: 4 May 2026"], (700, 280))
    run(tmp_path, checklist=[DUE, OPEN])
    return tmp_path


def review(folder: Path, value: str | None, question: str = "due", note: str | None = None,
           checklist: tuple[dict[str, Any], ...] = (DUE, OPEN), **changes: Any) -> Tables:
    with prepare(job(folder, *checklist)) as prepared:
        [asset] = dataset(str(folder / "out"), "assets").to_table().to_pylist()
        names = prepared.setting.names
        assert prepared.folder is not None
        prepared.folder.review([{
            "asset": asset["asset"], "version": asset["version"], "question": question,
            "question_fingerprint": names.questions[question], "value": value, "currency": None, "note": note,
            "reviewer": "Kim", "engine_value": None, "engine_confidence": None, "engine_verdict": None,
            "fingerprint": names.engine, "run_id": prepared.setting.run_id, **changes}])
    return {name: dataset(str(folder / "out"), name).to_table().to_pylist() for name in ORDER}


def told(tables: Tables, question: str = "due") -> dict[str, tuple[str, str, str | None, str | None]]:
    return {row["level"]: (row["source"], row["status"], row["value"], row["verdict"]) for row in tables["answers"]
            if row["question"] == question}


def test_a_review_has_the_word_and_the_engine_s_answer_stands_beside_it(folder: Path) -> None:
    tables = review(folder, "2026-05-03", note="the 4 is a smudge")
    engine = ("engine", "answered", "2026-05-04", "fail")
    assert told(tables) == {"chunk": engine, "reviewed": engine, "asset": ("human", "answered", "2026-05-03", "pass")}
    [row] = [row for row in tables["answers"] if row["level"] == "asset" and row["question"] == "due"]
    assert (row["confidence"], row["reason"], str(row["date"])) == (1.0, "the 4 is a smudge", "2026-05-03")
    assert [item["quote"] for item in row["evidence"]] == ["4 May 2026"]


def test_what_a_person_says_decides_what_depends_on_it(folder: Path) -> None:
    tables = review(folder, "2026-05-03")
    assert told(tables, "open")["asset"] == ("engine", "unsure", None, "unsure")
    assert told(review(folder, "2026-05-05"), "open")["asset"] == ("engine", "not_applicable", None, None)


def test_of_several_reviews_the_last_counts_and_all_are_kept(folder: Path) -> None:
    review(folder, "2026-05-03")
    tables = review(folder, None)
    assert told(tables)["asset"] == ("human", "unsure", None, "unsure")
    assert [row["value"] for row in sorted(tables["reviews"], key=lambda row: row["reviewed_at"])] \
        == ["2026-05-03", None]


def test_a_review_stays_when_the_job_judges_otherwise_or_asks_more(folder: Path, run: Runner) -> None:
    review(folder, "2026-05-03")
    later = {"id": "sent", "ask": "When was it sent?", "answer": "date", "look_for": ["Sent"]}
    tables = run(folder, checklist=[{**DUE, "expect": "2026-05-04"}, OPEN, later])
    assert told(tables)["asset"] == ("human", "answered", "2026-05-03", "fail")
    assert told(tables)["reviewed"] == ("engine", "answered", "2026-05-04", "pass")
    assert "asset" in told(tables, "sent")


@pytest.mark.parametrize("change", [{"version": "other"}, {"question_fingerprint": "other"}])
def test_a_review_of_other_content_or_of_another_question_counts_for_nothing(
        folder: Path, change: dict[str, str]) -> None:
    tables = review(folder, "2026-05-03", **change)
    assert told(tables)["asset"] == ("engine", "answered", "2026-05-04", "fail")
    assert len(tables["reviews"]) == 1


def test_changed_content_is_answered_anew(folder: Path, run: Runner) -> None:
    review(folder, "2026-05-03")
    bad_inputs.text_image(folder / "in" / "a.png", ["Due date: 6 May 2026"], (700, 280))
    assert told(run(folder, checklist=[DUE, OPEN]))["asset"] == ("engine", "answered", "2026-05-06", "fail")
