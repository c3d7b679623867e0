"""Opens videos through PyAV, in helper processes only, and says where their keyframes are."""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import av

from pipeline import storage, stores
from pipeline.range_reader import RangeReader
from pipeline.units import TICK, UnreadableError

INDEXED = ("mov", "matroska")
"""Containers whose index says where each keyframe is, if they have one."""

av.logging.set_level(None)


@dataclass(frozen=True)
class Keyframes:
    """Keyframes as an index has them, in order: timestamps in ticks of their stream, and where their bytes are.

    A timestamp is one of decoding where frames are stored out of their order, and at most that of presentation. A
    size is 0 where the index does not say it. Columns of 64 bits: of a long video without other frames there are
    millions.
    """

    timestamps: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.timestamps)

    def add(self, entry: Any) -> None:
        """Add an entry of an index."""
        self.timestamps.append(entry.timestamp)
        self.places.append(entry.pos)
        self.sizes.append(entry.size)


@dataclass
class Video:
    """An open video; a context manager. Times are seconds from the start of its presentation.

    `no_index` says why its `keyframes` are not known. `delay` is by how much later than its timestamp in the index the
    last keyframe that was read is shown.
    """

    uri: str
    container: Any
    stream: Any
    ranges: RangeReader | None
    keyframes: Keyframes = field(default_factory=Keyframes)
    no_index: str | None = None
    delay: float = 0.0

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def start(self) -> float:
        """The presentation's start on the clock of the stream, in seconds."""
        return float((self.stream.start_time or 0) * self.stream.time_base)

    def seconds(self, ticks: int) -> float:
        """A time of the stream's clock as seconds from the start."""
        return float(ticks * self.stream.time_base) - self.start

    def keyframe_at(self, seconds: float) -> int:
        """The index of the last keyframe that is shown at a time or before, as far as is known; -1 before the first."""
        ticks = (seconds + TICK - self.delay + self.start) / self.stream.time_base
        return bisect_right(self.keyframes.timestamps, math.floor(ticks)) - 1

    def packets_from(self, number: int) -> Iterator[Any]:
        """The packets in decoding order, from a keyframe on, or from an earlier one."""
        timestamps, size = self.keyframes.timestamps, self.keyframes.sizes[number]
        if self.ranges is not None and size:
            self.ranges.fetch_exactly(self.keyframes.places[number], size)
        ends = timestamps[number + 1] - 1 if number + 1 < len(timestamps) else _last(self.stream)
        # MP4 is sought by times of presentation, which are not known: this one is before the next keyframe's
        self.container.seek(max(ends, timestamps[number]), stream=self.stream, backward=True)
        return (packet for packet in self.container.demux(self.stream) if packet.pts is not None)

    def claimed(self) -> float | None:
        """Claimed duration; None where there is none."""
        if self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        if not self.container.duration:
            return None
        claimed = float(self.container.duration / av.time_base)
        if "matroska" in self.container.format.name:  # counts from zero, not from its first frame
            return (_tagged_duration(self.stream) or claimed) - self.start
        return claimed

    def duration(self) -> float:
        """Claimed duration, or where the last packet ends if that is later or nothing is claimed."""
        claimed = self.claimed()
        if claimed is None:
            claimed = self.last_packet(self.stream.start_time or 0)
        if not len(self.stream.index_entries):
            return claimed
        last = _last(self.stream)  # a decoding time, at or before the last presentation time
        return max(claimed, self.seconds(last), self.last_packet(last))

    def last_packet(self, after: int) -> float:
        """Seconds at which the last of the packets from `after` (ticks) on ends."""
        end = 0.0
        if self.ranges is not None and "mov" in self.container.format.name:
            self.ranges.is_blank = True  # the times are in the index
        try:
            self.container.seek(after, stream=self.stream, backward=True)
            for packet in self.container.demux(self.stream):
                if packet.pts is not None:
                    end = max(end, self.seconds(packet.pts + (packet.duration or 0)))
        except (av.error.FFmpegError, OSError):
            pass  # cut off or damaged; what was read stands
        finally:
            if self.ranges is not None:
                self.ranges.is_blank = False
        return end


def open_video(uri: str) -> Video:
    """Open a video. Raises UnreadableError (damaged, no_video), StorageError."""
    source: str | IO[bytes] = uri if stores.is_local(uri) else storage.open_ranges(uri)
    try:
        container = av.open(source, metadata_errors="replace")
    except (stores.StorageError, MemoryError):
        raise
    except Exception as error:
        why = "its index is missing: it was cut off" if isinstance(error, av.error.InvalidDataError) else str(error)
        raise UnreadableError("damaged", f"not a readable video ({why}); upload it again") from None
    shown = [stream for stream in container.streams.video
             if not stream.disposition & av.stream.Disposition.attached_pic]
    if not shown:
        raise UnreadableError("no_video", "has no video stream; leave it out of the job's inputs")
    stream = shown[0]
    stream.thread_count = 1
    stream.codec_context.open(False)  # libdav1d heeds what is to be skipped as it is opened, and never again
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all
    return Video(uri, container, stream, source if isinstance(source, RangeReader) else None)


def open_indexed(uri: str) -> Video:
    """Open a video and read its index, where it has one. Raises as open_video."""
    video = open_video(uri)
    if not any(name in video.container.format.name for name in INDEXED):
        video.no_index = f"{video.container.format.name} has no index"
        return video
    if "matroska" in video.container.format.name:  # which reads its index on the first seek
        try:
            video.container.seek(video.stream.start_time or 0, stream=video.stream, backward=True)
        except (av.error.FFmpegError, OSError):
            video.no_index = "the index cannot be read"
            return video
    keyframes = Keyframes()
    for entry in video.stream.index_entries:
        if entry.is_keyframe:
            keyframes.add(entry)
    gap = max((after - before for before, after in itertools.pairwise(keyframes.timestamps)), default=0)
    claimed = video.claimed()
    if not keyframes or claimed is None:
        video.no_index = "no keyframe is in the index"
    elif claimed - float(2 * gap * video.stream.time_base) - 1 > (ends := video.seconds(_last(video.stream))):
        video.no_index = f"the index ends at {ends:.1f} s"
    else:
        video.keyframes = keyframes
    return video


_open: dict[str, Video] = {}


@contextmanager
def kept_open(uri: str) -> Iterator[Video]:
    """A video with its index, which stays open for the next call of this process that wants the same. Raises as
    open_video.
    """
    name = f"{uri}@{storage.stat(uri).version}"
    video = _open.pop(name, None)
    if video is None:
        while _open:
            _open.popitem()[1].container.close()
        video = open_indexed(uri)
    try:
        yield video
        if video.no_index is None:
            _open[name] = video
    finally:
        if name not in _open:
            video.container.close()


def _last(stream: Any) -> int:
    return int(stream.index_entries[len(stream.index_entries) - 1].timestamp)


def _tagged_duration(stream: Any) -> float | None:
    """What Matroska says of this stream; its container's duration is that of the longest one, often the sound."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        tagged = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        return None
    return tagged if 0 < tagged < math.inf else None
