"""What a video shows over time: scenes, still, black and damaged stretches, told from samples."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.merging import _scenes
from pipeline.scenes import CUT, Look, Watch, distance, histograms_of, joined, moved
from pipeline.units import Stretch


def painted(luma: int, cb: int = 128, cr: int = 128, moved: int = 0) -> Look:
    """A frame of two shades in a colour, with a lighter square that can be moved."""
    channels = np.zeros((3, 90, 160), np.uint8)
    channels[0], channels[0, :, 80:], channels[1], channels[2] = luma, min(255, luma + 40), cb, cr
    channels[0, 30:46, 20 + moved : 36 + moved] = min(255, luma + 20)
    return look_at(channels)


def look_at(channels: npt.NDArray[np.uint8]) -> Look:
    return Look(channels[0].astype(np.float32), histograms_of(channels))


def plain(luma: int) -> Look:
    """A frame of one grey."""
    channels = np.full((3, 90, 160), 128, np.uint8)
    channels[0] = luma
    return look_at(channels)


MEADOW, SEA, NIGHT, BLACK = painted(120, 100, 90), painted(90, 170, 110), painted(0), plain(5)


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
    assert watched(*(plain(60 + place) for place in range(9)))["still"] == [(0, 6), (6, 12), (12, 18)]


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


def test_what_is_black_before_and_after_a_cut_is_black_twice() -> None:
    """What lasts over a seam ends at the next cut, whether or not the first window could see it."""
    assert watched(plain(0), plain(26), plain(26))["black"] == [(0, 2), (2, 6)]


def test_a_cut_tells_the_two_samples_that_it_lies_between() -> None:
    watch = Watch(2.0)
    for time, look in enumerate((MEADOW, MEADOW, SEA, None, NIGHT)):
        watch.see(2.0 * time, look)
    [cut] = watch.cuts
    assert (cut.before_s, cut.after_s) == (2, 4)
    assert cut.before is MEADOW.histograms
    assert cut.after is SEA.histograms


def test_a_cut_moves_what_begins_and_ends_with_it_but_no_damage_nor_what_is_still_from_then_on() -> None:
    seen = [Stretch("scene", 0, 4), Stretch("still", 0, 4), Stretch("cut", 4, 4), Stretch("scene", 4, 9),
            Stretch("still", 4, 9), Stretch("black", 4, 6), Stretch("damaged", 2, 4)]
    assert moved(seen, {4.0: 3.2}) == [
        Stretch("scene", 0, 3.2), Stretch("still", 0, 3.2), Stretch("cut", 3.2, 3.2), Stretch("scene", 3.2, 9),
        Stretch("still", 4, 9), Stretch("black", 3.2, 6), Stretch("damaged", 2, 4)]
    assert moved(seen, {}) == seen


@pytest.mark.parametrize("look", [MEADOW, SEA, NIGHT, BLACK])
def test_a_frame_is_at_no_distance_from_itself_and_a_small_one_from_a_lighter_one(look: Look) -> None:
    assert distance(look.histograms, look.histograms) < 1e-6
    lighter, darker = (look_at(np.stack([(look.luma + more).astype(np.uint8)] * 3)) for more in (4, 0))
    assert distance(lighter.histograms, darker.histograms) < CUT


def merged(looks: list[Look | None], seams: list[int], step: float, late: float) -> list[tuple[str, float, float]]:
    """What the tables say of samples that were seen in windows with these seams, each from the sample before it on.

    Every cut is found at that share of the way from the sample before it to the one after it.
    """
    parts: list[dict[str, Any]] = []
    for first, end in pairwise([0, *seams, len(looks)]):
        watch = Watch(step)
        for place in range(max(0, first - 1), end):
            watch.see(place * step, looks[place])
        exact = {cut.after_s: cut.before_s + late * step for cut in watch.cuts}
        parts.append({"stretches": [asdict(each) for each in joined(moved(
            watch.stretches(first * step, end * step), exact))]})
    return [(row["kind"], round(row["start_s"], 6), round(row["end_s"], 6)) for row in _scenes(parts, {})]


@given(st.lists(st.sampled_from([MEADOW, painted(120, 100, 90, moved=30), SEA, NIGHT, BLACK, None]), min_size=1,
                max_size=40), st.sampled_from([0.04, 1 / 3, 1.0, 2.5, 10.0]), st.sampled_from([0.1, 0.6, 1.0]),
       st.data())
def test_seams_change_nothing(looks: list[Look | None], step: float, late: float, data: st.DataObject) -> None:
    seams = sorted(data.draw(st.sets(st.integers(1, max(1, len(looks) - 1)), max_size=6))) if len(looks) > 1 else []
    assert merged(looks, seams, step, late) == merged(looks, [], step, late)
