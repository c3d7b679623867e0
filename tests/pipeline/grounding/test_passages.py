"""Where a short text stands on a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grounding.passages import Passage, find
from pipeline.grounding.tokens import page_tokens, text_tokens

PAGE = page_tokens("Invoice 4711 of 3 May for Brindlewick Pump Works Ltd and for Harbour Pump Stores Ltd".split())


def found(text: str, source: str = "text_layer") -> Passage | None:
    return find(text_tokens(text)[0], PAGE, source)


def test_the_same_words_are_found_exactly_and_whole() -> None:
    assert found("PUMP WORKS") == Passage((7, 8), 1.0, exact=True)


def test_of_several_places_the_one_most_like_it_is_taken() -> None:
    nearly = found("Harbor Pump Stores")
    assert nearly is not None
    assert (nearly.tokens, nearly.exact, nearly.contradicted) == ((12, 13, 14), False, False)
    assert 0.95 < nearly.share < 1.0


def test_another_number_in_its_place_contradicts_it() -> None:
    wrong = found("Invoice 4712 of 3 May")
    assert wrong is not None
    assert wrong.contradicted
    assert found("Invoice 4711 of 3 May") == Passage((0, 1, 2, 3, 4), 1.0, exact=True)


def test_a_number_alone_is_contradicted_by_one_that_is_alike() -> None:
    swapped, other = found("4171"), found("4798")
    assert swapped == Passage((1,), 0.0, contradicted=True)
    assert other is None or not other.contradicted


@pytest.mark.parametrize("text", ["", "zebra crossing", "..."])
def test_what_is_nowhere_is_not_found(text: str) -> None:
    assert found(text) is None


@given(st.integers(0, 15), st.integers(1, 6))
def test_every_passage_of_a_page_is_found_in_it(start: int, length: int) -> None:
    keys = PAGE.keys[start : start + length]
    passage = found(" ".join(keys)) if keys else Passage((), 1.0, exact=True)
    assert passage is not None
    assert passage.exact
    assert [PAGE.keys[token] for token in passage.tokens] == keys
