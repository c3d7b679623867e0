"""Planning videos, parts and shards: every sample and every part once, under names that say what was asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_actors.budgets import BUDGETS, image_size, image_tokens
from model_actors.engine import Limits
from pipeline.fingerprints import Fingerprints
from pipeline.planning import (
    FRAME_BUDGET,
    MAX_SHARD_ASSETS,
    SHARD_SECONDS,
    WINDOW_FRAMES,
    WINDOW_SECONDS,
    Again,
    Chunk,
    Part,
    Shard,
    check_job,
    cut_into_parts,
    end_window,
    gather_shards,
    plan_video,
)
from pipeline.sources import Kind
from pipeline.storage import StoredObject
from pipeline.units import UnreadableError, VideoProbe
from schemas.job import Job, JobError

LIMITS = Limits(context=262_144, canvas=256, images=1000, budgets=BUDGETS, pixels_per_em=11.0, text_in_prompt=True,
                seconds_per_image=0.5)
NAMES = Fingerprints("engine", "settings", {"q0": "first", "q1": "second"}, {}, {}, "judged", "tried")
PDF = Kind("pdf", "application/pdf")


def job(*checklist: dict[str, Any], **values: Any) -> Job:
    entries = [{"id": f"q{place}", "ask": "Seen?", "answer": "event", **entry} for place, entry in enumerate(checklist)]
    return Job.model_validate({"name": "a", "inputs": ["in"], "output": "out", "checklist": entries,
                               "transcribe": not checklist, **values})


@given(st.floats(0, 90_000), st.sampled_from([0.04, 0.1, 0.5, 1.0, 2.5, 60.0]), st.integers(4_000, 262_144),
       st.integers(1, 100), st.integers(0, 1), st.sampled_from([(1920, 1080), (64, 48), (1080, 1920), (4000, 100)]))
def test_every_sample_is_in_exactly_one_window_within_every_limit(
        duration: float, every: float, context: int, images: int, lead: int, shape: tuple[int, int]) -> None:
    duration = min(duration, every * 5_000)
    seen = replace(LIMITS, images=images, lead=lead)
    asked = job({}, context=context, frames={"every": every})
    chunks = plan_video(VideoProbe(duration, *shape), asked, seen)
    samples = max(1, math.ceil(duration / every - 1e-9))
    starts = [round(chunk.first_s / every) for chunk in chunks]
    assert [sample for chunk, start in zip(chunks, starts, strict=True)
            for sample in range(start, start + chunk.frames)] == list(range(samples))
    assert samples == 1 or (samples - 1) * every < duration <= samples * every + 1e-6
    size = image_size(*shape, FRAME_BUDGET)
    for chunk, start in zip(chunks, starts, strict=True):
        assert 1 <= chunk.images == chunk.frames + chunk.lead <= min(WINDOW_FRAMES, images)
        assert chunk.lead <= lead
        assert chunk.tokens <= context
        assert (chunk.sizes, chunk.budget, chunk.step_s, chunk.pages) == ((size,), FRAME_BUDGET, every, ())
        assert chunk.first_s == start * every
        assert chunk.questions == ("q0",)
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@given(st.integers(1, 400), st.sampled_from([0.04, 1.0, 2.5]), st.integers(2, 70), st.data())
def test_a_window_that_ends_early_leaves_its_samples_to_the_next_within_every_limit(
        samples: int, every: float, images: int, data: st.DataObject) -> None:
    seen = replace(LIMITS, images=images, lead=1)
    waiting = plan_video(VideoProbe(samples * every, 640, 480), job({}, frames={"every": every}), seen)
    tokens, largest = max(chunk.tokens for chunk in waiting), max(chunk.images for chunk in waiting)
    done: list[Chunk] = []
    while waiting:
        waiting = end_window(waiting, data.draw(st.integers(1, waiting[0].frames)))
        done.append(waiting.pop(0))
    starts = [round(chunk.first_s / every) for chunk in done]
    assert [sample for chunk, start in zip(done, starts, strict=True)
            for sample in range(start, start + chunk.frames)] == list(range(samples))
    for chunk, start in zip(done, starts, strict=True):
        assert chunk.first_s == pytest.approx(start * every)
        assert chunk.id == f"t{start}-{start + chunk.frames - 1}"
        assert (chunk.tokens <= tokens, chunk.images <= largest, chunk.lead) == (True, True, 1)


@given(st.floats(0.1, 20_000), st.sampled_from([0.1, 1.0, 2.5]), st.floats(1, 80_000), st.integers(1, 100))
def test_a_budget_of_frames_is_kept_but_for_one_frame_a_window(duration: float, every: float, budget: float,
                                                               images: int) -> None:
    asked = job({}, frames={"every": every, "budget": f"{budget:f}/h"})
    chunks = plan_video(VideoProbe(duration, 640, 480), asked, replace(LIMITS, images=images))
    assert sum(chunk.frames for chunk in chunks) == max(1, math.ceil(duration / every - 1e-9))
    for chunk in chunks:
        assert 1 <= chunk.images <= min(WINDOW_FRAMES, images)
        assert chunk.images <= max(1.0, chunk.frames * every * budget / 3600 + 1e-6)
        assert chunk.frames * every <= max(every, WINDOW_SECONDS) or chunk.most is None


def test_windows_of_a_budget_hold_what_a_request_takes_and_last_ten_minutes_at_most() -> None:
    def windows(budget: str) -> list[tuple[str, int]]:
        asked = job({}, frames={"budget": budget})
        return [(chunk.id, chunk.images) for chunk in plan_video(VideoProbe(700, 640, 480), asked, LIMITS)]

    assert windows("600/h") == [("t0-359", 60), ("t360-699", 56)]
    assert windows("6/h") == [("t0-599", 1), ("t600-699", 1)]
    assert windows("3600/h")[0] == ("t0-59", 60)


def test_frames_are_counted_into_the_tokens_of_a_window() -> None:
    one, two = (plan_video(VideoProbe(seconds, 1920, 1080), job({}), LIMITS)[0] for seconds in (1, 2))
    assert two.tokens - one.tokens == image_tokens((1056, 576)) + 24


def test_a_window_is_sixty_frames_and_the_last_one_what_is_left() -> None:
    windows = plan_video(VideoProbe(150.4, 640, 480), job({}), LIMITS)
    assert [(window.id, window.first_s, window.frames) for window in windows] \
        == [("t0-59", 0.0, 60), ("t60-119", 60.0, 60), ("t120-150", 120.0, 31)]


def test_a_frame_that_two_windows_share_is_one_of_the_sixty() -> None:
    windows = plan_video(VideoProbe(119, 640, 480), job({}), replace(LIMITS, lead=1))
    assert [(window.id, window.images) for window in windows] == [("t0-58", 60), ("t59-117", 60), ("t118-118", 2)]


def test_page_questions_are_not_asked_of_a_video() -> None:
    pages = [{"answer": "text", "scope": "page"}, {"answer": "text", "pages": "1"}]
    assert plan_video(VideoProbe(5, 640, 480), job(*pages), LIMITS) == []
    assert plan_video(VideoProbe(5, 640, 480), job(*pages, {}), LIMITS)[0].questions == ("q2",)


@given(st.integers(2_048, 6_000), st.lists(st.integers(1, 900), max_size=4))
def test_after_the_check_at_least_one_frame_fits(context: int, lengths: list[int]) -> None:
    asked = job(*({"ask": "x" * length} for length in lengths), context=context)
    try:
        check_job(asked, LIMITS)
    except JobError:
        return
    chunks = plan_video(VideoProbe(10, 1, 1), asked, LIMITS)
    assert sum(chunk.frames for chunk in chunks) == 10
    assert all(chunk.tokens <= context for chunk in chunks)


def asset(name: str, version: str = "1") -> StoredObject:
    return StoredObject(f"/in/{name}", version, 10)


def chunk(page: int, *questions: str, images: int = 1) -> Chunk:
    pages = tuple(range(page, page + images))
    return Chunk(f"p{pages[0]}-{pages[-1]}", questions or ("q0",), False, 280, ((48, 48),) * images, 500, pages=pages)


def whole(name: str, images: Sequence[int], **values: Any) -> Part:
    chunks, page = [], 1
    for count in images:
        chunks.append(chunk(page, images=count))
        page += count
    return cut_into_one(Part(asset(name), PDF, tuple(chunks), **values))


def cut_into_one(part: Part) -> Part:
    """The part as it comes of a cut that leaves it whole."""
    return replace(cut_into_parts(part, replace(LIMITS, seconds_per_image=0.0))[0], part=part.part, parts=part.parts)


IMAGES = st.lists(st.integers(1, 16), max_size=30)


@given(IMAGES, st.floats(0.001, 3))
def test_parts_hold_every_chunk_once_in_order_and_are_numbered_completely(images: list[int], seconds: float) -> None:
    one = whole("a", images)
    parts = cut_into_parts(one, replace(LIMITS, seconds_per_image=seconds))
    assert [chunk for part in parts for chunk in part.chunks] == list(one.chunks)
    assert [(part.part, part.parts) for part in parts] == [(place, len(parts)) for place in range(len(parts))]
    assert {part.units for part in parts} == {sum(images)}
    for part in parts:
        assert len(part.chunks) <= 1 or sum(chunk.images for chunk in part.chunks) * seconds <= SHARD_SECONDS + 1e-9
        assert part.chunks or not images


def test_units_count_a_page_once_however_many_chunks_see_it() -> None:
    one = Part(asset("a"), PDF, (chunk(1), chunk(2), chunk(1, "q1", images=2)))
    assert [part.units for part in cut_into_parts(one, LIMITS)] == [2]


def shards_of(parts: Sequence[Part], limits: Limits = LIMITS, names: Fingerprints = NAMES) -> list[Shard]:
    return list(gather_shards(parts, limits, names))


@given(st.lists(IMAGES, max_size=20), st.floats(0.001, 1))
def test_every_part_is_in_exactly_one_shard_in_order(assets: list[list[int]], seconds: float) -> None:
    limits = replace(LIMITS, seconds_per_image=seconds)
    wholes = [whole(str(number), images) for number, images in enumerate(assets)]
    parts = [part for one in wholes for part in cut_into_parts(one, limits)]
    shards = shards_of(parts, limits)
    assert [part for shard in shards for part in shard.parts] == parts
    assert len({shard.id for shard in shards}) == len(shards)
    assert shards_of(parts, limits) == shards
    for shard in shards:
        assert len(shard.parts) == 1 or all(part.parts == 1 for part in shard.parts)
        cost = sum(chunk.images for part in shard.parts for chunk in part.chunks) * seconds
        assert len(shard.parts) == 1 or cost <= SHARD_SECONDS + 1e-9


def test_small_assets_are_gathered_up_to_a_number() -> None:
    parts = [whole(str(number), [1]) for number in range(2 * MAX_SHARD_ASSETS + 1)]
    assert [len(shard.parts) for shard in shards_of(parts, replace(LIMITS, seconds_per_image=0.0))] \
        == [MAX_SHARD_ASSETS, MAX_SHARD_ASSETS, 1]


def test_an_asset_that_cannot_be_read_is_in_a_shard_too() -> None:
    failed = Part(asset("bad"), Kind("unknown", None), (), failure=UnreadableError("empty", "holds no bytes"))
    shard, = shards_of([whole("a", [1]), failed])
    assert shard.parts[1] == failed


def changed(one: Part, **values: Any) -> Part:
    return cut_into_one(replace(one, chunks=(replace(one.chunks[0], **values), *one.chunks[1:])))


@pytest.mark.parametrize("other", [
    replace(whole("a", [1, 2]), asset=asset("a", "2")), replace(whole("a", [1, 2]), asset=asset("b")),
    changed(whole("a", [1, 2]), questions=("q1",)), changed(whole("a", [1, 2]), questions=("q0", "q1")),
    changed(whole("a", [1, 2]), questions=()), changed(whole("a", [1, 2]), transcribe=True),
    changed(whole("a", [1, 2]), budget=560), changed(whole("a", [1, 2]), id="p1-9"),
    changed(whole("a", [1, 2]), first_s=1.0), changed(whole("a", [1, 2]), step_s=2.0),
    changed(whole("a", [1, 2]), frames=3), whole("a", [1]), whole("a", [1, 2], part=1, parts=2),
    whole("a", [1, 2], asked="q0 q1"), whole("a", [1, 2], round=2),
])
def test_a_shard_of_other_content_has_another_name(other: Part) -> None:
    first, = shards_of([whole("a", [1, 2])])
    second, = shards_of([other])
    assert first.id != second.id


def test_a_shard_is_named_by_its_engine_but_not_by_how_it_is_judged() -> None:
    def name(**values: Any) -> str:
        return shards_of([whole("a", [1, 2])], names=replace(NAMES, **values))[0].id

    assert name() == name(judged="other")
    assert len({name(), name(engine="other"), name(tried="other")}) == 3


def test_of_an_asset_tried_again_only_the_parts_that_failed_are_asked() -> None:
    limits = replace(LIMITS, seconds_per_image=SHARD_SECONDS)
    one = Part(asset("a"), PDF, tuple(chunk(page) for page in (1, 2, 3)), asked="q0", round=2)
    plan = cut_into_parts(one, limits)[0].plan
    again = Again(frozenset({"q0"}), plan, {2: "s2"}, ("s0", "s1", "s2"), 1)
    (part,) = cut_into_parts(one, limits, again)
    assert (part.chunks, part.part, part.parts, part.attempt, part.replaces) == ((chunk(3),), 2, 1, 2, ("s2",))
    assert part.units == 3


def test_an_asset_that_is_cut_otherwise_now_is_tried_again_whole() -> None:
    one = Part(asset("a"), PDF, tuple(chunk(page) for page in (1, 2, 3)), asked="q0", round=2)
    again = Again(frozenset({"q0"}), "another plan", {0: "s0"}, ("s0", "s1"), 3)
    parts = cut_into_parts(one, replace(LIMITS, seconds_per_image=SHARD_SECONDS), again)
    assert [(part.part, part.parts, part.attempt, part.replaces) for part in parts] == [
        (place, 3, 4, ("s0", "s1")) for place in range(3)]


def test_a_shards_name_is_stable_between_processes() -> None:
    """A change here asks every corpus again: raise PLANNER_VERSION with it."""
    assert [shard.id for shard in shards_of([whole("a", [1, 2])])] == ["8aba6b379ff2fcea8d1704caa601095d"]


def test_a_video_that_claims_to_last_for_ages_is_refused_before_it_is_planned() -> None:
    with pytest.raises(UnreadableError, match=r"claims to last 1000000000000 s, over 1,000,000 samples"):
        plan_video(VideoProbe(1e12, 640, 480), job({}), LIMITS)
