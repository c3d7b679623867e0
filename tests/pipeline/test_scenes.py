"""What a video shows over time: scenes, still, black and damaged stretches, told from samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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


def test_a_scene_goes_on_over_damage() -> None:
    assert watched(MEADOW, None, None, MEADOW, SEA) == {
        "scene": [(0, 8), (8, 10)], "damaged": [(2, 6)], "cuts": [4]}


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
