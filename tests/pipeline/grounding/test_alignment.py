"""Alignment of a text with a page: in order, moved, nearly the same, cut and run together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.grounding.alignment import Alignment, Gap, align, counted
from pipeline.grounding.tokens import page_tokens, text_tokens


def aligned(text: str, page: str, ocr: bool = False) -> Alignment:
    return align(text_tokens(text)[0], page_tokens(page.split()), 0.6 if ocr else 0.75, ocr)


def test_the_same_words_stand_in_order() -> None:
    assert aligned("a b c", "a b c") == Alignment([0, 1, 2], [1.0] * 3, [False] * 3, [1.0] * 3)


def test_what_only_one_side_has_is_matched_by_nothing() -> None:
    found = aligned("a new b", "a b old")
    assert (found.at, found.found) == ([0, -1, 1], [1.0, 1.0, 0.0])
    assert list(found.gaps()) == [Gap(1, 2, 1, 1), Gap(3, 3, 2, 3)]


def test_passages_in_another_order_are_found_and_said_to_be_moved() -> None:
    found = aligned("six seven eight nine one two three four five", "one two three four five six seven eight nine")
    assert found.at == [5, 6, 7, 8, 0, 1, 2, 3, 4]
    assert found.moved == [True] * 4 + [False] * 5


def test_single_words_are_not_looked_for_elsewhere_but_long_numbers_are() -> None:
    assert aligned("b one two three", "one two three b").at == [-1, 0, 1, 2]
    assert aligned("4711 one two three", "one two three 4711").at == [3, 0, 1, 2]


def test_words_in_a_row_may_stand_on_the_page_singly() -> None:
    page = "one two rest three four sum five six date seven"
    assert aligned("date sum rest one two three four five six seven", page).at == [8, 5, 2, 0, 1, 3, 4, 6, 7, 9]
    assert aligned("date sum new one two three four five six seven", page).at == [-1, -1, -1, 0, 1, 3, 4, 6, 7, 9]


def test_words_that_are_alike_match_by_their_likeness() -> None:
    found = aligned("the agreemcnt ends", "the agreement ends")
    assert found.at == [0, 1, 2]
    assert 0.8 < found.likeness[1] < 1.0
    assert aligned("the lease ends", "the agreement ends").at == [0, -1, 2]


def test_short_words_must_be_the_same_in_a_text_layer_but_not_with_ocr() -> None:
    assert aligned("in tbe end", "in the end").at == [0, -1, 2]
    assert aligned("in tbe end", "in the end", ocr=True).at == [0, 1, 2]


def test_words_cut_and_run_together_match_whole() -> None:
    cut = aligned("one agreement two", "one agree- ment two")
    assert (cut.likeness, cut.found) == ([1.0] * 3, [1.0] * 4)
    assert aligned("one of the two", "one ofthe two").at == [0, 1, 1, 2]
    assert aligned("EUR 500 due", "EUR500 due").at == [0, 0, 1]


def test_numbers_match_by_worth_and_never_by_likeness() -> None:
    assert aligned("sum 1234.50 due", "sum 1,234.50 due").at == [0, 1, 2]
    assert aligned("sum 1234567 due", "sum 1234568 due").at == [0, -1, 2]


def test_what_faces_a_formula_does_not_count() -> None:
    said, page = text_tokens("one $x^2$ two <b> three")[0], page_tokens("one y2 two three lost".split())
    checked, wanted = counted(align(said, page, 0.75, False), said, page, False)
    assert dict(zip(said.keys, checked, strict=True)) == {
        "one": True, "$": False, "x": False, "2": False, "two": True, "b": False, "three": True}
    assert wanted == [True, False, True, True, True]


@given(st.lists(st.sampled_from("a b c dd eee 12 345".split()), max_size=30),
       st.lists(st.sampled_from("a b c dd eee 12 345".split()), max_size=30), st.booleans())
def test_every_match_is_of_alike_tokens_and_every_gap_is_unmatched(said: list[str], page: list[str], ocr: bool) -> None:
    found = aligned(" ".join(said), " ".join(page), ocr)
    assert len(found.at) == len(said)
    assert len(found.found) == len(page)
    for place, token in enumerate(found.at):
        assert (token >= 0) == (found.likeness[place] > 0)
        assert token < 0 or found.found[token] > 0
    covered = [place for gap in found.gaps() for place in range(gap.start, gap.end)]
    assert covered == [place for place, token in enumerate(found.at) if token < 0]
    faced = {token for gap in found.gaps() for token in range(gap.page_start, gap.page_end)}
    assert faced == {token for token, share in enumerate(found.found) if not share}
