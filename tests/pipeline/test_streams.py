"""Odd video streams, made by the ffmpeg program: each sample is the frame that FFmpeg itself shows then."""

from __future__ import annotations

import subprocess
from bisect import bisect_right
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numbered_frames import bars, number

from pipeline import frames

SIZE = (384, 288)
RATE = 25
COUNT = 200
STREAMS: dict[str, tuple[str, ...]] = {
    "anamorphic.mp4": ("-vf", "setsar=2/1", "-g", "20"),
    "interlaced.mp4": ("-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "tff=1", "-g", "20"),
    "interlaced.ts": ("-vf", "setfield=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "12", "-b:v", "4M"),
    "ten bits.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-g", "20"),
    "ten bits.mkv": ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:keyint=20"),
    "odd size.mkv": ("-vf", "scale=321:241", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "20"),
    "odd size.mp4": ("-vf", "scale=321:241", "-c:v", "libx264", "-pix_fmt", "yuv444p", "-g", "20"),
    "alpha.mov": ("-vf", "format=argb", "-c:v", "qtrle"),
    "alpha.webm": ("-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "20"),
    "prores.mov": ("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", "-profile:v", "4"),
    "open groups.mp4": ("-c:v", "libx264", "-g", "40", "-bf", "2", "-x264-params", "open-gop=1"),
}
DISPLAYED = {"anamorphic.mp4": (640, 240), "odd size.mkv": (321, 241), "odd size.mp4": (321, 241)}


def ffmpeg(*arguments: str, given: bytes = b"") -> bytes:
    """What the ffmpeg program writes to its output."""
    return subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], input=given, check=True,
                          stdout=subprocess.PIPE).stdout


def make(path: Path, *arguments: str) -> None:
    """A video of 200 numbered frames."""
    pictures = b"".join(bars(index).tobytes() for index in range(COUNT))
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x240", "-r", str(RATE), "-i", "-", *arguments, str(path),
           given=pictures)


def shown(path: Path, step: float) -> list[int]:
    """The number of the frame that is seen at each sample, all of which must be seen."""
    count = round(frames.probe(str(path))[0].duration / step)
    times, images = frames.grab(str(path), 0, step, count, SIZE)
    assert (times.unseen, times.damaged) == ((), 0)
    return [number(images[bisect_right(times.kept, place * step + 1e-6) - 1]) for place in range(count)]


@pytest.mark.parametrize("name", STREAMS)
def test_the_frame_for_a_time_is_the_one_shown_then(tmp_path: Path, name: str) -> None:
    make(tmp_path / name, *STREAMS[name])
    probe = frames.probe(str(tmp_path / name))[0]
    assert (probe.width, probe.height) == DISPLAYED.get(name, (320, 240))
    assert shown(tmp_path / name, 0.2) == list(range(0, COUNT, 5))


@pytest.mark.parametrize(("name", "suffix"), [
    ("open groups.mp4", ".mp4"), ("open groups.mp4", ".mkv"), ("open groups.mp4", ".mov"), ("prores.mov", ".mov"),
    ("prores.mov", ".mkv"), ("ten bits.mkv", ".mp4")])
def test_a_clip_that_was_cut_out_without_encoding_begins_with_the_frame_that_ffmpeg_shows_first(
        tmp_path: Path, name: str, suffix: str) -> None:
    """An edit list hides the frames between the last keyframe and the cut."""
    make(tmp_path / name, *STREAMS[name])
    clip = tmp_path / f"clip{suffix}"
    ffmpeg("-ss", "1.3", "-i", str(tmp_path / name), "-c", "copy", str(clip))
    pixels = ffmpeg("-i", str(clip), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
                    f"{SIZE[0]}x{SIZE[1]}", "-")
    true = [number(image) for image in np.frombuffer(pixels, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)]
    assert shown(clip, 0.2) == true[::5]


def test_of_several_streams_the_first_is_seen(tmp_path: Path) -> None:
    make(tmp_path / "one.mp4", "-g", "40")
    make(tmp_path / "other.mp4", "-vf", "negate", "-g", "40")
    ffmpeg("-i", str(tmp_path / "one.mp4"), "-i", str(tmp_path / "other.mp4"), "-map", "0", "-map", "1", "-c", "copy",
           str(tmp_path / "both.mp4"))
    assert shown(tmp_path / "both.mp4", 0.2) == list(range(0, COUNT, 5))


def test_what_shows_through_is_white(tmp_path: Path) -> None:
    half = np.zeros((240, 320, 4), np.uint8)
    half[:, 160:] = (200, 0, 0, 255)
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgba", "-s", "320x240", "-r", "5", "-i", "-", "-c:v", "qtrle", "-pix_fmt",
           "argb", str(tmp_path / "half.mov"), given=half.tobytes() * 5)
    _, [image] = frames.grab(str(tmp_path / "half.mov"), 0, 1, 1, SIZE)
    assert (image[:, :180] == 255).all()
    assert (image[:, 200:] == (200, 0, 0)).all()
