"""Video frames: the frame for a time is the one shown then, in every container; what is not shown is unseen."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import numpy.typing as npt
import pytest
from numbered_frames import bars, number
from PIL import Image, ImageDraw, ImageFont

from model_actors.engine import Pixels
from pipeline import frames
from pipeline.units import FrameTimes, Stretch, UnreadableError

av: Any = bad_inputs.av
SIZE = (384, 288)
ODD_TIMES_MS = (0, 40, 80, 200, 240, 1000, 1010, 1500, 4000, 4040, 7300, 7333, 7700)


def drawn_at(fps: float) -> Callable[[float], npt.NDArray[np.uint8]]:
    return lambda seconds: bars(round(seconds * fps))


def encode(path: Any, codec: str, count: int, rate: int = 25, first: int = 0, **more: Any) -> None:
    """Numbered frames with B-frames wherever the codec knows them, also where bad_inputs makes none."""
    known = {"g": "20", "bf": "2", "threads": "1", "x265-params": "log-level=none", "deadline": "realtime"}
    with av.open(path if isinstance(path, io.IOBase) else str(path), "w", **more) as out:
        stream = out.add_stream(codec, rate=rate, options=known)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(bars(index), format="rgb24")
            frame.pts, frame.time_base = first + index, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def grab(path: Path, first: float, step: float, count: int) -> tuple[FrameTimes, list[Pixels]]:
    times, images = frames.grab(str(path), first, step, count, SIZE)
    assert all(image.shape == (SIZE[1], SIZE[0], 3) and image.dtype == np.uint8 for image in images)
    assert len(times.kept) == len(times.shown_until) == len(times.differences) == len(images)
    return times, images


def shown(path: Path, first: float, step: float, count: int) -> list[int]:
    """The number of the frame that each sample saw; every one of them must have been seen."""
    times, images = grab(path, first, step, count)
    assert (times.unseen, times.damaged) == ((), 0)
    asked = [first + place * step for place in range(count)]
    return [number(images[bisect_right(times.kept, at) - 1]) for at in asked]


def test_the_bars_say_their_number() -> None:
    assert [number(bars(index)) for index in range(200)] == list(range(200))


FILES: dict[str, Callable[[Path], None]] = {
    "b_frames.mp4": lambda path: bad_inputs.video(path, 8, draw=drawn_at(25)),
    "b_frames.mov": lambda path: bad_inputs.video(path, 8, draw=drawn_at(25), keyframe_every=250),
    "b_frames.mkv": lambda path: bad_inputs.video(path, 8, draw=drawn_at(25)),
    "vp8.webm": lambda path: bad_inputs.video(path, 8, draw=drawn_at(25)),
    "vp9.webm": lambda path: encode(path, "libvpx-vp9", 200),
    "plain.avi": lambda path: bad_inputs.video(path, 8, draw=drawn_at(25)),
    "b_frames_mpeg4.avi": lambda path: encode(path, "mpeg4", 200),
    "b_frames_h264.avi": lambda path: encode(path, "libx264", 200),
    "plain.ts": lambda path: bad_inputs.video(path, 8, draw=drawn_at(25)),
    "b_frames.ts": lambda path: encode(path, "libx264", 200),
    "mpeg2.ts": lambda path: encode(path, "mpeg2video", 200),
    "hevc.mp4": lambda path: encode(path, "libx265", 200),
    "late.ts": lambda path: encode(path, "libx264", 200, first=12_345),
    "late.mkv": lambda path: encode(path, "libx264", 200, first=250),
    "late.mp4": lambda path: encode(path, "libx264", 200, first=250),
    "fragments.mp4": lambda path: encode(path, "libx264", 200, options={"movflags": "frag_keyframe+empty_moov"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    for name, make in FILES.items():
        make(made / name)
    return made


@pytest.mark.parametrize("name", FILES)
def test_the_frame_for_a_time_is_the_one_shown_then_whatever_the_window(folder: Path, name: str) -> None:
    assert frames.probe(str(folder / name))[0].duration == pytest.approx(8, abs=0.05)
    for first, step, count in ((0, 1, 8), (0, 0.04, 200), (1.02, 0.5, 13), (3, 1, 5), (3.96, 0.04, 3), (7.9, 0.5, 1)):
        expected = [int((first + place * step) * 25 + 1e-6) for place in range(count)]
        assert shown(folder / name, first, step, count) == expected


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_uneven_times_are_the_containers_own(tmp_path: Path, suffix: str, b_frames: int) -> None:
    path = tmp_path / f"uneven{suffix}"
    bad_inputs._encode(path, ODD_TIMES_MS, Fraction(1, 1000), b_frames=b_frames, keyframe_every=5,
                       draw=lambda seconds: bars(ODD_TIMES_MS.index(round(seconds * 1000))))
    assert frames.probe(str(path))[0].duration >= 7.7
    for first, step, count in ((0, 0.1, 78), (0, 1, 8), (1.6, 0.3, 10), (4.02, 0.01, 4), (7.7, 1, 1)):
        asked = [round((first + place * step) * 1000) for place in range(count)]
        assert shown(path, first, step, count) == [bisect_right(ODD_TIMES_MS, at) - 1 for at in asked]


def test_a_long_stretch_without_keyframes_is_decoded_from_before_it(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    bad_inputs.video(path, 120, fps=2, keyframe_every=1000, draw=drawn_at(2))
    assert shown(path, 100, 0.5, 4) == [200, 201, 202, 203]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path: Path, degrees: int) -> None:
    path = tmp_path / "turned.mp4"
    upright = np.full((320, 240, 3) if degrees % 180 else (240, 320, 3), 255, np.uint8)
    upright[:80, :60] = (255, 0, 0)
    stored = np.ascontiguousarray(np.rot90(upright, degrees // 90))
    bad_inputs.video(path, 1, draw=lambda _: stored)
    one = 1 << 16
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    turn = {90: (0, one, 0, -one, 0, 0, 240 * one, 0), 180: (-one, 0, 0, 0, -one, 0, 320 * one, 240 * one),
            270: (0, -one, 0, one, 0, 0, 0, 320 * one)}[degrees]  # fmt: skip
    path.write_bytes(struct.pack(">9i", *turn, 1 << 30).join(path.read_bytes().rsplit(plain, 1)))
    probe = frames.probe(str(path))[0]
    assert (probe.width, probe.height) == upright.shape[1::-1]
    _, [image] = frames.grab(str(path), 0, 1, 1, (240, 320) if degrees % 180 else (320, 240))
    red = (image[:, :, 0] > 180) & (image[:, :, 1] < 80)
    assert red[10:70, 10:50].all()
    assert not red[90:].any()
    assert not red[:, 70:].any()


def still(lines: Sequence[str], luma: int = 255) -> npt.NDArray[np.uint8]:
    picture = Image.new("L", (320, 240), luma)
    for row, line in enumerate(lines):
        ImageDraw.Draw(picture).text((20, 20 + 30 * row), line, 0, ImageFont.load_default(18))
    return np.asarray(picture.convert("RGB"))


def test_what_looks_like_the_last_kept_frame_is_not_kept_again(tmp_path: Path) -> None:
    slides = [still(["First", "slide"]), still(["Another", "one"]), still(["First", "slide"])]
    bad_inputs.video(tmp_path / "slides.mp4", 9, fps=10, draw=lambda seconds: slides[int(seconds // 3)])
    times, _ = grab(tmp_path / "slides.mp4", 0, 0.5, 18)
    assert (times.kept, times.shown_until, times.unseen, times.damaged) == ((0, 3, 6), (3, 6, 9), (), 0)


def test_one_changed_word_of_a_subtitle_is_kept(tmp_path: Path) -> None:
    words = ["We leave at noon today", "We leave at dusk today", "We leave at dusk today", "We leave at dawn today"]
    pictures = [still(["", "", "", "", "", "", word]) for word in words]
    bad_inputs.video(tmp_path / "film.mp4", 4, fps=10, draw=lambda seconds: pictures[int(seconds)])
    times, _ = grab(tmp_path / "film.mp4", 0, 1, 4)
    assert (times.kept, times.shown_until) == ((0, 1, 3), (1, 3, 4))


def test_a_slow_fade_is_told_from_the_last_kept_frame_and_not_from_the_last_seen_one(tmp_path: Path) -> None:
    bad_inputs.video(tmp_path / "fade.mp4", 10, fps=5, draw=lambda seconds: still([], 60 + int(seconds) * 8))
    times, _ = grab(tmp_path / "fade.mp4", 0, 1, 10)
    assert times.kept == (0, 2, 4, 6, 8)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_a_cut_video_is_seen_up_to_its_cut(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.mp4"
    bad_inputs._encode(path, range(200), Fraction(1, 25), draw=drawn_at(25), movflags="faststart")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert frames.probe(str(path))[0].duration == pytest.approx(8, abs=0.05)
    times, images = grab(path, 0, 0.2, 40)
    assert all(number(image) == round(at * 25) for at, image in zip(times.kept, images, strict=True))
    assert [round(at / 0.2) for at in times.unseen] == list(range(40 - len(times.unseen), 40))
    assert 0.4 * 40 < len(times.unseen) + share * 40 < 1.2 * 40
    late, images = grab(path, 7, 0.2, 5)
    assert (late.kept, len(late.unseen), images) == ((), 5, [])


def test_amid_damage_nothing_is_shown_and_nothing_false(tmp_path: Path) -> None:
    """Noise over a keyframe and what follows: unseen until the next keyframe, however the window lies."""
    path = tmp_path / "damaged.mp4"
    bad_inputs._encode(path, range(200), Fraction(1, 25), draw=drawn_at(25))
    with av.open(str(path)) as container:
        packets = [(packet.pts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for pts, at, size in packets:
        if 4 <= pts / 12800 < 4.2:
            data[at : at + size] = b"\x55" * size
    path.write_bytes(data)
    times, images = grab(path, 0, 0.2, 40)
    assert all(number(image) == round(at * 25) for at, image in zip(times.kept, images, strict=True))
    assert [round(at / 0.2) for at in times.unseen] == [20, 21, 22, 23, 24]
    assert times.damaged > 0
    amid, images = grab(path, 4.4, 0.2, 4)
    assert [round(at, 6) for at in amid.unseen] == [4.4, 4.6, 4.8]
    assert [number(image) for image in images] == [125]


def test_a_claim_without_frames_is_unseen(tmp_path: Path) -> None:
    """A header that claims ten times the duration."""
    path = tmp_path / "claims.mp4"
    bad_inputs.video(path, 2, draw=drawn_at(25))
    data = path.read_bytes()
    at = data.index(b"mdhd") + 4 + 12
    [scale, duration] = struct.unpack(">II", data[at : at + 8])
    assert duration == 2 * scale
    path.write_bytes(data[: at + 4] + struct.pack(">I", 10 * duration) + data[at + 8 :])
    probe = frames.probe(str(path))[0]
    times, _ = grab(path, 0, 1, round(probe.duration))
    assert (times.kept, times.unseen) == ((0, 1), tuple(range(2, round(probe.duration))))


def test_a_live_recording_without_duration_or_index_is_measured(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.body = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.body += bytes(data)
            return len(data)

    pipe = Pipe()
    encode(pipe, "libx264", 100, format="matroska")
    (tmp_path / "live.mkv").write_bytes(pipe.body)
    assert frames.probe(str(tmp_path / "live.mkv"))[0].duration == pytest.approx(4, abs=0.05)
    assert shown(tmp_path / "live.mkv", 3, 0.5, 2) == [75, 87]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_that_outlasts_the_pictures_claims_no_pictures(tmp_path: Path, suffix: str) -> None:
    with av.open(str(tmp_path / f"film{suffix}"), "w") as out:
        pictures, sound = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=44_100)
        pictures.width, pictures.height, pictures.pix_fmt = 320, 240, "yuv420p"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(bars(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 44_100 * 5), np.float32), format="flt", layout="mono")
        tone.sample_rate, tone.pts = 44_100, 0
        out.mux([*sound.encode(tone), *sound.encode(None)])
    assert frames.probe(str(tmp_path / f"film{suffix}"))[0].duration == pytest.approx(2, abs=0.06)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        cover, sound = out.add_stream("mjpeg", rate=1), out.add_stream("aac", rate=44_100)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(bars(1), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        out.mux(cover.encode(frame.reformat(format="yuvj420p")))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.float32), format="flt", layout="mono")
        tone.sample_rate, tone.pts = 44_100, 0
        out.mux([*sound.encode(tone), *sound.encode(None)])
    with pytest.raises(UnreadableError, match="no_video"):
        frames.probe(str(path))


@pytest.mark.parametrize(("case", "category"), [(bad_inputs.audio_only_mp4, "no_video"),
                                                (bad_inputs.no_index_mp4, "damaged")])  # fmt: skip
def test_what_is_no_video_is_refused(tmp_path: Path, case: Callable[[Path], None], category: str) -> None:
    case(tmp_path / "film.mp4")
    with pytest.raises(UnreadableError) as caught:
        frames.probe(str(tmp_path / "film.mp4"))
    assert caught.value.category == category


def test_a_call_that_took_its_time_ends_after_a_sample_and_says_so(tmp_path: Path) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 8, draw=drawn_at(25))
    times, images = frames.grab(str(tmp_path / "film.mp4"), 0, 1, 8, SIZE, seconds=0)
    assert (times.asked, times.kept, len(images)) == (1, (0,), 1)
    shown, images = frames.draw(str(tmp_path / "film.mp4"), [1, 4, 6], SIZE, seconds=0)
    assert (shown, list(map(number, images))) == ((True,), [25])


def test_a_call_that_goes_on_says_how_much_its_first_frame_differs(tmp_path: Path) -> None:
    lumas = [250, 250, 230, 230]
    bad_inputs.video(tmp_path / "film.mp4", 4, fps=5, draw=lambda seconds: still([], lumas[int(seconds)]))
    told = {first: frames.grab(str(tmp_path / "film.mp4"), first, 1, 2, SIZE, goes_on=True)[0] for first in (1, 2)}
    assert (told[1].kept, told[2].kept) == ((1, 2), (2,))
    assert told[1].differences == pytest.approx((0, frames.WHITE + 20), abs=1)  # it is a scene
    assert told[2].differences == pytest.approx((frames.WHITE + 20,), abs=1)


def test_frames_are_looked_at_without_being_drawn_and_drawn_at_any_times(tmp_path: Path) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 8, draw=drawn_at(25))
    times, images = frames.grab(str(tmp_path / "film.mp4"), 0, 1, 8, None)
    assert (times.kept, images) == (tuple(range(8)), [])
    shown, images = frames.draw(str(tmp_path / "film.mp4"), [0.5, 7, 7.99, 9], SIZE)
    assert (shown, list(map(number, images))) == ((True, True, True, False), [12, 175, 199])


def paints(path: Path, *colours: str, each: float = 4.0) -> None:
    """A scene of each colour, in which a bar moves every second."""
    def draw(at: float) -> npt.NDArray[np.uint8]:
        picture = Image.new("RGB", (320, 240), colours[int(at // each)])
        ImageDraw.Draw(picture).rectangle((20 + 30 * (int(at) % 8), 40, 60 + 30 * (int(at) % 8), 200), "gray")
        return np.asarray(picture)

    bad_inputs.video(path, round(each * len(colours)), fps=5, draw=draw)


def test_scenes_are_told_with_the_sample_at_which_each_begins(tmp_path: Path) -> None:
    paints(tmp_path / "film.mp4", "navy", "olive", "black")
    times, _ = grab(tmp_path / "film.mp4", 0, 1, 12)
    assert times.stretches == (Stretch("scene", 0, 4), Stretch("cut", 4, 4), Stretch("scene", 4, 8),
                               Stretch("cut", 8, 8), Stretch("scene", 8, 12))
    assert [(cut.before_s, cut.after_s) for cut in times.cuts] == [(3, 4), (7, 8)]
    times, _ = grab(tmp_path / "film.mp4", 3, 1, 4)
    assert times.stretches == (Stretch("scene", 2, 4), Stretch("cut", 4, 4), Stretch("scene", 4, 7))
    times, _ = grab(tmp_path / "film.mp4", 4, 1, 4)
    assert times.stretches == (Stretch("cut", 4, 4), Stretch("scene", 4, 8))


def test_a_window_ends_where_another_scene_begins_if_that_is_near_its_end(tmp_path: Path) -> None:
    paints(tmp_path / "film.mp4", "navy", "olive", "maroon")
    for count, dealt in ((5, 4), (6, 6), (10, 8), (12, 12), (4, 4)):
        times, images = frames.grab(str(tmp_path / "film.mp4"), 0, 1, count, SIZE, may_end=True)
        assert (times.asked, times.ends) == (dealt, dealt < count)
        assert times.kept == tuple(range(dealt))
        assert (times.shown_until[-1], len(images), times.stretches[-1].end_s) == (dealt, dealt, dealt)
        assert [cut.after_s for cut in times.cuts] == [at for at in (4, 8) if at < dealt]


def test_the_frame_before_a_window_leads_it(tmp_path: Path) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 8, draw=drawn_at(25))
    times, images = frames.grab(str(tmp_path / "film.mp4"), 3, 1, 2, SIZE, lead=True)
    assert (times.kept, times.shown_until, times.asked) == ((2, 3, 4), (3, 4, 5), 2)
    assert list(map(number, images)) == [50, 75, 100]
    assert frames.grab(str(tmp_path / "film.mp4"), 0, 1, 2, SIZE, lead=True)[0].kept == (0, 1)


def test_a_frame_that_looks_like_the_one_that_leads_is_kept_all_the_same(tmp_path: Path) -> None:
    bad_inputs.video(tmp_path / "film.mp4", 6, fps=5, draw=lambda _: still(["Same"], 200))
    times, _ = frames.grab(str(tmp_path / "film.mp4"), 2, 1, 3, SIZE, lead=True)
    assert (times.kept, times.shown_until) == ((1, 2), (2, 5))


def test_a_scene_of_equal_luma_is_kept(tmp_path: Path) -> None:
    """Pure colours whose grey is the same."""
    colours = [(200, 60, 60), (60, 116, 135)]
    bad_inputs.video(tmp_path / "film.mp4", 6, fps=5,
                     draw=lambda at: np.full((240, 320, 3), colours[int(at // 3)], np.uint8))
    times, _ = grab(tmp_path / "film.mp4", 0, 1, 6)
    assert times.kept == (0, 3)
    assert set(times.stretches) == {Stretch("cut", 3, 3)} | {
        Stretch(kind, start, start + 3) for kind in ("scene", "still") for start in (0, 3)}
