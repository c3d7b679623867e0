"""What answers and transcripts are held against, and what the tables say of it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import pytest
import yaml
from pipelines import Runner, Tables
from tiny_model import CHECKPOINT

from model_actors import ocr
from model_actors.choosing import choose
from model_actors.engine import Pixels, Reply, View, Words
from pipeline.own_words import OwnWords
from schemas.job import Job

DUE = {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": ["Due date"]}
PAGES = Path(__file__).resolve().parents[2] / "infra/tiny_checkpoint/pages"
ENGINE = {"kind": "transformers", "model": CHECKPOINT, "device": "cpu"}


def written(path: Path, lines: list[str]) -> None:
    bad_inputs._write_page(path, bad_inputs._show(lines, 72, 700))


def agreement(tables: Tables, table: str = "answers") -> dict[str, tuple[str | None, str | None]]:
    return {Path(row["asset"]).name: (row["grounding"], row["grounding_source"]) for row in tables[table]
            if row.get("level", "chunk") == "chunk"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    written(tmp_path / "in" / "digital.pdf", ["Due date: 3 May 2026"])
    bad_inputs.text_image(tmp_path / "in" / "scan.png", ["Due date: 3 May 2026"], (700, 280))
    bad_inputs.text_image(tmp_path / "in" / "silent.png", ["Nothing of the kind"], (700, 280))
    return tmp_path


def test_answers_by_rule_stand_where_they_were_read(folder: Path, run: Runner) -> None:
    tables = run(folder, checklist=[DUE])
    assert agreement(tables) == {"digital.pdf": ("exact", "text_layer"), "scan.png": ("exact", "ocr"),
                                 "silent.png": (None, None)}
    assert agreement(tables, "transcripts") == dict.fromkeys(agreement(tables), (None, None))
    [asset] = [row for row in tables["answers"] if row["level"] == "asset" and row["asset"].endswith("digital.pdf")]
    assert (asset["grounding"], asset["grounding_source"]) == ("exact", "text_layer")


@pytest.mark.parametrize(("grounding", "digital"), [("layer", ("exact", "text_layer")),
                                                    ("none", ("not_checkable", None))])
def test_a_job_may_check_by_text_layers_alone_or_not_at_all(
        folder: Path, run: Runner, grounding: str, digital: tuple[str, str | None]) -> None:
    assert agreement(run(folder, checklist=[DUE], grounding=grounding)) == {
        "digital.pdf": digital, "scan.png": ("not_checkable", None), "silent.png": (None, None)}


def test_frames_of_a_video_have_no_words_of_their_own(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.video(tmp_path / "in" / "gate.mp4", 3, 5, (640, 360), draw=lambda _: bad_inputs.np.asarray(
        bad_inputs._picture(["Due date: 3 May 2026"], (640, 360), 40)))
    assert agreement(run(tmp_path, checklist=[DUE])) == {"gate.mp4": ("not_checkable", None)}


def test_a_layer_that_ocr_reads_otherwise_is_not_believed(tmp_path: Path, run: Runner) -> None:
    """The font's letters are drawn as others, as a subset with a wrong map to Unicode would have it."""
    (tmp_path / "in").mkdir()
    shown = "The supplier shall deliver all goods within thirty days and bear every cost of carriage"
    told = "Few ancient rivers carry stones toward western plains where distant cities trade silver"
    document = bad_inputs.pymupdf.open()
    page = document.new_page()
    for line in range(8):
        page.insert_text((60, 100 + 20 * line), shown, fontsize=11)
    pixels = page.get_pixmap(dpi=150)
    lying = bad_inputs.pymupdf.open()
    page = lying.new_page()
    for line in range(8):  # visible, under a picture that hides it and is not all of the page
        page.insert_text((60, 100 + 20 * line), told, fontsize=11)
    page.insert_image(bad_inputs.pymupdf.Rect(0, 60, 595, 842 * 0.4), pixmap=bad_inputs.pymupdf.Pixmap(
        pixels, pixels.width, pixels.height, None), keep_proportion=False)
    lying.save(tmp_path / "in" / "lying.pdf")
    [row] = run(tmp_path)["transcripts"]
    assert row["source"] == "ocr"


def test_pages_that_wait_for_ocr_leave_others_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    class Slow:
        def read(self, _: Pixels) -> Words:
            go_on.wait(30)
            return Words([], np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))

    async def redraw() -> None:
        return None

    async def check() -> None:
        views = [View(np.zeros((8, 8, 3), np.uint8), page=page) for page in range(64)]
        waiting = [asyncio.create_task(OwnWords([view], job, redraw).pages(Reply())) for view in views]
        try:
            await asyncio.sleep(0)
            await asyncio.wait_for(asyncio.to_thread(int), 10)
        finally:
            go_on.set()
        assert [[page.number for page in pages] for pages in await asyncio.gather(*waiting)] == [
            [view.page] for view in views]

    monkeypatch.setattr(ocr, "shared", Slow)
    job = Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True})
    asyncio.run(check())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """What the tiny checkpoint says of its six pages, and whether it is there."""
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copytree(PAGES, folder / "in")
    job = Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True, "engine": ENGINE})
    run = Runner(choose(job).build())
    questions = yaml.safe_load((PAGES.parent / "audit.yaml").read_text())["checklist"]
    yield run(folder, page_text="none", engine=ENGINE, checklist=[
        {**each, "expect": "98.08"} if each["id"] == "total" else each
        for each in questions if each["answer"] in ("text", "number")])
    run.close()


def printed(row: dict[str, Any]) -> list[str]:
    with bad_inputs.pymupdf.open(PAGES / Path(row["asset"]).name) as document:
        return str(document[0].get_text()).split()


def test_a_number_that_a_model_makes_up_is_told_and_decides_no_check(tiny: Tables) -> None:
    answers = [row for row in tiny["answers"] if row["level"] == "chunk" and row["value"]]
    for row in answers:
        assert (row["grounding"] == "exact") is (row["value"] in printed(row))
        if row["grounding"] != "exact" and row["question"] == "total":
            assert row["verdict"] == "unsure"
    assert {row["grounding"] for row in answers} >= {"exact", "contradicted"}


def test_a_number_that_is_printed_is_shown_where_it_stands(tiny: Tables) -> None:
    exact = [row for row in tiny["answers"] if row["level"] == "chunk" and row["grounding"] == "exact"]
    for row in exact:
        [item] = row["evidence"]
        with bad_inputs.pymupdf.open(PAGES / Path(row["asset"]).name) as document:
            page = document[0]
            [word] = [word for word in page.get_text("words") if word[4] == row["value"]]
            truth = [word[0] / page.rect.width, word[1] / page.rect.height, word[2] / page.rect.width,
                     word[3] / page.rect.height]
        assert (item["page"], item["quote"]) == (1, row["value"])
        assert item["box"] == pytest.approx(truth, abs=0.05)


def test_a_transcript_is_exact_where_it_says_what_is_printed_and_only_there(tiny: Tables) -> None:
    for row in tiny["transcripts"]:
        assert (row["grounding"] == "exact") is (sorted(row["text"].split()) == sorted(printed(row)))
        assert row["grounding_source"] == "ocr"
