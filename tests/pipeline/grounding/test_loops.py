"""Loops: phrases that a text says over and over and its page does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grounding.loops import Loop, loops


@pytest.mark.parametrize(("text", "page", "expected"), [
    ("a b c d", "a b c d", []), ("x a a a a a a a y", "x a y", [Loop(2, 8, 1)]),
    ("a b a b a b a b", "a b", [Loop(2, 8, 2)]), ("a b a b", "a b", []),
    ("a b a b a b a b", "a b a b a b a b", []), ("a b a b a b a b", "a b a b a b", []),
    ("a b c d e f g h a b c d e f g h", "a b c d e f g h", [Loop(8, 16, 8)]),
    ("a b c d e f g h a b c d e f g h", "a b c d e f g h i a b c d e f g h", []),
    ("", "", []), ("a a", "", []),
])
def test_a_repetition_is_a_loop_where_the_page_does_not_repeat_itself_as_often(
        text: str, page: str, expected: list[Loop]) -> None:
    assert list(loops(text.split(), page.split())) == expected


@given(st.lists(st.integers(), min_size=2, max_size=20, unique=True), st.integers(4, 9), st.integers(0, 5))
def test_every_phrase_said_four_times_or_more_is_found(phrase: list[int], copies: int, before: int) -> None:
    words = [f"w{number}" for number in phrase]
    head = [f"h{number}" for number in range(before)]
    found = list(loops(head + words * copies, head + words))
    assert found == [Loop(before + len(words), before + copies * len(words), len(words))]
