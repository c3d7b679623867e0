"""Structure from words: segments, rows, reading order, blocks, ruled tables and Markdown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_actors import layout
from model_actors.engine import Words


def words(*placed: tuple[str, float, float, int], height: float = 0.02, tilt: float = 0.0) -> Words:
    """Words as (text, x, y, line); every character is 1 % of the page wide, lines fall by `tilt` a page width."""
    boxes = [(x, y + tilt * x, x + len(text) / 100, y + tilt * x + height) for text, x, y, _ in placed]
    return Words([text for text, *_ in placed], np.array(boxes, np.float32).reshape(-1, 4),
                 np.ones(len(placed), np.float32), np.array([line for *_, line in placed], np.int32))


def test_a_wide_gap_ends_a_segment_and_a_word_space_does_not() -> None:
    page = words(("Total", 0.1, 0.1, 0), ("due", 0.16, 0.1, 0), ("12.00", 0.5, 0.1, 0))
    assert [segment.text for segment in layout.segments(page, 1.0)] == ["Total due", "12.00"]


@pytest.mark.parametrize("tilt", [0.0, 0.06, -0.06])
def test_rows_of_a_tilted_page_stay_together(tilt: float) -> None:
    lines = [("Net", "10.00"), ("Tax", "2.00"), ("Gross", "12.00")]
    page = words(*((text, x, 0.1 + 0.03 * number, 2 * number + column) for number, line in enumerate(lines)
                   for column, (text, x) in enumerate(zip(line, (0.1, 0.6), strict=True))),
                 *(("long words here".split()[place], 0.1 + 0.2 * place, 0.5, 9) for place in range(3)), tilt=tilt)
    found = layout.rows(layout.segments(page, 1.0))
    assert [[segment.text for segment in row] for row in found[:3]] == [list(line) for line in lines]


def test_columns_are_read_one_after_the_other_and_a_title_first() -> None:
    title, left, right = (0.1, 0.05, 0.9, 0.08), (0.1, 0.1, 0.45, 0.5), (0.55, 0.1, 0.9, 0.3)
    below_right, foot = (0.55, 0.32, 0.9, 0.5), (0.4, 0.9, 0.6, 0.92)
    boxes = [foot, below_right, right, left, title]
    assert [boxes[index] for index in layout.reading_order(boxes)] == [title, left, right, below_right, foot]


@given(st.lists(st.tuples(*[st.floats(0, 0.9)] * 2, *[st.floats(0.01, 0.1)] * 2), max_size=30))
def test_every_box_is_read_exactly_once(shapes: list[tuple[float, float, float, float]]) -> None:
    order = layout.reading_order([(x, y, x + w, y + h) for x, y, w, h in shapes])
    assert sorted(order) == list(range(len(shapes)))


def test_cells_beside_their_keys_are_read_across_and_columns_of_prose_are_not() -> None:
    cells = words(*((text, x, 0.1 + 0.03 * row, 2 * row + column) for row in range(3)
                    for column, (text, x) in enumerate((("Key", 0.1), ("value", 0.4)))))
    (block,) = layout.blocks(cells, layout.segments(cells, 1.0), [], False)
    assert block.text == "Key  value\nKey  value\nKey  value"
    prose = words(*(("x" * 38, x, 0.1 + 0.03 * row, 2 * row + column) for row in range(3)
                    for column, x in enumerate((0.1, 0.52))))
    assert len(layout.blocks(prose, layout.segments(prose, 1.0), [], False)) == 2


def test_a_larger_short_line_and_a_numbered_one_are_headings() -> None:
    page = words(("Title", 0.1, 0.05, 0), *((f"words{n}", 0.1, 0.2 + 0.03 * n, n + 1) for n in range(4)),
                 ("2.", 0.1, 0.5, 8), ("Term", 0.13, 0.5, 8), ("w" * 60, 0.1, 0.53, 9))
    page.boxes[0, 3] += 0.02
    found = layout.blocks(page, layout.segments(page, 1.0), [], False)
    assert [(block.kind, block.text.split("\n")[0]) for block in found] == [
        ("heading", "Title"), ("paragraph", "words0"), ("heading", "2. Term"), ("paragraph", "w" * 60)]
    assert layout.markdown(found).startswith("## Title\n\nwords0")


def ruled(columns: int, rows: int) -> np.ndarray:
    pixels = np.full((600, 800, 3), 255, np.uint8)
    for column in range(columns + 1):
        pixels[100:100 + 60 * rows, 100 + 120 * column:102 + 120 * column] = 0
    for row in range(rows + 1):
        pixels[100 + 60 * row:102 + 60 * row, 100:102 + 120 * columns] = 0
    return pixels


def test_the_cells_of_a_ruled_table_hold_the_words_in_them() -> None:
    page = words(*((f"{row}{column}", 0.15 + 0.15 * column, 0.2 + 0.1 * row, row) for row in range(3)
                   for column in range(4)))
    (table,) = layout.ruled_tables(ruled(4, 3), page, False)
    assert [(cell.row, cell.column, cell.text) for cell in table.cells] == [
        (row, column, f"{row}{column}") for row in range(3) for column in range(4)]
    assert layout.markdown([table]).splitlines()[:3] == ["| 00 | 01 | 02 | 03 |", "| --- | --- | --- | --- |",
                                                         "| 10 | 11 | 12 | 13 |"]


def test_a_frame_round_everything_is_no_table() -> None:
    page = words(("alone", 0.3, 0.3, 0))
    assert layout.ruled_tables(ruled(1, 1), page, False) == []
    assert layout.ruled_tables(np.full((600, 800, 3), 255, np.uint8), page, False) == []
