"""Cuts between two samples: found to the frame wherever the index leads there, else left at the sample."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import numpy.typing as npt
import pytest

from pipeline import frames
from pipeline.cuts import locate
from pipeline.scenes import joined, moved
from pipeline.units import Cut

av: Any = bad_inputs.av
COLOURS = ((30, 40, 150), (150, 140, 20), (20, 90, 30), (200, 200, 210))
FPS, SIZE = 10, (160, 120)
CUTS = (37, 150, 264)
"""The frames with which scenes begin; one is a keyframe where there is one every second."""


def painted(scene: int, place: int) -> npt.NDArray[np.uint8]:
    """A frame of a scene, in which a bar moves."""
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    picture[:] = COLOURS[scene]
    picture[20:100, 10 + 7 * (place % 16) : 25 + 7 * (place % 16)] = 110
    return picture


def film(path: Path, cuts: Sequence[int] = CUTS, count: int = 310, keyframe_every: int = 10,
         times_ms: Sequence[int] | None = None, **more: Any) -> None:
    """Frames numbered from 0, of scenes that begin with some of them."""
    times = times_ms or [place * 1000 // FPS for place in range(count)]
    place_of = {time: place for place, time in enumerate(times)}

    def draw(seconds: float) -> npt.NDArray[np.uint8]:
        place = place_of[round(seconds * 1000)]
        return painted(sum(place >= cut for cut in cuts) % len(COLOURS), place)

    bad_inputs._encode(path, times, Fraction(1, 1000), FPS, SIZE, keyframe_every, draw=draw, **more)


def cuts_of(path: Path, step: float, seconds: float = 31) -> tuple[Cut, ...]:
    return frames.grab(str(path), 0, step, int(seconds / step) + (seconds % step > 0), None)[0].cuts


def begins(path: Path, step: float, seconds: float = 31) -> list[float]:
    """When all scenes but the first begin."""
    (found, _), images = locate(str(path), cuts_of(path, step, seconds))
    assert images == []
    return [round(time, 3) for time in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("films")
    film(made / "b_frames.mp4")
    film(made / "no_b_frames.mp4", b_frames=0)
    film(made / "few_keyframes.mp4", keyframe_every=250)
    film(made / "plain.mkv", keyframe_every=25)
    film(made / "open_groups.mp4", codec="libx265")
    film(made / "vp8.webm", keyframe_every=40)
    film(made / "plain.ts", keyframe_every=20)
    return made


@pytest.mark.parametrize("step", [1, 10])
@pytest.mark.parametrize("name", ["b_frames.mp4", "no_b_frames.mp4", "few_keyframes.mp4", "plain.mkv",
                                  "open_groups.mp4", "vp8.webm"])
def test_a_scene_begins_with_its_first_frame(folder: Path, name: str, step: float) -> None:
    assert begins(folder / name, step) == [3.7, 15.0, 26.4]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_of_a_variable_rate_the_times_are_the_frames_own(tmp_path: Path, suffix: str) -> None:
    gaps = [(13, 40, 333, 71, 200, 5, 118)[place % 7] for place in range(280)]
    times = [sum(gaps[:place]) for place in range(280)]
    film(tmp_path / f"film{suffix}", [60, 121, 222], times_ms=times, keyframe_every=40)
    expected = [times[60] / 1000, times[121] / 1000, times[222] / 1000]
    assert [begins(tmp_path / f"film{suffix}", step) for step in (1, 10)] == [expected, expected]


def test_the_scene_before_ends_there_and_what_is_still_too(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", [37], 80)
    times, _ = frames.grab(str(tmp_path / "film.mp4"), 0, 1, 8, None)
    (found, _), _ = locate(str(tmp_path / "film.mp4"), times.cuts)
    seen = joined(moved(times.stretches, {4.0: found[0]}))
    assert [(each.kind, each.start_s, each.end_s) for each in seen] == [
        ("cut", 3.7, 3.7), ("scene", 0, 3.7), ("scene", 3.7, 8)]


def test_of_two_cuts_between_two_samples_one_is_told(tmp_path: Path) -> None:
    """That with which the picture comes nearer to the later sample: green is nearer to a yellow than to a blue. The
    scene that no sample shows is none.
    """
    film(tmp_path / "film.mp4", [37, 62], 201)
    assert begins(tmp_path / "film.mp4", 10, 20) == [3.7]
    assert begins(tmp_path / "film.mp4", 1, 20) == [3.7, 6.2]


def test_a_cut_to_the_scene_before_the_last_and_back_is_none(tmp_path: Path) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 20, FPS, SIZE, draw=lambda at: painted(int(3 <= at < 6), 0))
    assert begins(tmp_path / "film.mp4", 10, 20) == []


@pytest.mark.parametrize("keyframe_every", [10, 250])
def test_a_fade_begins_another_scene_with_the_sample_that_shows_it(tmp_path: Path, keyframe_every: int) -> None:
    def fading(at: float) -> npt.NDArray[np.uint8]:
        share = min(1.0, max(0.0, (at - 12) / 4))
        return np.round(painted(0, 0) * (1 - share) + painted(3, 0) * share).astype(np.uint8)

    bad_inputs.video(tmp_path / "fade.mp4", 30, FPS, SIZE, keyframe_every, draw=fading)
    assert begins(tmp_path / "fade.mp4", 10, 30) == [20]


def test_a_video_without_an_index_keeps_the_times_of_its_samples(folder: Path) -> None:
    assert begins(folder / "plain.ts", 1) == [4, 15, 27]


def test_amid_damage_the_sample_stands(tmp_path: Path) -> None:
    """Noise over the group of pictures in which the first cut lies."""
    path = tmp_path / "film.mp4"
    film(path)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size and 3 <= packet.pts * packet.time_base < 4:
                data[packet.pos : packet.pos + packet.size] = b"\x55" * packet.size
    path.write_bytes(data)
    assert begins(path, 10) == [10, 15.0, 26.4]


def test_what_is_not_found_in_time_stands(folder: Path) -> None:
    found = cuts_of(folder / "b_frames.mp4", 10)
    assert locate(str(folder / "b_frames.mp4"), found, 0.0)[0] == ((10, 20, 30), 0)


def test_a_cut_takes_a_few_keyframes_and_part_of_a_group_of_pictures(folder: Path) -> None:
    """Of nine keyframes between two samples three or four are looked at, then frames up to the cut."""
    for cut, frame in zip(cuts_of(folder / "no_b_frames.mp4", 10), CUTS, strict=True):
        (_, decoded), _ = locate(str(folder / "no_b_frames.mp4"), [cut])
        assert decoded <= 4 + (frame % 10 or 10) + 2


def test_many_cuts_in_one_group_of_pictures_are_found_in_one_pass(tmp_path: Path) -> None:
    every = list(range(7, 120, 10))
    film(tmp_path / "film.mp4", every, 120, keyframe_every=250)
    found = cuts_of(tmp_path / "film.mp4", 1, 12)
    (times, decoded), _ = locate(str(tmp_path / "film.mp4"), found)
    assert [round(time, 3) for time in times] == [place / FPS for place in every[:-1]]
    assert decoded <= 120
