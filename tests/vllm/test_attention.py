"""Rows cut at images, and windows: who sees whom, against the reference's own masks."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_actors.vllm_attention import canvas_windows, cut_rows, image_window


@st.composite
def steps(draw: st.DrawFn) -> tuple[list[int], list[int], list[bool], list[list[tuple[int, int]]]]:
    """Requests of one step: first queries, tokens computed before, whether they prefill, and their images."""
    starts, computed, prefilling, images = [0], [], [], []
    for _ in range(draw(st.integers(1, 4))):
        place, found = 0, []
        for _ in range(draw(st.integers(0, 3))):
            left = place + draw(st.integers(1, 5))
            place = left + draw(st.integers(1, 6))
            found.append((left, place - 1))
            place += draw(st.integers(0, 3))
        length = place + draw(st.integers(1, 5))
        begin = draw(st.integers(0, length - 1))
        starts.append(starts[-1] + draw(st.integers(1, length - begin)))
        computed.append(begin)
        prefilling.append(draw(st.booleans()))
        images.append(found)
    return starts, computed, prefilling, images


@given(steps())
def test_cut_rows_see_what_the_reference_shows(
        step: tuple[list[int], list[int], list[bool], list[list[tuple[int, int]]]]) -> None:
    starts, computed, prefilling, images = step
    rows = cut_rows(starts, computed, prefilling, images)
    ends = [computed[number] + starts[number + 1] - starts[number] for number in range(len(computed))]
    has_image = any(prefilling[number] and left < ends[number] and right >= computed[number]
                    for number in range(len(computed)) for left, right in images[number])
    assert (rows is not None) == has_image
    if rows is None:
        return
    assert rows.starts[0] == 0
    assert rows.starts[-1] == starts[-1]
    for row, source in enumerate(rows.source):
        for query in range(rows.starts[row], rows.starts[row + 1]):
            assert starts[source] <= query < starts[source + 1]
            if not prefilling[source]:
                assert (rows.ends[row], bool(rows.image[row])) == (-1, False)
                continue
            place = computed[source] + query - starts[source]
            inside = [right for left, right in images[source] if left <= place <= right]
            last = min(inside[0], ends[source] - 1) if inside else place
            position_of_row = rows.ends[row] - (rows.starts[row + 1] - query)  # how kernels place a query
            assert position_of_row == place
            assert (rows.ends[row] - 1 if rows.image[row] else place) == last


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 30))
def test_a_canvas_sees_the_last_tokens_of_a_window_and_all_of_itself(window: int, width: int, before: int) -> None:
    block, table = 4, torch.randperm(16, generator=torch.Generator().manual_seed(before))[None]
    made = canvas_windows(window, width, torch.tensor([7]), torch.tensor([before + width]), table, block,
                          torch.tensor([True]))
    assert made.queries.tolist() == [list(range(7, 7 + width))]
    seen = {int(slot) for slot, sees in zip(made.slots[0], made.seen[0, 0], strict=True) if sees}
    wanted = range(max(0, before - window + 1), before + width)
    assert seen == {int(table[0, place // block]) * block + place % block for place in wanted}


@given(st.integers(2, 8), st.integers(0, 10), st.integers(0, 12), st.data())
def test_an_image_sees_all_of_itself_and_what_slides_before_it(window: int, left: int, length: int,
                                                              data: st.DataObject) -> None:
    right = left + length
    begin = data.draw(st.integers(left, right))
    made = image_window(window, 3, begin, (left, right), torch.arange(8), 4)
    assert made.queries.tolist() == [list(range(3, 3 + right + 1 - begin))]
    for row, place in enumerate(range(begin, right + 1)):
        seen = {int(slot) for slot, sees in zip(made.slots[0], made.seen[0, row], strict=True) if sees}
        held = range(max(0, begin - window + 1), right + 1)
        assert seen == (set(range(left, right + 1)) | set(range(max(0, place - window + 1), place))) & set(held)


def test_positions_of_the_properties_above_are_those_of_arrays() -> None:
    rows = cut_rows([0, 6, 9], [2, 0], [True, True], [[(3, 5)], []])
    assert rows is not None
    assert (rows.source.tolist(), rows.starts.tolist(), rows.ends.tolist(), rows.image.tolist()) == (
        [0, 0, 0, 1], [0, 1, 4, 6, 9], [3, 6, 8, 3], [False, True, False, False])
    assert rows.source.dtype == np.int64
