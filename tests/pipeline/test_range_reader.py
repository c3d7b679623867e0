"""Reading by ranges: like a file in memory, in few and small fetches."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.range_reader import CACHED_BLOCKS, RangeReader

DATA = bytes(range(256)) * 3
STEP = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 300)),
    st.tuples(st.just("readinto"), st.integers(0, 300)),
    st.tuples(st.just("set"), st.integers(0, 900)),
    st.tuples(st.just("move"), st.integers(-300, 300)),
    st.tuples(st.just("end"), st.integers(-900, 100)),
)


class Fetches:
    """Serves ranges of some bytes and remembers which were asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return self.data[start:end]


def step(file: io.RawIOBase | io.BytesIO, name: str, number: int) -> object:
    if name == "read":
        return file.read(number), file.tell()
    if name == "readinto":  # may be short, so it is filled until nothing comes
        found = b""
        while len(found) < number:
            buffer = bytearray(number - len(found))
            count = file.readinto(buffer)
            if not count:
                break
            found += buffer[:count]
        return found, file.tell()
    return file.seek(number, {"set": io.SEEK_SET, "move": io.SEEK_CUR, "end": io.SEEK_END}[name]), file.tell()


@given(st.binary(max_size=700), st.integers(1, 300), st.lists(STEP, max_size=30))
def test_any_sequence_of_seeks_and_reads_equals_a_file_in_memory(data: bytes, block: int,
                                                                 steps: list[tuple[str, int]]) -> None:
    ours, memory = RangeReader(Fetches(data), len(data), block), io.BytesIO(data)
    for name, number in steps:
        assert step(ours, name, number) == step(memory, name, number)


@given(st.binary(max_size=500), st.integers(1, 100), st.integers(1, 64))
def test_buffered_lines_equal_those_of_a_file_in_memory(data: bytes, block: int, buffer: int) -> None:
    file = io.BufferedReader(RangeReader(Fetches(data), len(data), block), buffer)
    assert file.readlines() == io.BytesIO(data).readlines()


def test_seek_to_a_negative_place_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        RangeReader(Fetches(DATA), len(DATA), 100).seek(-1)


def test_fetches_are_whole_blocks_and_the_last_one_ends_with_the_object() -> None:
    fetches = Fetches(DATA)
    assert RangeReader(fetches, len(DATA), 300).read() == DATA
    assert fetches.asked == [(0, 300), (300, 600), (600, 768)]


def test_small_reads_of_one_block_fetch_it_once() -> None:
    fetches = Fetches(DATA)
    reader = RangeReader(fetches, len(DATA), 100)
    assert b"".join(reader.read(7) for _ in range(14)) == DATA[:98]
    assert fetches.asked == [(0, 100)]


def test_the_block_used_longest_ago_is_dropped_first() -> None:
    fetches = Fetches(bytes(range(CACHED_BLOCKS + 1)))
    reader = RangeReader(fetches, CACHED_BLOCKS + 1, 1)
    for place in [*range(CACHED_BLOCKS), 0, CACHED_BLOCKS, 0, 1]:
        reader.seek(place)
        assert reader.read(1) == bytes([place])
    assert [start for start, _ in fetches.asked] == [*range(CACHED_BLOCKS), CACHED_BLOCKS, 1]


def test_reading_past_the_end_fetches_nothing() -> None:
    fetches = Fetches(DATA)
    reader = RangeReader(fetches, len(DATA), 100)
    reader.seek(len(DATA) + 5)
    assert (reader.read(10), reader.read(), reader.tell()) == (b"", b"", len(DATA) + 5)
    assert fetches.asked == []


def test_it_can_be_read_and_sought_and_not_written() -> None:
    reader = RangeReader(Fetches(DATA), len(DATA), 100)
    assert (reader.readable(), reader.seekable(), reader.writable()) == (True, True, False)


def test_an_exact_range_is_fetched_alone_and_reads_end_short_at_its_end() -> None:
    fetches = Fetches(DATA)
    reader = RangeReader(fetches, len(DATA), 100)
    reader.fetch_exactly(150, 30)
    reader.seek(150)
    assert (reader.read(100), fetches.asked) == (DATA[150:180], [(150, 180)])
    assert reader.read(10) == DATA[180:190]
    reader.fetch_exactly(160, 20)
    assert fetches.asked == [(150, 180), (100, 200)]


def test_a_blank_reader_fetches_nothing_and_ends_where_the_object_does() -> None:
    fetches = Fetches(DATA)
    reader = RangeReader(fetches, len(DATA), 100)
    reader.is_blank = True
    reader.seek(len(DATA) - 5)
    assert (reader.read(10), fetches.asked) == (bytes(5), [])


def test_an_exact_range_past_the_end_is_not_asked_for() -> None:
    fetches = Fetches(DATA)
    RangeReader(fetches, len(DATA), 100).fetch_exactly(len(DATA) + 5, 10)
    assert fetches.asked == []
