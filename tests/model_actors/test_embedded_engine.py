"""The embedded engine: reads, finds evidence, answers by rule, and never guesses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import pytest
from PIL import Image
from pipelines import Runner


def asset_answer(tables: dict[str, list[dict[str, Any]]], question: str) -> dict[str, Any]:
    (row,) = [row for row in tables["answers"] if row["level"] == "asset" and row["question"] == question]
    return row


def test_an_abstention_shows_the_passages_that_bear_on_the_question(run: Runner, tmp_path: Path) -> None:
    lines = ["The goods are delivered on Mondays.", "", "", "The warranty covers parts and labour.", "", "", "Pay."]
    (tmp_path / "in").mkdir()
    bad_inputs.text_image(tmp_path / "in" / "a.png", lines, (1200, 700))
    question = {"id": "w", "ask": "What does the warranty cover?", "answer": "text"}
    row = asset_answer(run(tmp_path, checklist=[question]), "w")
    assert (row["status"], row["value"], row["confidence"]) == ("unsure", None, None)
    assert row["evidence"][0]["quote"] == "The warranty covers parts and labour."
    assert row["evidence"][0]["page"] == 1


def test_an_event_without_a_text_to_look_for_needs_a_model(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.video(tmp_path / "in" / "a.mp4", 2)
    tables = run(tmp_path, checklist=[{"id": "e", "ask": "Does a forklift pass?", "answer": "event"}])
    assert asset_answer(tables, "e")["status"] == "unsure"
    assert "needs a model" in asset_answer(tables, "e")["reason"]
    assert tables["events"] == []


@pytest.mark.parametrize("shade", [255, 90])
def test_a_blank_page_gives_no_text(run: Runner, tmp_path: Path, shade: int) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((900, 700, 3), shade, np.uint8)).save(tmp_path / "in" / "blank.png")
    tables = run(tmp_path, checklist=[{"id": "total", "ask": "What is the total?", "answer": "money"}])
    (row,) = tables["transcripts"]
    assert (row["text"], row["markdown"], row["blocks"], row["words"]) == ("", "", [], [])
    assert asset_answer(tables, "total")["status"] == "unsure"


def test_what_is_read_twice_is_read_the_same(run: Runner, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder / "in").mkdir(parents=True)
        bad_inputs.text_image(tmp_path / folder / "in" / "a.png", ["Some words to read"] * 5, (900, 500))
    first, second = (run(tmp_path / folder)["transcripts"][0] for folder in ("first", "second"))
    assert (first["text"], first["confidence"]) == (second["text"], second["confidence"])
