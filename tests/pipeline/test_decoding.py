"""Frames for times: the same ones whichever way they are decoded, and few others with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoding import Tally, frames_at
from pipeline.videos import Keyframes, open_indexed

av: Any = bad_inputs.av
FRAMES, RATE = 240, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    for name, group in (("short.mp4", 12), ("long.mp4", 96), ("intra.mp4", 1), ("short.mkv", 12)):
        write(made / name, group)
    return made


def write(path: Path, group: int, codec: str = "libx264", **more: str) -> None:
    """A video with B-frames and keyframes as far apart as is said."""
    options = {"g": str(group), "bf": "3", "sc_threshold": "0", "threads": "1", "preset": "veryfast", **more}
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([index % 256]) * plane.buffer_size)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def numbers(path: Path, times: list[float], indexed: bool = True) -> tuple[list[int | None], Tally, str | None]:
    """The numbers of the frames that are shown at some times, what it took, and why the index was not used."""
    tally = Tally()
    with open_indexed(str(path)) as video:
        if not indexed:
            video.no_index = "as the test wants it"
        found = [None if frame is None else round(video.seconds(frame.pts) * RATE)
                 for _, frame in frames_at(video, times, tally)]
    return found, tally, video.no_index


@pytest.mark.parametrize("name", ["short.mp4", "long.mp4", "intra.mp4", "short.mkv"])
@given(times=st.lists(st.builds(lambda frame, within: (frame + within) / RATE, st.integers(0, 260),
                                st.floats(0.05, 0.95)), min_size=1, max_size=8).map(sorted))  # Matroska rounds to 1 ms
def test_any_times_show_the_same_frames_by_index_as_in_sequence(folder: Path, name: str, times: list[float]) -> None:
    found, _, reason = numbers(folder / name, times)
    assert reason is None
    expected: list[int | None] = [int(time * RATE) if time < FRAMES / RATE else None for time in times]
    assert found == expected
    assert numbers(folder / name, times, indexed=False)[0] == expected


def test_samples_on_keyframes_decode_nothing_else(folder: Path) -> None:
    _, tally, _ = numbers(folder / "short.mp4", [0.5 * place for place in range(20)])
    assert (tally.decoded, tally.groups) == (20, 20)


def test_samples_between_keyframes_decode_no_frame_after_them_and_few_before(folder: Path) -> None:
    _, tally, _ = numbers(folder / "long.mp4", [2.0, 6.0])
    assert tally.groups == 2
    assert tally.decoded < 2 * 48


def test_frames_that_no_other_depends_on_are_not_decoded(folder: Path) -> None:
    _, tally, _ = numbers(folder / "long.mp4", [9.99])
    assert tally.decoded <= FRAMES % 96 / 2 + 2


def test_open_groups_show_their_leading_frames(tmp_path: Path) -> None:
    write(tmp_path / "open.mp4", 12, **{"x264-params": "open-gop=1"})
    times = [place / RATE for place in range(FRAMES)]
    assert numbers(tmp_path / "open.mp4", times)[0] == list(range(FRAMES))
    assert [numbers(tmp_path / "open.mp4", [time])[0] for time in times[100:140]] == [
        [number] for number in range(100, 140)]


def test_an_index_that_takes_every_packet_for_a_keyframe_costs_time_alone(folder: Path) -> None:
    tally = Tally()
    with open_indexed(str(folder / "long.mp4")) as video:
        video.keyframes = Keyframes()
        for entry in video.stream.index_entries:
            video.keyframes.add(entry)
        found = [frame and round(video.seconds(frame.pts) * RATE) for _, frame in frames_at(video, [1, 5, 9.9], tally)]
    assert found == [24, 120, 237]


@pytest.mark.parametrize(("late", "expected"), [(0.25, [0, 0, 0, 1]), (1.0, [None, None, None, None])])
@pytest.mark.parametrize("indexed", [True, False])
def test_what_a_presentation_begins_with_may_come_a_little_late(folder: Path, indexed: bool, late: float,
                                                                expected: list[int | None]) -> None:
    """Its clock starts before the first frame."""
    with open_indexed(str(folder / "short.mp4")) as video:
        seconds = video.seconds
        video.seconds = lambda ticks: seconds(ticks) + late  # type: ignore[method-assign]
        video.no_index = None if indexed else "as the test wants it"
        found = [None if frame is None else round(float(frame.pts * video.stream.time_base) * RATE)
                 for _, frame in frames_at(video, [0, 0.1, 0.2, 0.3], Tally())]
    assert found == expected


def test_frames_of_a_decoder_that_heeds_what_to_skip_only_as_it_opens_are_right(tmp_path: Path) -> None:
    write(tmp_path / "new.mp4", 60, codec="libsvtav1", preset="12")
    times = [1.0 + place for place in range(8)]
    assert numbers(tmp_path / "new.mp4", times)[0] == [round(time * RATE) for time in times]


def test_lost_packets_lose_no_other_frame(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "lost.mp4"
    with av.open(str(folder / "long.mp4")) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for place, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None and place % 17 != 5:
                packet.stream = stream
                out.mux(packet)
    times = [place / RATE for place in range(FRAMES)]
    assert numbers(path, times)[0] == numbers(path, times, indexed=False)[0]
