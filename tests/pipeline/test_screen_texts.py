"""Lines on screen: one row a text, from its first to its last second, whatever single readings get wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.screen_texts import Frame, Line, frame_of, merge_lines

TOP, BOTTOM = (0.1, 0.1, 0.9, 0.2), (0.1, 0.8, 0.9, 0.9)


def frame(second: float, *texts: str | Line, until: float | None = None) -> Frame:
    """A frame that is shown for a second, or until another time."""
    lines = tuple(text if isinstance(text, Line) else Line(text, 0.9, TOP) for text in texts)
    return Frame(second, second + 1 if until is None else until, lines)


def told(*frames: Frame) -> list[tuple[str, float, float, int]]:
    return [(row["text"], row["first_s"], row["last_s"], row["frames"]) for row in merge_lines(frames)]


def test_a_text_that_stays_is_one_row_and_one_that_comes_back_another() -> None:
    assert told(frame(0, "Gate 4"), frame(1, "Gate 4", "Open"), frame(2, "Open"), frame(3, "Gate 4", until=9)) == [
        ("Gate 4", 0, 2, 2), ("Open", 1, 3, 2), ("Gate 4", 3, 9, 1)]


def test_a_time_of_which_nothing_was_seen_ends_a_text() -> None:
    assert told(frame(0, "Gate 4"), frame(5, "Gate 4")) == [("Gate 4", 0, 1, 1), ("Gate 4", 5, 6, 1)]


def test_the_order_in_which_windows_come_is_of_no_matter() -> None:
    frames = [frame(second, f"Line {second // 3}", "Always there") for second in range(12)]
    shuffled = random.Random(1).sample(frames, len(frames))
    assert merge_lines(shuffled) == merge_lines(frames)


def test_a_misread_letter_is_the_same_text_and_the_surest_reading_stands_for_it() -> None:
    readings = [Line("Departure to Hamburg", 0.7, TOP), Line("Departure to Hamburg", 0.95, TOP),
                Line("Departvre to Hamburg", 0.6, TOP)]
    [row] = merge_lines([frame(second, line) for second, line in enumerate(readings)])
    assert (row["text"], row["first_s"], row["last_s"], row["confidence"]) == ("Departure to Hamburg", 0, 3, 0.95)


@pytest.mark.parametrize(("one", "other"), [
    ("Departure at 12:04 to Hamburg", "Departure at 12:05 to Hamburg"), ("Gate 4 open", "Gate 4 closed"),
    ("left", "lift"), ("We leave at noon today", "We leave at dusk today")])
def test_another_text_is_another_row(one: str, other: str) -> None:
    assert told(frame(0, one), frame(1, other)) == [(one, 0, 1, 1), (other, 1, 2, 1)]


def test_what_is_alike_elsewhere_on_screen_is_another_text() -> None:
    above, below = Line("Departure to Hamburg", 0.9, TOP), Line("Departures to Hamburg", 0.9, BOTTOM)
    assert len(merge_lines([frame(0, above), frame(1, below)])) == 2


def test_two_alike_lines_stay_two() -> None:
    lines = (Line("Departure to Hamburg", 0.9, TOP), Line("Departures to Hamburg", 0.9, TOP))
    assert told(frame(0, *lines), frame(1, *lines)) == [
        ("Departure to Hamburg", 0, 2, 2), ("Departures to Hamburg", 0, 2, 2)]


def test_case_and_spaces_make_no_other_text() -> None:
    assert told(frame(0, "Gate  4"), frame(1, "GATE 4")) == [("Gate  4", 0, 2, 2)]


def test_the_lines_of_a_transcript_are_those_of_its_blocks() -> None:
    block: dict[str, Any] = {"text": "Gate 4\n\n open ", "confidence": 0.8, "box": TOP}
    found = frame_of({"time_s": 2.0, "until_s": None, "blocks": [block]})
    assert found == Frame(2.0, 2.0, (Line("Gate 4", 0.8, TOP), Line("open", 0.8, TOP)))
    assert frame_of({"time_s": 2.0, "until_s": 3.0, "blocks": None}).lines == ()


@given(st.lists(st.sets(st.sampled_from(["alpha", "beta", "gamma", "delta"])), max_size=20))
def test_each_second_of_each_text_is_in_exactly_one_row(seconds: list[set[str]]) -> None:
    rows = merge_lines(frame(second, *sorted(texts)) for second, texts in enumerate(seconds))
    covered = sorted((row["text"], second) for row in rows for second in range(int(row["first_s"]), int(row["last_s"])))
    assert covered == sorted((text, second) for second, texts in enumerate(seconds) for text in texts)
    assert sum(row["frames"] for row in rows) == len(covered)
