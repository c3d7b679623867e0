"""Questions that depend on the answers of others are asked once these are known, and only where they apply."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bad_inputs
import pipelines
import pytest
from pipelines import Runner, Tables

from jobs.running import Wish
from model_actors.choosing import choose
from schemas.job import Job

KIND = {"id": "kind", "ask": "What type of paper is it?", "answer": ["letter", "invoice"],
        "look_for": ["Type"]}
DUE = {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": ["Due date"], "only_if": "kind == invoice"}
TOTAL = {"id": "total", "ask": "What is the total?", "answer": "money", "look_for": ["Total"],
         "only_if": "due == 2026-05-03"}
CHECKLIST = [KIND, DUE, TOTAL]

PICTURES = {"early.png": ["Type: invoice", "Due date: 3 May 2026", "Total: EUR 120.00"],
            "late.png": ["Type: invoice", "Due date: 4 May 2026", "Total: EUR 130.00"],
            "letter.png": ["Type: letter", "Due date: 3 May 2026", "Total: EUR 140.00"]}

ANSWERS = {("early.png", "kind"): ("answered", "invoice"), ("early.png", "due"): ("answered", "2026-05-03"),
           ("early.png", "total"): ("answered", "120.00"),
           ("late.png", "kind"): ("answered", "invoice"), ("late.png", "due"): ("answered", "2026-05-04"),
           ("late.png", "total"): ("not_applicable", None),
           ("letter.png", "kind"): ("answered", "letter"), ("letter.png", "due"): ("not_applicable", None),
           ("letter.png", "total"): ("not_applicable", None)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name, lines in PICTURES.items():
        bad_inputs.text_image(tmp_path / "in" / name, lines, (700, 420))
    return tmp_path


def ask(run: Runner, folder: Path, checklist: list[dict[str, Any]], waves: bool = True, **wish: Any) -> Tables:
    embedded = choose(Job.model_validate({"name": "test", "output": "/o", "inputs": ["/i"], "transcribe": True}))
    choice = replace(embedded, limits=replace(embedded.limits, waves=waves))
    return run(folder, wish=Wish(**wish), choice=choice, checklist=checklist, transcribe=False)


def told(tables: Tables) -> dict[tuple[str, str], tuple[str, str | None]]:
    return {(Path(row["asset"]).name, row["question"]): (row["status"], row["value"])
            for row in tables["answers"] if row["level"] == "asset"}


def rounds(tables: Tables) -> dict[str, int]:
    return {Path(row["asset"]).name: row["rounds"] for row in tables["assets"]}


def asked(tables: Tables) -> list[tuple[str, str]]:
    return sorted((Path(row["asset"]).name, row["question"]) for row in tables["answers"] if row["level"] == "chunk")


def test_each_object_is_asked_only_what_applies_to_it_and_once(run: Runner, folder: Path) -> None:
    tables = ask(run, folder, CHECKLIST)
    assert told(tables) == ANSWERS
    assert rounds(tables) == {"early.png": 3, "late.png": 2, "letter.png": 1}
    assert asked(tables) == [("early.png", "due"), ("early.png", "kind"), ("early.png", "total"), ("late.png", "due"),
                             ("late.png", "kind"), ("letter.png", "kind")]
    assert {row["status"] for row in tables["assets"]} == {"ok"}
    assert ask(run, folder, CHECKLIST) == tables


def test_an_engine_to_which_questions_cost_nothing_is_asked_all_at_once_and_says_the_same(
        run: Runner, folder: Path) -> None:
    tables = ask(run, folder, CHECKLIST, waves=False)
    assert told(tables) == ANSWERS
    assert set(rounds(tables).values()) == {1}


def test_a_condition_that_changes_asks_what_it_unlocks_and_nothing_else(run: Runner, folder: Path) -> None:
    before = ask(run, folder, [KIND, DUE])
    assert rounds(before) == {"early.png": 2, "late.png": 2, "letter.png": 1}
    tables = ask(run, folder, [KIND, {**DUE, "only_if": "kind == letter"}])
    assert rounds(tables) == {"early.png": 2, "late.png": 2, "letter.png": 2}
    assert {key: value for key, value in told(tables).items() if key[1] == "due"} == {
        ("early.png", "due"): ("not_applicable", None), ("late.png", "due"): ("not_applicable", None),
        ("letter.png", "due"): ("answered", "2026-05-03")}
    assert rounds(ask(run, folder, [KIND, DUE])) == rounds(tables)


def test_an_answer_in_doubt_hides_no_question(run: Runner, folder: Path) -> None:
    for path in (folder / "in").iterdir():
        path.unlink()
    bad_inputs.text_image(folder / "in" / "note.png", ["Type: note", "Due date: 3 May 2026"], (700, 420))
    assert told(ask(run, folder, [KIND, DUE])) == {("note.png", "kind"): ("unsure", None),
                                                    ("note.png", "due"): ("answered", "2026-05-03")}


def test_what_cannot_be_read_is_not_asked_again_and_again(run: Runner, folder: Path) -> None:
    bad_inputs.wrong_content(folder / "in" / "page.pdf")
    tables = ask(run, folder, CHECKLIST)
    assert rounds(tables)["page.pdf"] == 1
    assert ask(run, folder, CHECKLIST) == tables


def test_a_video_that_is_overwritten_between_two_waves_is_not_asked_for_ever(
        run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tmp_path / "in" / "gate.mp4"
    clip.parent.mkdir()
    bad_inputs.video(clip, 2, 5, (640, 360), draw=lambda _: bad_inputs.np.asarray(
        bad_inputs._picture(["Type: invoice"], (640, 360), 40)))
    waves: list[Any] = []
    unlocked = pipelines.unlocked

    def overwritten(prepared: Any, wave: Any) -> Any:
        clip.write_text("a note in the place of the video")
        waves.append(unlocked(prepared, wave))
        assert len(waves) < 3
        return waves[-1]

    monkeypatch.setattr(pipelines, "unlocked", overwritten)
    tables = ask(run, tmp_path, [KIND, {"id": "due", "ask": "When?", "answer": "date", "only_if": "kind == invoice"}])
    [asset] = tables["assets"]
    assert (asset["kind"], asset["status"], [len(wave) for wave in waves]) == ("video", "partial", [1, 0])


def test_a_later_wave_asks_of_no_more_objects_than_the_limit(run: Runner, folder: Path) -> None:
    ask(run, folder, [KIND])
    tables = ask(run, folder, CHECKLIST, limit=1)
    assert asked(tables) == [("early.png", "due"), ("early.png", "kind"), ("early.png", "total"), ("late.png", "kind"),
                             ("letter.png", "kind")]
    assert told(ask(run, folder, CHECKLIST)) == ANSWERS
