"""Finds the frame that is shown at each of some times, decoding as few others as the container lets it.

Where the index is known, decoding begins at the keyframe before a time and ends with the frame that is shown then, of
which no other depends is not decoded at all. Else all is decoded from before the first time on.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av

from pipeline.units import TICK
from pipeline.videos import Video, open_video

LATE_START = 0.5
"""Seconds by which the first frame of a presentation may come late and still be what it begins with."""

MOST_REORDERED = 16
"""Frames at most by which H.264 and H.265 put off a frame (max_num_reorder_frames; H.264 E.2.1, H.265 E.3.1)."""

SKIPPING = ("h264", "hevc", "mpeg2video", "mpeg4")
"""Decoders that can leave out a frame of which no other depends, packet by packet."""

Found = tuple[float, Any | None]
"""A time, and the frame shown then; None where none is: before the first, after the last one's own end, amid damage."""


@dataclass
class Tally:
    """What decoding took: frames that were decoded, packets that could not be, and keyframes that were started from."""

    decoded: int = 0
    damaged: int = 0
    groups: int = 0


class WrongIndexError(Exception):
    """An index that does not lead to keyframes, or packets that do not hold one frame each."""


def frames_at(video: Video, times: Sequence[float], tally: Tally) -> Generator[Found, None, None]:
    """The frame shown at each of some times in order (seconds from the start of the presentation)."""
    done = 0
    if video.no_index is None:
        try:
            for found in _by_index(video, times, tally):
                yield found
                done += 1
        except WrongIndexError as error:
            video.no_index = str(error)
    if done < len(times):
        yield from _in_sequence(video, times[done:], tally)


def _by_index(video: Video, times: Sequence[float], tally: Tally) -> Iterator[Found]:
    """One group of pictures after another. Raises WrongIndexError."""
    left = deque(times)
    while left:
        number = video.keyframe_at(left[0])
        own = []
        while left and video.keyframe_at(left[0]) == number:
            own.append(left.popleft())
        group = Group.at(video, own[0], tally)
        yield from zip(own, group.shown_at(own), strict=True)


class Group:
    """What is decoded from one keyframe on, the one of that `number`, which is shown from `begins` (seconds) on.

    Raises WrongIndexError.
    """

    def __init__(self, video: Video, number: int, tally: Tally) -> None:
        self._video, self._tally, self.number = video, tally, number
        try:
            self._packets = video.packets_from(number)
            first = next(self._packets, None)
        except MemoryError:
            raise
        except (av.error.FFmpegError, OSError) as error:
            raise WrongIndexError(f"the index cannot be followed ({error})") from None
        is_expected = first is not None and video.keyframes.timestamps[number] in (first.pts, first.dts)
        if first is None or not (first.is_keyframe or is_expected):
            raise WrongIndexError("the index does not lead to keyframes")
        tally.groups += 1
        self.begins = video.seconds(first.pts)
        if is_expected:
            video.delay = self.begins - video.seconds(video.keyframes.timestamps[number])
        self._ahead = deque([first])
        self._seen = [self.begins]  # presentation times of all packets so far, sorted
        self._reached = -math.inf  # of all that is shown up to then the packets were seen
        self.is_damaged = False
        self._spoilt = math.inf
        if not first.is_keyframe:
            self._damage(first.pts)

    @classmethod
    def at(cls, video: Video, seconds: float, tally: Tally) -> Group:
        """The group that a time is in; the first one before it."""
        group = cls(video, max(video.keyframe_at(seconds), 0), tally)
        while group.number > 0 and group.begins > seconds + TICK:  # it is shown later than was thought
            group = cls(video, group.number - 1, tally)
        return group

    def shown_in(self, spans: Sequence[tuple[float, float]]) -> Generator[Any, None, None]:
        """Every frame that begins to be shown after the first and up to the second time of a span, all in order."""
        context, end = self._video.stream.codec_context, spans[-1][1]

        def is_asked(ticks: int) -> bool:
            at = self._video.seconds(ticks)
            return any(after + TICK < at <= until + TICK for after, until in spans)

        try:
            for packet, _ in self._decided([end]):
                waiting = (packet, *self._ahead)
                if self._reached > end + TICK and all(self._video.seconds(each.pts) > end + TICK for each in waiting):
                    break
                context.skip_frame = "DEFAULT" if is_asked(packet.pts) or context.name not in SKIPPING else "NONREF"
                yield from (frame for frame in self._decode(packet) if is_asked(frame.pts))
            yield from (frame for frame in self._decode(None) if is_asked(frame.pts))
        finally:
            context.flush_buffers()

    def shown_at(self, times: Sequence[float]) -> Iterator[Any | None]:
        """The frame shown at each of some times, in order; None where none is."""
        looked = [max(time, self.begins) for time in times] if self.begins <= LATE_START else times
        context = self._video.stream.codec_context
        early = bisect_left(looked, self.begins - TICK)
        yield from [None] * early
        place = early
        wanted: dict[int, range] = {}  # places in `looked` by the presentation time of the frame that is shown then
        try:
            for frame in self._frames(looked, early, wanted):
                places = wanted.pop(frame.pts, None)
                if places:
                    if places.start < place or (places.start > place and not self.is_damaged):
                        raise WrongIndexError("its packets do not hold a frame each, in order")
                    yield from [None] * (places.start - place)
                    yield from [frame] * len(places)
                    place = places.stop
            if wanted and not self.is_damaged:
                raise WrongIndexError("its packets do not hold a frame each")
            yield from [None] * (len(looked) - place)
        finally:
            context.flush_buffers()

    def _frames(self, looked: Sequence[float], given: int, wanted: dict[int, range]) -> Iterator[Any]:
        """Frames in presentation order, those that are shown at the times `looked` for among them.

        Times before `given` have none. `wanted` gets which times each frame is for, before it comes.
        """
        context = self._video.stream.codec_context
        for packet, shown in self._decided(looked):
            if shown:
                wanted[packet.pts] = shown
                given += len(shown)
            context.skip_frame = "DEFAULT" if shown or context.name not in SKIPPING else "NONREF"
            yield from self._decode(packet)
            if given == len(looked):
                break
        yield from self._decode(None)

    def _decided(self, looked: Sequence[float]) -> Iterator[tuple[Any, range]]:
        """Packets in decoding order, and for which of the times each one's frame is shown."""
        ended = False
        while self._ahead or not ended:
            shown = self._shown_of(self._ahead[0], looked, ended) if self._ahead else None
            if shown is not None:
                yield self._ahead.popleft(), shown
                continue
            try:
                packet = next(self._packets, None)
            except MemoryError:
                raise
            except (av.error.FFmpegError, OSError):
                self._damage(math.inf)  # the container itself ends in damage: what came before it stands
                packet = None
            if packet is None:
                ended = True
                continue
            insort(self._seen, self._video.seconds(packet.pts))
            self._ahead.append(packet)
            if packet.dts is not None:
                self._reached = self._video.seconds(packet.dts)
            elif len(self._seen) > MOST_REORDERED:
                self._reached = self._seen[-1 - MOST_REORDERED]

    def _shown_of(self, packet: Any, looked: Sequence[float], ended: bool) -> range | None:
        """For which times a packet's frame is shown; None where that is not yet known."""
        at = self._video.seconds(packet.pts)
        first = bisect_left(looked, at - TICK)
        if first == len(looked):
            return range(0)
        if looked[-1] <= at + TICK:
            return range(first, len(looked))
        after = bisect_right(self._seen, at + TICK)
        if after < len(self._seen):
            until = self._seen[after]
            if until > looked[first] + TICK and not ended and self._reached < min(until, looked[-1] + TICK):
                return None
        elif not ended and self._reached <= looked[-1]:
            return None
        else:
            until = at + own_seconds(packet, self._video.stream) if ended else math.inf
        return range(first, max(first, bisect_left(looked, until - TICK)))

    def _decode(self, packet: Any | None) -> Iterator[Any]:
        """The frames that a packet brings forth which do not build on damage; None for what is left."""
        try:
            frames = self._video.stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            self._damage(math.inf if packet is None else packet.pts)
            return
        for frame in frames:
            self._tally.decoded += 1
            if frame.is_corrupt:
                self._damage(frame.pts)
            elif frame.key_frame and frame.pts >= self._spoilt:
                self._spoilt = math.inf
            if frame.pts < self._spoilt:
                yield frame

    def _damage(self, ticks: float) -> None:
        self._tally.damaged += 1
        self.is_damaged = True
        self._spoilt = min(self._spoilt, ticks)


def own_seconds(shown: Any, stream: Any) -> float:
    """How long a frame or packet is shown where nothing follows it."""
    usual = float(1 / stream.average_rate) if stream.average_rate else 0.04
    return max(float((shown.duration or 0) * stream.time_base), usual)


def _in_sequence(video: Video, times: Sequence[float], tally: Tally) -> Iterator[Found]:
    """All frames from before the first time on."""
    left = deque(times)
    for frame, begins, ends in _stretches(_from(video, times[0], tally), video):
        while left and left[0] < ends - TICK:
            is_late = left[0] < begins - TICK and begins > LATE_START
            yield left.popleft(), None if is_late else frame
        if not left:
            return
    for time in left:
        yield time, None


def _from(video: Video, at: float, tally: Tally) -> Iterator[Any]:
    """Frames from at most `at` seconds on; a seek that lands later is tried again further back.

    The beginning is what a freshly opened container shows: a seek to it loses the first frames of a transport stream.
    """
    for back in (0.0, 2.0, 10.0, 60.0):
        if at - back <= 0:
            break
        video.container.seek(round((at - back + video.start) / video.stream.time_base), stream=video.stream,
                             backward=True)
        frames = decoded(video, tally)
        frame = next(filter(None, frames), None)
        if frame is not None and video.seconds(frame.pts) <= at + TICK:
            yield frame
            yield from frames
            return
    with open_video(video.uri) as again:
        yield from decoded(again, tally)


def _stretches(frames: Iterator[Any], video: Video) -> Iterator[tuple[Any, float, float]]:
    """Each frame with the seconds at which it begins and ends to be shown."""
    held, held_at, own_end = None, 0.0, 0.0
    for frame in frames:
        at = own_end if frame is None else video.seconds(frame.pts)
        if held is not None:
            yield held, held_at, at
        held, held_at = frame, at
        if frame is not None:
            own_end = at + own_seconds(frame, video.stream)
    if held is not None:
        yield held, held_at, own_end


def decoded(video: Video, tally: Tally) -> Iterator[Any]:
    """Frames in presentation order, and None where some are missing before the next one.

    Packets that cannot be decoded are counted and passed over, and so are the frames built on them, up to the next
    keyframe.
    """
    spoilt: float | None = None
    clock = _AviClock(video.stream) if video.container.format.name == "avi" else None
    video.stream.codec_context.skip_frame = "DEFAULT"
    try:
        for packet in video.container.demux(video.stream):
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except av.error.FFmpegError:
                tally.damaged += 1
                at = packet.dts if packet.pts is None else packet.pts
                spoilt = min(at or 0, at or 0 if spoilt is None else spoilt)
                continue
            if clock is not None:
                clock.set(packet, frames)
            for frame in frames:
                if frame.pts is None:
                    continue
                tally.decoded += 1
                if frame.is_corrupt:
                    tally.damaged += 1
                    spoilt = frame.pts if spoilt is None else min(spoilt, frame.pts)
                elif spoilt is not None and frame.key_frame and frame.pts >= spoilt:
                    spoilt = None
                    yield None
                if spoilt is None or frame.pts < spoilt:
                    yield frame
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError):
        tally.damaged += 1  # the container itself ends in damage: what came before it stands


class _AviClock:
    """Presentation times of AVI, which holds decoding times only: they are late by the decoder's own delay.

    That is one frame where there are B-frames at all, and in H.264 as many as the first frame was waited for.
    """

    def __init__(self, stream: Any) -> None:
        self._context = stream.codec_context
        self._first: int | None = None
        self._late: int | None = None
        self._next = 0

    def set(self, packet: Any, frames: list[Any]) -> None:
        """Put right the times of the frames that a packet brought forth."""
        if self._first is None:
            self._first = packet.dts
        for frame in frames:
            if self._late is None and frame.dts is not None:
                is_h264 = self._context.name == "h264"
                self._late = frame.dts - (self._first or 0) if is_h264 else int(self._context.has_b_frames)
            frame.pts = self._next if frame.dts is None else frame.dts - (self._late or 0)
            self._next = frame.pts + 1
