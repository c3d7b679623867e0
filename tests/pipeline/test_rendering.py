"""Chunks drawn in helper processes: at their sizes, raised where a page turns out smaller than the plan knew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import pytest

from model_actors.budgets import image_size
from model_actors.choosing import choose
from model_actors.embedded_engine import LIMITS
from model_actors.engine import Limits
from pipeline import sources, storage
from pipeline.fingerprints import of_job
from pipeline.planning import Chunk, Errand, Part
from pipeline.probing import plan_asset
from pipeline.rendering import Helpers, Rendered, _Kept, _most_telling, _spans, redraw, render
from schemas.job import Job

av: Any = bad_inputs.av
SMALL_PAGE = 20
"""A page that the probe of a document of 40 pages does not look at."""


@pytest.fixture(scope="module")
def helpers() -> Iterator[Helpers]:
    made = Helpers(1, 20, 1024)
    yield made
    made.close()


def job(**settings: Any) -> Job:
    return Job.model_validate({"name": "test", "inputs": ["/in"], "output": "/out", "transcribe": True, **settings})


def errand(path: Path) -> Errand:
    found = storage.stat(str(path))
    return Errand(found, found.version)


def drawn(path: Path, job: Job, helpers: Helpers, limits: Limits = LIMITS) -> list[tuple[Part, Chunk, Rendered]]:
    """Everything a file is cut into, drawn."""
    done: list[tuple[Part, Chunk, Rendered]] = []
    for part in plan_asset(errand(path), job, limits, of_job(job, choose(job)), helpers):
        waiting = list(part.chunks)
        while waiting:
            some = render(waiting, part, str(path), job, limits, helpers)
            done += [(part, chunk, rendered) for chunk, rendered in zip(waiting, some, strict=False)]
            del waiting[: len(some)]
    return done


@pytest.fixture(scope="module")
def one_small_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pages of 24 pt, one of which holds 6 pt."""
    folder = tmp_path_factory.mktemp("small")
    bad_inputs.text_pdf(folder / "large.pdf", 39, 3, 24)
    bad_inputs.text_pdf(folder / "small.pdf", 1, 3, 6)
    with bad_inputs._mupdf.open(folder / "large.pdf") as whole, bad_inputs._mupdf.open(folder / "small.pdf") as page:
        whole.insert_pdf(page, start_at=SMALL_PAGE - 1)
        whole.save(folder / "both.pdf")
    return folder / "both.pdf"


def test_a_page_with_smaller_text_than_the_plan_knew_is_drawn_larger(one_small_page: Path, helpers: Helpers) -> None:
    chunks = drawn(one_small_page, job(), helpers)
    assert {chunk.budget for _, chunk, _ in chunks} == {280}
    raised = {chunk.pages[0]: (rendered.budget, rendered.rungs) for _, chunk, rendered in chunks if rendered.rungs}
    assert raised == {SMALL_PAGE: (1120, ("legibility",))}
    for _, chunk, rendered in chunks:
        [view] = rendered.views
        width, height = image_size(595, 842, 1120 if chunk.pages == (SMALL_PAGE,) else 280)
        assert view.pixels.shape == (height, width, 3)
        assert view.words is not None
        assert rendered.failed == ()


def test_a_page_is_not_drawn_larger_than_the_context_holds(one_small_page: Path, helpers: Helpers) -> None:
    enough = drawn(one_small_page, job(context=2048), helpers)
    assert {rendered.rungs for _, _, rendered in enough} == {("legibility",), ()}
    tight = replace(LIMITS, context=900)
    assert {rendered.rungs for _, _, rendered in drawn(one_small_page, job(), helpers, tight)} == {()}


def test_a_page_without_a_text_layer_in_use_keeps_its_plan(one_small_page: Path, helpers: Helpers) -> None:
    chunks = drawn(one_small_page, job(page_text="none"), helpers)
    assert {(rendered.budget, rendered.rungs) for _, _, rendered in chunks} == {(280, ())}
    assert {rendered.views[0].words for _, _, rendered in chunks} == {None}


def test_one_hostile_page_costs_no_other_page(tmp_path: Path) -> None:
    """Not even where the probe already dies of it, because it shows no text and is drawn to find some."""
    content = b"0.3 w [1.5 1] 0 d\n" + b"20 20 m 550 90 30 700 560 800 c S\n" * 200_000
    bad_inputs._write_page(tmp_path / "bad.pdf", content)
    bad_inputs.text_pdf(tmp_path / "good.pdf", 2, 3)
    with bad_inputs._mupdf.open(tmp_path / "good.pdf") as whole, bad_inputs._mupdf.open(tmp_path / "bad.pdf") as page:
        whole.insert_pdf(page, start_at=1)
        whole.save(tmp_path / "both.pdf", deflate=True)
    helpers = Helpers(1, 3, 1024)
    chunks = drawn(tmp_path / "both.pdf", job(), helpers)
    helpers.close()
    assert [(chunk.pages, len(rendered.views), [unit.error.category for unit in rendered.failed])
            for _, chunk, rendered in chunks] == [((1,), 1, []), ((2,), 0, ["timeout"]), ((3,), 1, [])]


def test_a_flaw_on_a_page_is_told_beside_its_view(tmp_path: Path, helpers: Helpers) -> None:
    bad_inputs.corrupt_image_pdf(tmp_path / "page.pdf")
    [(_, _, rendered)] = drawn(tmp_path / "page.pdf", job(), helpers)
    assert len(rendered.views) == 1
    assert [(unit.page, unit.units, unit.error.category) for unit in rendered.failed] == [(1, 0, "damaged")]


def test_the_samples_of_a_video_that_show_nothing_are_one_failure_at_the_first_of_them(
        tmp_path: Path, helpers: Helpers) -> None:
    bad_inputs.cut_faststart_mp4(tmp_path / "cut.mp4", 0.4)
    [(part, _, rendered)] = drawn(tmp_path / "cut.mp4", job(frames={"every": 0.5}), helpers)
    assert part.units == 8
    [failed] = rendered.failed
    assert (failed.time_s, failed.units) == (0.5 * (8 - failed.units), failed.units)
    assert [view.time_s for view in rendered.views] == [0.5 * place for place in range(8 - failed.units)]
    assert 3 <= failed.units <= 6


def test_a_page_that_another_file_was_drawn_between_is_drawn_the_same(tmp_path: Path, helpers: Helpers) -> None:
    bad_inputs.text_pdf(tmp_path / "one.pdf", 1)
    bad_inputs.encrypted_pdf(tmp_path / "two.pdf")
    secret = job(passwords=["open sesame"])
    first = drawn(tmp_path / "one.pdf", secret, helpers)[0][2].views[0]
    assert len(drawn(tmp_path / "two.pdf", secret, helpers)) == 2
    again = drawn(tmp_path / "one.pdf", secret, helpers)[0][2].views[0]
    assert (first.pixels == again.pixels).all()
    assert first.words is not None
    assert again.words is not None
    assert first.words.texts == again.words.texts


def test_pages_that_are_asked_alone_are_drawn_together_and_those_asked_as_one_come_whole(
        tmp_path: Path, helpers: Helpers) -> None:
    bad_inputs.text_pdf(tmp_path / "page.pdf", 6)
    whole = {"id": "total", "ask": "What is the total?", "answer": {"type": "number"}}
    both = job(checklist=[whole])
    [part] = plan_asset(errand(tmp_path / "page.pdf"), both, LIMITS, of_job(both, choose(both)), helpers)
    [together] = [chunk for chunk in part.chunks if len(chunk.pages) > 1]
    [rendered] = render([together], part, str(tmp_path / "page.pdf"), both, LIMITS, helpers)
    assert [view.page for view in rendered.views] == [1, 2, 3, 4, 5, 6]
    singles = [chunk for chunk in part.chunks if len(chunk.pages) == 1]
    some = render([*singles[:2], together], part, str(tmp_path / "page.pdf"), both, LIMITS, helpers)
    assert [[view.page for view in each.views] for each in some] == [[1], [2]]


def test_a_window_that_takes_long_is_drawn_in_several_calls(tmp_path: Path, helpers: Helpers,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 5)
    whole = [rendered for _, _, rendered in drawn(tmp_path / "film.mp4", job(), helpers)]
    monkeypatch.setattr("pipeline.rendering.SHARE_OF_LIMIT", 0.0)
    in_pieces = [rendered for _, _, rendered in drawn(tmp_path / "film.mp4", job(), helpers)]
    assert [view.time_s for rendered in in_pieces for view in rendered.views] == [0, 1, 2, 3, 4]
    assert [[view.time_s for view in rendered.views] for rendered in whole] == [
        [view.time_s for view in rendered.views] for rendered in in_pieces]
    assert [rendered.failed for rendered in (*whole, *in_pieces)] == [()] * (len(whole) + len(in_pieces))
    assert {(rendered.decoding or "").partition(";")[0] for rendered in whole} == {"keyframes"}


def lumas(path: Path, *values: int) -> None:
    """A second of each shade."""
    bad_inputs.video(path, len(values), fps=5, draw=lambda at: np.full((240, 320, 3), values[int(at)], np.uint8))


def window(path: Path, helpers: Helpers, most: int, first: int = 0, lead: int = 0) -> Rendered:
    """The rest of a video as one window, of which at most so many frames are shown."""
    seconds = round(av.open(str(path)).duration / av.time_base)
    chunk = Chunk("t", (), True, 280, ((96, 96),), 900, first_s=float(first), step_s=1.0, frames=seconds - first,
                  most=most, lead=lead)
    part = Part(storage.stat(str(path)), sources.sniff(path.read_bytes()[:4096]), (chunk,), duration=float(seconds))
    [rendered] = render([chunk], part, str(path), job(), LIMITS, helpers)
    return rendered


def times(rendered: Rendered) -> list[tuple[float | None, float | None]]:
    return [(view.time_s, view.until_s) for view in rendered.views]


def test_a_budget_keeps_the_first_frame_and_those_that_differ_most(tmp_path: Path, helpers: Helpers) -> None:
    lumas(tmp_path / "film.mp4", 250, 250, 230, 230, 30, 30, 50, 240)
    every = [(0, 2), (2, 4), (4, 6), (6, 7), (7, 8)]
    assert [times(window(tmp_path / "film.mp4", helpers, most)) for most in (8, 3, 1)] == [
        every, [(0, 2), (2, 4), (4, 8)], [(0, 8)]]
    three = window(tmp_path / "film.mp4", helpers, 3)
    assert [round(float(view.pixels.mean()), -1) for view in three.views] == [250, 230, 30]
    assert (three.failed, three.samples) == ((), 8)


def test_a_budget_is_kept_in_whatever_calls_the_frames_are_looked_at(tmp_path: Path, helpers: Helpers,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    lumas(tmp_path / "film.mp4", 250, 250, 230, 230, 30, 30, 50, 240)
    whole = [window(tmp_path / "film.mp4", helpers, most) for most in (8, 3, 1)]
    monkeypatch.setattr("pipeline.rendering.SHARE_OF_LIMIT", 0.0)
    pieces = [window(tmp_path / "film.mp4", helpers, most) for most in (8, 3, 1)]
    assert list(map(times, whole)) == list(map(times, pieces))
    assert [[view.pixels.mean() for view in each.views] for each in whole] == [
        [view.pixels.mean() for view in each.views] for each in pieces]


def test_the_frame_that_leads_a_window_is_not_of_its_budget(tmp_path: Path, helpers: Helpers) -> None:
    lumas(tmp_path / "film.mp4", 250, 200, 150, 100, 50)
    found = window(tmp_path / "film.mp4", helpers, 2, first=1, lead=1)
    assert times(found) == [(0, 1), (1, 2), (2, 5)]
    assert [view.leads for view in found.views] == [True, False, False]


def test_of_frames_that_differ_alike_a_budget_keeps_the_first_but_none_before_one_that_differs_more() -> None:
    found = [_Kept(float(at), at + 1.0, difference) for at, difference in enumerate((math.inf, 20, 20, 50))]
    assert [(each.time, each.until) for each in _most_telling(found, 3)] == [(0, 1), (1, 3), (3, 4)]


def test_a_caption_that_stays_is_kept_before_something_that_moves() -> None:
    found = [_Kept(0, 1, math.inf), _Kept(1, 2, 90), _Kept(2, 3, 90), _Kept(3, 9, 40), _Kept(9, 10, 90)]
    assert [(each.time, each.until) for each in _most_telling(found, 2)] == [(0, 3), (3, 10)]


@pytest.mark.parametrize(("times_s", "step", "said"), [
    ([25, 26, 27], 1, "from 25 s to 28 s"), ([0.5], 0.5, "from 0.5 s to 1 s"),
    ([3, 4, 10], 1.0, "from 3 s to 5 s and from 10 s to 11 s")])
def test_a_failure_says_when_nothing_is_shown(times_s: list[float], step: float, said: str) -> None:
    assert _spans(times_s, step) == said


def test_frames_of_a_window_are_drawn_larger_where_the_context_holds_them(tmp_path: Path, helpers: Helpers) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 3)
    [(part, chunk, rendered)] = drawn(tmp_path / "film.mp4", job(), helpers)
    larger = redraw(chunk, 560, part, str(tmp_path / "film.mp4"), job(), LIMITS, helpers)
    assert larger is not None
    assert [view.time_s for view in larger.views] == [view.time_s for view in rendered.views] == [0, 1, 2]
    assert {view.pixels.shape[1::-1] for view in larger.views} == {image_size(320, 240, 560)}
    tight = replace(LIMITS, context=chunk.tokens + 100)
    assert redraw(chunk, 560, part, str(tmp_path / "film.mp4"), job(), tight, helpers) is None


def test_a_window_of_several_calls_shows_the_frame_that_leads_once_and_the_same_scenes(
        tmp_path: Path, helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    lumas(tmp_path / "film.mp4", 250, 240, 240, 240, 60, 30, 30, 200)
    whole = window(tmp_path / "film.mp4", helpers, 8, first=1, lead=1)
    monkeypatch.setattr("pipeline.rendering.SHARE_OF_LIMIT", 0.0)
    pieces = window(tmp_path / "film.mp4", helpers, 8, first=1, lead=1)
    assert [view.leads for view in pieces.views] == [True, False, False, False, False]
    assert times(pieces) == times(whole)
    assert sorted(pieces.stretches, key=str) == sorted(whole.stretches, key=str)
    assert [(each.start_s, each.end_s) for each in whole.stretches if each.kind == "scene"][:1] == [(0, 4)]


def test_a_window_of_which_only_the_frame_before_it_was_seen_shows_nothing(tmp_path: Path, helpers: Helpers) -> None:
    lumas(tmp_path / "film.mp4", 250, 200)
    chunk = Chunk("t", (), True, 280, ((96, 96),), 900, first_s=2.0, step_s=1.0, frames=3, lead=1)
    kind = sources.Kind("video", "video/mp4")
    part = Part(storage.stat(str(tmp_path / "film.mp4")), kind, (chunk,), duration=5.0)
    [rendered] = render([chunk], part, str(tmp_path / "film.mp4"), job(), LIMITS, helpers)
    assert rendered.views == ()
    assert [(unit.time_s, unit.units) for unit in rendered.failed] == [(2.0, 3)]


def test_nothing_is_told_of_time_after_the_end(tmp_path: Path, helpers: Helpers) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 2.4, fps=5)
    [(_, _, rendered)] = drawn(tmp_path / "film.mp4", job(), helpers)
    assert max(each.end_s for each in rendered.stretches) == pytest.approx(2.4)
    assert rendered.views[-1].until_s == pytest.approx(2.4)
