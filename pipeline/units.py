"""What reading an object yields: probes, rendered units, and the errors that end a unit or an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_actors.engine import Words

TICK = 1e-6
"""Seconds within which two times are the same: no clock of a container is finer, and sums of floats are not exact."""

RETRYABLE = frozenset({"timeout", "memory", "crash", "storage", "server", "permission", "missing"})
"""Categories of failure that another try may pass: on another machine, at another time, with other rights."""


class UnreadableError(Exception):
    """An object, or one unit of it, cannot be read; the message says what to do."""

    def __init__(self, category: str, message: str) -> None:
        super().__init__(category, message)
        self.category = category
        self.message = message


@dataclass(frozen=True)
class PageShape:
    """A page as displayed, rotation and crop applied. Lengths in points, or in pixels for an image.

    `em` is the size of the smallest text that matters, None where no text was found; `measured` is False where the
    page was not looked at. `text_bytes` bounds the tokens of its text layer. `native` is True where lengths are
    pixels, so that drawing it larger would show nothing more.
    """

    width: float
    height: float
    em: float | None = None
    measured: bool = True
    text_bytes: int = 0
    native: bool = False


@dataclass(frozen=True)
class DocumentProbe:
    """What planning knows of a PDF or an image; `password` opened it, where one was needed."""

    pages: tuple[PageShape, ...]
    repaired: bool = False
    password: str | None = None


@dataclass(frozen=True)
class VideoProbe:
    """What planning knows of a video: claimed duration in seconds, and its size as displayed."""

    duration: float
    width: int
    height: int


@dataclass(frozen=True)
class PageText:
    """The text layer of a page. `distrust` says why it should not be believed, None where it should."""

    words: Words
    shape: PageShape
    distrust: str | None


Histograms = npt.NDArray[np.float64]
"""Of the Y, Cb and Cr of a frame, [3, 32], each of which sums to 1."""


@dataclass(frozen=True)
class Cut:
    """Two neighbouring samples, in seconds, that show different scenes, and the histograms of both."""

    before_s: float
    after_s: float
    before: Histograms
    after: Histograms


@dataclass(frozen=True)
class Stretch:
    """A stretch of a video, in seconds: a scene, or one that is still, black or damaged, as `kind` says.

    A `cut` from one scene to another lasts no time. A scene may have a `picture`, somewhere below the output.
    """

    kind: str
    start_s: float
    end_s: float
    picture: str | None = None


@dataclass(frozen=True)
class FrameTimes:
    """Which samples of a window a decoder reached, and which of them it kept.

    `kept` are the asked times whose frames are new against the last kept one, `shown_until` the time up to which
    each kept frame stands for what was seen; `unseen` are the asked times at which no frame is shown, `damaged`
    counts the packets that could not be decoded, `decoded` the frames that were, and `how` says by which way. `asked`
    times were dealt with, fewer than were given where that would have taken too long, or where the window `ends`
    because another scene begins. `stretches` are what was seen over time; some may begin with the sample before. Of
    the `cuts` among them is known so far between which samples they lie.
    `differences` say by how much each kept frame looks other than the one before, infinity for the first.
    """

    kept: tuple[float, ...]
    shown_until: tuple[float, ...]
    unseen: tuple[float, ...]
    damaged: int
    decoded: int = 0
    how: str = ""
    asked: int = 0
    ends: bool = False
    stretches: tuple[Stretch, ...] = ()
    cuts: tuple[Cut, ...] = ()
    differences: tuple[float, ...] = ()
