"""What a video shows over time: scenes, still, black and damaged stretches, told from samples."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.merging import _scenes
from pipeline.scenes import CUT, Look, Watch, distance, look_at
from pipeline.units import Stretch


def painted(luma: int, cb: int = 128, cr: int = 128, moved: int = 0) -> Look:
    """A frame of two shades in a colour, with a lighter square that can be moved."""
    channels = np.zeros((3, 90, 160), np.uint8)
    channels[0], channels[0, :, 80:], channels[1], channels[2] = luma, min(255, luma + 40), cb, cr
    channels[0, 30:46, 20 + moved : 36 + moved] = min(255, luma + 20)
    return look_at(channels[0], channels)


MEADOW, SEA, NIGHT = painted(120, 100, 90), painted(90, 170, 110), painted(0)
BLACK = look_at(np.full((90, 160), 5, np.uint8), np.full((3, 90, 160), 128, np.uint8))


def watched(*looks: Look | None, step: float = 2.0, first: float = 0.0, after: float | None = None) -> dict[str, Any]:
    """By kind the stretches of samples from `first` on, and the places at which scenes begin."""
    watch = Watch(step)
    cuts = [place for place, look in enumerate(looks) if watch.see(first + place * step, look)]
    found = watch.stretches(first if after is None else after, first + step * len(looks))
    kinds = {kind: [(each.start_s, each.end_s) for each in found if each.kind == kind]
             for kind in ("scene", "still", "black", "damaged")}
    return {**{kind: spans for kind, spans in kinds.items() if spans}, "cuts": cuts}


def moving(look: tuple[int, ...], count: int) -> list[Look]:
    return [painted(*look, moved=4 * place) for place in range(count)]


def test_a_scene_ends_where_another_begins() -> None:
    found = watched(*moving((120, 100, 90), 3), *moving((90, 170, 110), 2))
    assert found == {"scene": [(0, 6), (6, 10)], "cuts": [3]}


def test_what_moves_within_a_scene_is_no_cut() -> None:
    assert watched(*moving((120, 100, 90), 20)) == {"scene": [(0, 40)], "cuts": []}


def test_a_stretch_is_still_where_two_samples_or_more_look_alike() -> None:
    assert watched(MEADOW, *[SEA] * 3, painted(90, 170, 110, moved=30)) == {
        "scene": [(0, 2), (2, 10)], "still": [(2, 8)], "cuts": [1]}


def test_what_creeps_is_not_still_for_ever() -> None:
    """Each sample is within the limit of the one before, and not of the first."""
    creeping = [look_at(np.full((90, 160), 60 + place, np.uint8), np.full((3, 90, 160), 128, np.uint8))
                for place in range(9)]
    assert watched(*creeping)["still"] == [(0, 6), (6, 12), (12, 18)]


def test_black_is_black_and_not_still() -> None:
    found = watched(MEADOW, BLACK, BLACK, BLACK, MEADOW)
    assert (found["black"], "still" in found) == ([(2, 8)], False)


def test_a_dark_picture_is_not_black() -> None:
    assert "black" not in watched(painted(10), painted(10))


def test_damage_ends_a_scene() -> None:
    """What is shown after it may be another, and a window that begins amid the damage could not know."""
    assert watched(MEADOW, None, None, MEADOW, SEA) == {
        "scene": [(0, 2), (6, 8), (8, 10)], "damaged": [(2, 6)], "cuts": [4]}


def test_a_scene_of_equal_luma_is_another_and_not_still() -> None:
    green, red = painted(100, 100, 100), painted(100, 100, 200)
    assert watched(green, green, red, red) == {
        "scene": [(0, 4), (4, 8)], "still": [(0, 4), (4, 8)], "cuts": [2]}


def test_what_goes_on_over_a_seam_begins_with_the_sample_before_it() -> None:
    assert watched(MEADOW, MEADOW, MEADOW, first=8.0, after=10.0) == {
        "scene": [(8, 14)], "still": [(8, 14)], "cuts": []}


def test_what_ends_at_a_seam_is_the_window_before_its_own() -> None:
    assert watched(BLACK, MEADOW, None, first=8.0, after=10.0) == {
        "scene": [(10, 12)], "damaged": [(12, 14)], "cuts": [1]}


def test_stretches_are_cut_off_where_a_window_ends() -> None:
    watch = Watch(1.0)
    for second, look in enumerate((MEADOW, MEADOW, SEA, SEA)):
        watch.see(float(second), look)
    assert watch.stretches(0.0, 2.0) == (Stretch("scene", 0.0, 2.0), Stretch("still", 0.0, 2.0))


@pytest.mark.parametrize("look", [MEADOW, SEA, NIGHT, BLACK])
def test_a_frame_is_at_no_distance_from_itself_and_a_small_one_from_a_lighter_one(look: Look) -> None:
    assert distance(look, look) == 0.0
    lighter = look_at((look.luma + 4).astype(np.uint8), np.stack([(look.luma + 4).astype(np.uint8)] * 3))
    darker = look_at(look.luma.astype(np.uint8), np.stack([look.luma.astype(np.uint8)] * 3))
    assert distance(lighter, darker) < CUT


def merged(looks: list[Look | None], seams: list[int], step: float) -> list[tuple[str, float, float]]:
    """What the tables say of samples that were seen in windows with these seams, each from the sample before it on."""
    parts: list[dict[str, Any]] = []
    for first, end in pairwise([0, *seams, len(looks)]):
        watch = Watch(step)
        for place in range(max(0, first - 1), end):
            watch.see(place * step, looks[place])
        parts.append({"stretches": [{**asdict(each), "picture": None}
                                    for each in watch.stretches(first * step, end * step)]})
    return [(row["kind"], round(row["start_s"], 6), round(row["end_s"], 6)) for row in _scenes(parts, {})]


@given(st.lists(st.sampled_from([MEADOW, painted(120, 100, 90, moved=30), SEA, NIGHT, BLACK, None]), min_size=1,
                max_size=40), st.sampled_from([0.04, 1 / 3, 1.0, 2.5]), st.data())
def test_seams_change_nothing(looks: list[Look | None], step: float, data: st.DataObject) -> None:
    seams = sorted(data.draw(st.sets(st.integers(1, max(1, len(looks) - 1)), max_size=6))) if len(looks) > 1 else []
    assert merged(looks, seams, step) == merged(looks, [], step)
