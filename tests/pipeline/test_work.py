"""A shard's work without Ray: what is asked, what goes wrong, and what is published of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import PIL.Image
import pytest
from engines import Scripted
from pipelines import Runner

from model_actors.choosing import choose
from model_actors.engine import Answer, EngineError, Reply, Request
from pipeline.evidence import picture_path
from pipeline.publishing import list_published
from schemas.job import Job

CHECKLIST = [{"id": "due", "ask": "When is it due?", "answer": "date", "expect": "2026-05-03"}]


@pytest.fixture
def engine() -> Scripted:
    return Scripted()


def run(engine: Scripted, folder: Path, **settings: Any) -> dict[str, list[dict[str, Any]]]:
    runner = Runner(engine)
    try:
        return runner(folder, checklist=CHECKLIST, **settings)
    finally:
        runner.close()


def corpus(folder: Path, *names: str) -> Path:
    (folder / "in").mkdir()
    for name in names:
        bad_inputs.text_pdf(folder / "in" / name, 1)
    return folder


def test_all_questions_of_a_page_share_one_request_with_its_exact_pixels(engine: Scripted, tmp_path: Path) -> None:
    run(engine, corpus(tmp_path, "a.pdf"))
    (request,) = engine.asked
    assert (request.transcribe, [question.id for question in request.questions]) == (True, ["due"])
    (view,) = request.views
    assert view.pixels.shape[0] % 48 == view.pixels.shape[1] % 48 == 0
    assert view.pixels.shape[2] == 3
    assert view.words is not None
    assert view.words.texts[0] == bad_inputs.line_text(0, 0).split()[0]


def test_what_is_said_of_a_single_page_rests_on_it_and_keeps_its_picture(tmp_path: Path) -> None:
    class Refusing(Scripted):
        async def ask(self, request: Request) -> Reply:
            return Reply(answers=tuple(Answer(question.id, "no", confidence=0.9) for question in request.questions))

    runner = Runner(Refusing())
    tables = runner(corpus(tmp_path, "a.pdf"), checklist=[{"id": "signed", "ask": "Is it signed?", "answer": "yes/no",
                                                           "expect": "yes"}])
    runner.close()
    rows = tables["answers"]
    assert [[(item["page"], item["box"], item["quote"]) for item in row["evidence"]] for row in rows] \
        == 2 * [[(1, None, None)]]
    assert (tmp_path / "out" / picture_path(rows[0]["asset"], rows[0]["version"], 1, None)).exists()


def test_without_page_text_the_words_are_kept_from_the_engine(engine: Scripted, tmp_path: Path) -> None:
    run(engine, corpus(tmp_path, "a.pdf"), page_text="none")
    assert engine.asked[0].views[0].words is None


def test_a_refused_request_is_a_failure_and_the_rest_is_answered(engine: Scripted, tmp_path: Path) -> None:
    tables = run(engine, corpus(tmp_path, "a.pdf", "refuse.pdf", "z.pdf"))
    assert [(row["phase"], row["category"], row["message"]) for row in tables["failures"]] == [
        ("ask", "request", "the prompt is not to my liking: shorten it")]
    assert {Path(row["asset"]).name: row["status"] for row in tables["assets"]} == {
        "a.pdf": "ok", "refuse.pdf": "partial", "z.pdf": "ok"}
    given = {Path(row["asset"]).name: (row["status"], row["verdict"]) for row in tables["answers"]
             if row["level"] == "asset"}
    assert given == {"a.pdf": ("unsure", "unsure"), "refuse.pdf": ("failed", "unsure"), "z.pdf": ("unsure", "unsure")}


def test_a_reply_that_is_not_of_its_type_is_a_failed_answer(engine: Scripted, tmp_path: Path) -> None:
    tables = run(engine, corpus(tmp_path, "invalid.pdf"))
    (row,) = [row for row in tables["answers"] if row["level"] == "chunk"]
    assert (row["status"], row["value"], row["verdict"]) == ("failed", None, "unsure")
    assert row["reason"] == "the reply is not valid: '30 February' is no ISO date like 2026-02-03"


def test_a_broken_engine_publishes_nothing(engine: Scripted, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="out of memory"):
        run(engine, corpus(tmp_path, "break.pdf"))
    assert list((tmp_path / "out").glob("_shards/**/*.parquet")) == []


def test_a_changed_expectation_judges_again_and_asks_nothing(engine: Scripted, tmp_path: Path) -> None:
    corpus(tmp_path, "a.pdf", "b.pdf")
    runner = Runner(engine)
    runner(tmp_path, checklist=CHECKLIST)
    tables = runner(tmp_path, checklist=[{**CHECKLIST[0], "expect": None, "severity": "high"}])
    runner.close()
    assert len(engine.asked) == 2
    assert [(row["verdict"], row["severity"]) for row in tables["answers"] if row["level"] == "asset"] == [
        (None, "high")] * 2
    assert [len(tables[name]) for name in ("assets", "requests", "shards")] == [2, 2, 2]


def test_every_row_says_where_it_came_from(engine: Scripted, tmp_path: Path) -> None:
    tables = run(engine, corpus(tmp_path, "a.pdf"))
    (asset,) = tables["assets"]
    for name in ("answers", "requests", "shards"):
        for row in tables[name]:
            assert (row["asset"], row["version"], row["fingerprint"], row["run_id"]) == (
                asset["asset"], asset["version"], asset["fingerprint"], asset["run_id"])
    (request,) = tables["requests"]
    assert (request["engine"], request["images"], request["finish_reason"]) == ("scripted", 1, "stop")


def test_a_long_video_that_was_cut_short_goes_on_with_the_stretch_it_came_to(engine: Scripted, tmp_path: Path) -> None:
    """12 windows of 16 frames, each a shard of its own; the engine breaks at the sixth."""
    (tmp_path / "in").mkdir()
    bad_inputs.video(tmp_path / "in" / "film.mp4", 192, fps=2, keyframe_every=20)
    plain = engine.ask

    async def breaks(request: Request) -> Reply:
        if len(engine.asked) == 5:
            raise EngineError("out of memory")
        return await plain(request)

    question = [{"id": "seen", "ask": "Seen?", "answer": "event"}]
    runner = Runner(engine)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "ask", breaks)
            with pytest.raises(EngineError):
                runner(tmp_path, checklist=question, transcribe=False)
        published = len(list(list_published(str(tmp_path / "out"))))
        asked = len(engine.asked)
        tables = runner(tmp_path, checklist=question, transcribe=False)
    finally:
        runner.close()
    assert (published, asked) == (5, 5)
    assert [request.views[0].time_s for request in engine.asked] == [16.0 * window for window in range(12)]
    assert [(row["status"], row["units"]) for row in tables["assets"]] == [("ok", 192)]


def test_windows_share_a_frame_end_at_scenes_and_lose_and_double_no_sample(tmp_path: Path) -> None:
    """Windows of at most seven frames and the one before, two a shard; a scene lasts 13 s and the first 12.6, so that
    the second window ends a frame early, which is left to a window of its own.
    """
    engine = Scripted(lead=1)
    (tmp_path / "in").mkdir()
    colours = [(20, 20, 120), (120, 120, 20), (0, 0, 0)]

    def draw(at: float) -> Any:
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:] = colours[min(int((at + 0.4) // 13), 2)]
        picture[40:200, 20 + 40 * (int(at) % 7) : 50 + 40 * (int(at) % 7)] = 130
        return picture

    bad_inputs.video(tmp_path / "in" / "film.mp4", 39, fps=5, draw=draw)
    question = [{"id": "seen", "ask": "Seen?", "answer": "event"}]
    job = Job.model_validate({"name": "t", "inputs": ["in"], "output": "out", "checklist": question})
    runner = Runner(engine)
    tables = runner(tmp_path, choice=replace(choose(job), limits=engine.limits()), checklist=question, transcribe=False)
    runner.close()
    seen = [([view.time_s for view in request.views if view.leads], [view.time_s for view in request.views
                                                                    if not view.leads]) for request in engine.asked]
    begins = [0, 7, 13, 14, 21, 28, 35, 39]
    assert seen == [([first - 1.0] if first else [], list(map(float, range(first, end))))
                    for first, end in pairwise(begins)]
    assert [row["chunk_id"] for row in tables["requests"]] == [f"t{a}-{b - 1}" for a, b in pairwise(begins)]
    assert [(row["kind"], row["start_s"], row["end_s"]) for row in tables["scenes"]] == [
        ("scene", 0, 12.6), ("scene", 12.6, 25.6), ("scene", 25.6, 39)]
    for row, (red, green, blue) in zip(tables["scenes"], colours, strict=True):
        with PIL.Image.open(tmp_path / "out" / row["picture"]) as picture:
            assert max(picture.size) == 320
            assert np.abs(np.asarray(picture)[-8:, -8:].mean(axis=(0, 1)) - (red, green, blue)).max() < 12
    assert {row["coverage"] for row in tables["answers"]} == {1.0}
    assert [(row["status"], row["units"]) for row in tables["assets"]] == [("ok", 39)]


def test_an_answer_about_a_window_says_which_share_of_it_was_seen(engine: Scripted, tmp_path: Path) -> None:
    """32 s are claimed, two windows of 16 samples, and the file is cut off within the second."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "film.mp4"
    bad_inputs._encode(path, range(32 * 5), Fraction(1, 5), fps=5, movflags="faststart")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.75)])
    tables = run(engine, tmp_path, transcribe=False)
    lost = sum(row["units_failed"] for row in tables["shards"])
    shares = {row["chunk_id"]: row["coverage"] for row in tables["answers"] if row["level"] == "chunk"}
    assert 0 < lost < 16
    assert shares == {"t0-15": 1.0, "t16-31": 1 - lost / 16}
    assert [row["coverage"] for row in tables["assets"]] == [1 - lost / 32]
