"""The order of OCR's lines: across the page in tables, column by column in prose."""

from __future__ import annotations

import numpy as np

from model_actors.engine import Words
from pipeline.grounding.reading_order import in_reading_order


def words(*boxes: tuple[float, float, float, float]) -> Words:
    """One word a line, with its box."""
    count = len(boxes)
    return Words([str(number) for number in range(count)], np.array(boxes, np.float32).reshape(-1, 4),
                 np.ones(count, np.float32), np.arange(count, dtype=np.int32))


def rows(count: int, *sides: tuple[float, float], top: float = 0.1) -> list[tuple[float, float, float, float]]:
    """Lines level with each other, from the left, row after row."""
    return [(x0, top + 0.03 * row, x1, top + 0.03 * row + 0.02) for row in range(count) for x0, x1 in sides]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    assert in_reading_order(words(*rows(5, (0.1, 0.47), (0.53, 0.9)))) == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]


def test_a_line_across_both_columns_parts_what_is_above_it_from_what_is_below() -> None:
    boxes = [(0.1, 0.02, 0.9, 0.05), *rows(5, (0.1, 0.47), (0.53, 0.9)), (0.1, 0.4, 0.9, 0.43),
             *rows(4, (0.1, 0.47), (0.53, 0.9), top=0.5)]
    assert in_reading_order(words(*boxes)) == [
        0, 1, 3, 5, 7, 9, 2, 4, 6, 8, 10, 11, 12, 14, 16, 18, 13, 15, 17, 19]


def test_rows_of_short_cells_are_read_across() -> None:
    assert in_reading_order(words(*rows(6, (0.1, 0.2), (0.5, 0.6)))) == list(range(12))


def test_words_of_a_line_stay_together() -> None:
    both = words(*rows(4, (0.1, 0.47), (0.53, 0.9)))
    split = Words(both.texts, both.boxes, both.confidences, both.lines // 2)  # a line over both columns
    assert in_reading_order(split) == list(range(8))


def test_of_no_words_there_is_no_order() -> None:
    assert in_reading_order(words()) == []
