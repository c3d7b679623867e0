"""Video frames by presentation time through PyAV, run in helper processes only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO, Any

import av
import numpy as np
import numpy.typing as npt

from model_actors.engine import Pixels
from pipeline import storage
from pipeline.pixel_slots import new_image
from pipeline.units import FrameTimes, UnreadableError, VideoProbe

LONGEST_SECONDS = 48 * 3600
"""Longest video that is planned: a longer claim is mostly a broken index."""

LUMA_SIZE = (160, 90)
TILE = 8
NEW_FRAME = 12.0
"""Largest mean luma difference of a tile of 8 x 8 px, at 160 x 90, up to which two frames show the same: it keeps
one-word subtitle changes, which global hashes lose."""

LATE_START = 0.5
"""Seconds by which the first frame of a presentation may come late and still be what it begins with."""

TICK = 1e-6
"""Seconds within which two times are the same: no clock of a container is finer, and sums of floats are not exact."""

av.logging.set_level(None)
Luma = npt.NDArray[np.float32]


def _open(uri: str) -> tuple[Any, Any]:
    source: str | IO[bytes] = uri if storage.is_local(uri) else storage.open_ranges(uri)
    try:
        container = av.open(source, metadata_errors="replace")
    except (storage.StorageError, MemoryError):
        raise
    except Exception as error:
        why = "its index is missing: it was cut off" if isinstance(error, av.error.InvalidDataError) else str(error)
        raise UnreadableError("damaged", f"not a readable video ({why}); upload it again") from None
    shown = [stream for stream in container.streams.video
             if not stream.disposition & av.stream.Disposition.attached_pic]
    if not shown:
        raise UnreadableError("no_video", "has no video stream; leave it out of the job's inputs")
    shown[0].thread_count = 1
    return container, shown[0]


def probe(uri: str) -> tuple[VideoProbe, list[Pixels]]:
    """Claimed duration and displayed size. Raises UnreadableError: damaged, no_video or empty."""
    container, stream = _open(uri)
    with container:
        frame = next(filter(None, _decode(container, stream, [0])), None)
        if frame is None:
            raise UnreadableError("damaged", "not one frame can be decoded; upload it again")
        width, height = _shown_size(frame, stream)
        duration = max(_duration(container, stream), 1e-3)
        if duration > LONGEST_SECONDS:
            duration = max(_last_packet(container, stream, stream.start_time or 0), 1e-3)
        if duration > LONGEST_SECONDS:
            raise UnreadableError("too_large", f"claims to last {duration / 3600:.3g} hours, over the "
                                               f"{LONGEST_SECONDS // 3600} that are read; cut it")
        return VideoProbe(duration, width, height), []


def _duration(container: Any, stream: Any) -> float:
    if stream.duration:
        claimed = float(stream.duration * stream.time_base)
    elif container.duration:
        claimed = container.duration / av.time_base
        if "matroska" in container.format.name:  # counts from zero, not from its first frame
            claimed = _tagged_duration(stream) or claimed
            claimed -= _start(stream)
    else:
        claimed = _last_packet(container, stream, stream.start_time or 0)
    entries = stream.index_entries
    if not len(entries):
        return claimed
    last = entries[len(entries) - 1].timestamp  # a decoding time, at or before the last presentation time
    return max(claimed, float(last * stream.time_base) - _start(stream), _last_packet(container, stream, last))


def _tagged_duration(stream: Any) -> float | None:
    """What Matroska says of this stream; its container's duration is that of the longest one, often the sound."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        tagged = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        return None
    return tagged if 0 < tagged < math.inf else None


def _last_packet(container: Any, stream: Any, after: int) -> float:
    """Seconds at which the last of the packets from `after` on ends."""
    end = 0.0
    try:
        container.seek(after, stream=stream, backward=True)
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * stream.time_base) - _start(stream))
    except (av.error.FFmpegError, OSError):
        pass  # cut off or damaged; what was read stands
    return end


def _start(stream: Any) -> float:
    return float((stream.start_time or 0) * stream.time_base)


def _shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    aspect = stream.sample_aspect_ratio or 1
    width, height = round(frame.width * aspect), frame.height
    return (height, width) if frame.rotation % 180 else (width, height)


def _decode(container: Any, stream: Any, damaged: list[int]) -> Iterator[Any]:
    """Frames in presentation order, and None where some are missing before the next one.

    Packets that cannot be decoded are counted in `damaged` and passed over, and so are the frames built on them, up
    to the next keyframe.
    """
    spoilt: float | None = None
    clock = _AviClock(stream) if container.format.name == "avi" else None
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except av.error.FFmpegError:
                damaged[0] += 1
                at = packet.dts if packet.pts is None else packet.pts
                spoilt = min(at or 0, at or 0 if spoilt is None else spoilt)
                continue
            if clock is not None:
                clock.set(packet, frames)
            for frame in frames:
                if frame.pts is None:
                    continue
                if frame.is_corrupt:
                    damaged[0] += 1
                    spoilt = frame.pts if spoilt is None else min(spoilt, frame.pts)
                elif spoilt is not None and frame.key_frame and frame.pts >= spoilt:
                    spoilt = None
                    yield None
                if spoilt is None or frame.pts < spoilt:
                    yield frame
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError):
        damaged[0] += 1  # the container itself ends in damage: what came before it stands


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


def grab(uri: str, first: float, step: float, count: int, size: tuple[int, int]) -> tuple[FrameTimes, list[Pixels]]:
    """The frames shown at first, first + step, ... (`count` times, in seconds from the start of the presentation).

    Each is drawn at `size` (width, height) px, rotation applied; a frame that looks like the last kept one is not
    kept again. A time at which no frame is shown, after the last one's own end or amid damage, is not seen.
    """
    container, stream = _open(uri)
    damaged = [0]
    kept: list[float] = []
    until: list[float] = []
    images: list[Pixels] = []
    unseen: list[float] = []
    times = iter([first + place * step for place in range(count)])
    wanted = next(times, None)
    last: Luma | None = None
    with container:
        start = _start(stream)
        for frame, begins, ends in _shown(_from(uri, container, stream, first + start, damaged), stream, start):
            while wanted is not None and wanted < ends - TICK:
                if wanted < begins - TICK and not (wanted == 0 and begins <= LATE_START):
                    unseen.append(wanted)
                else:
                    luma = _luma(frame)
                    if last is None or _differs(luma, last):
                        kept.append(wanted)
                        until.append(wanted)
                        images.append(_drawn(frame, size))
                        last = luma
                    until[-1] = wanted + step
                wanted = next(times, None)
            if wanted is None:
                break
    unseen += [time for time in (wanted, *times) if time is not None]
    return FrameTimes(tuple(kept), tuple(until), tuple(unseen), damaged[0]), images


def _from(uri: str, container: Any, stream: Any, at: float, damaged: list[int]) -> Iterator[Any]:
    """Frames from at most `at` seconds of stream time on; a seek that lands later is tried again further back.

    The beginning is what a freshly opened container shows: a seek to it loses the first frames of a transport stream.
    """
    for back in (0.0, 2.0, 10.0, 60.0):
        if at - back <= _start(stream):
            break
        container.seek(round((at - back) / stream.time_base), stream=stream, backward=True)
        frames = _decode(container, stream, damaged)
        frame = next(filter(None, frames), None)
        if frame is not None and float(frame.pts * stream.time_base) <= at + TICK:
            yield frame
            yield from frames
            return
    container, stream = _open(uri)
    with container:
        yield from _decode(container, stream, damaged)


def _shown(frames: Iterator[Any], stream: Any, start: float) -> Iterator[tuple[Any, float, float]]:
    """Each frame with the seconds at which it begins and ends to be shown."""
    usual = float(1 / stream.average_rate) if stream.average_rate else 0.04
    held, held_at, own_end = None, 0.0, 0.0
    for frame in frames:
        at = own_end if frame is None else float(frame.pts * stream.time_base) - start
        if held is not None:
            yield held, held_at, at
        held, held_at = frame, at
        if frame is not None:
            own_end = at + max(float((frame.duration or 0) * stream.time_base), usual)
    if held is not None:
        yield held, held_at, own_end


def _luma(frame: Any) -> Luma:
    small = frame.reformat(width=LUMA_SIZE[0], height=LUMA_SIZE[1], format="gray").to_ndarray()
    return np.asarray(small, np.float32)


def _differs(luma: Luma, last: Luma) -> bool:
    rows = luma.shape[0] // TILE * TILE
    tiles = np.abs(luma - last)[:rows].reshape(rows // TILE, TILE, -1, TILE).mean(axis=(1, 3))
    return bool(tiles.max() > NEW_FRAME)


def _drawn(frame: Any, size: tuple[int, int]) -> Pixels:
    turns = round(frame.rotation / 90) % 4
    width, height = size[::-1] if turns % 2 else size
    image = new_image(size[1], size[0])
    image[...] = np.rot90(frame.reformat(width=width, height=height, format="rgb24").to_ndarray(), turns)
    return image
