"""Merges the lines that the frames of a video show into one row a text, with its first and last second."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz.fuzz import ratio

from pipeline.units import TICK

ALIKE = 90.0
"""Likeness of two readings (rapidfuzz's ratio, 0..100) from which they are of one text: one letter of ten is wrong."""

MIN_LETTERS = 8
"""Letters of a text below which a reading must be the same to the letter."""


@dataclass(frozen=True)
class Line:
    """A line of text as one frame shows it; `box` is that of its block."""

    text: str
    confidence: float | None
    box: Sequence[float]

    @property
    def same(self) -> str:
        """What two readings of one text have in common at least."""
        return " ".join(self.text.casefold().split())


@dataclass(frozen=True)
class Frame:
    """The lines that are on screen from `time_s` until `until_s`."""

    time_s: float
    until_s: float
    lines: tuple[Line, ...]


@dataclass
class _Text:
    first_s: float
    last_s: float
    frames: int
    best: Line


def frame_of(transcript: Mapping[str, Any]) -> Frame:
    """The lines of a row of `transcripts`, which is of a video."""
    lines = (Line(text.strip(), block["confidence"], block["box"]) for block in transcript["blocks"] or ()
             for text in block["text"].splitlines() if text.strip())
    return Frame(transcript["time_s"], transcript["until_s"] or transcript["time_s"], tuple(lines))


def merge_lines(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    """One row for each text that stays over frames which follow each other, in order; the surest reading stands for it.

    A reading with other digits is another text, however alike the rest is.
    """
    done: list[_Text] = []
    shown: list[_Text] = []
    for frame in sorted(frames, key=lambda frame: frame.time_s):
        still = [text for text in shown if text.last_s >= frame.time_s - TICK]
        done += [text for text in shown if text.last_s < frame.time_s - TICK]
        left, fresh = list(still), []
        lines = {line.same: line for line in sorted(frame.lines, key=lambda line: line.confidence or 0.0)}
        for line in sorted(lines.values(), key=lambda line: all(line.same != text.best.same for text in left)):
            known = next((text for text in left if text.best.same == line.same), None) or next(
                (text for text in left if _is_alike(text.best, line)), None)
            if known is None:
                fresh.append(_Text(frame.time_s, frame.until_s, 1, line))
                continue
            left.remove(known)
            known.last_s, known.frames = max(known.last_s, frame.until_s), known.frames + 1
            if (line.confidence or 0.0) > (known.best.confidence or 0.0):
                known.best = line
        shown = still + fresh
    return [{"text": text.best.text, "first_s": text.first_s, "last_s": text.last_s, "frames": text.frames,
             "confidence": text.best.confidence, "box": text.best.box}
            for text in sorted(done + shown, key=lambda text: (text.first_s, text.best.text))]


def _is_alike(one: Line, other: Line) -> bool:
    """Whether two readings are of one text: alike, with the same digits, and at one place."""
    if min(len(one.same), len(other.same)) < MIN_LETTERS or not _overlap(one.box, other.box):
        return False
    return re.findall(r"\d", one.same) == re.findall(r"\d", other.same) and ratio(one.same, other.same) >= ALIKE


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])
