"""What differs between a text and its page, token by token."""

from __future__ import annotations

import pytest

from pipeline.grounding.alignment import align, counted
from pipeline.grounding.differences import THRESHOLDS, Compared, Difference, differences
from pipeline.grounding.tokens import page_tokens, text_tokens


def found(text: str, *lines: str, source: str = "text_layer") -> list[Difference]:
    words = [(word, number) for number, line in enumerate(lines) for word in line.split()]
    said, page, ocr = text_tokens(text)[0], page_tokens([word for word, _ in words]), source == "ocr"
    made = align(said, page, THRESHOLDS[source].alike, ocr)
    numbers = [words[index][1] for index in page.words]
    return list(differences(Compared(said, page, made, *counted(made, said, page, ocr), numbers, source)))


def test_the_same_text_has_no_differences() -> None:
    assert found("one two 345", "one two", "345") == []


def test_a_wrong_number_faces_the_one_in_its_place_that_is_most_like_it() -> None:
    assert found("cost 4519 net", "cost 77 4510 net")[0] == Difference("contradiction", 1, 2, [2])


def test_words_in_the_place_of_others_face_them() -> None:
    assert found("the Miller house", "the Weber house") == [Difference("unsupported", 1, 2, [1])]


@pytest.mark.parametrize(("source", "lines", "expected"), [
    ("text_layer", ("shall not end",), [Difference("omission", 1, 1, [1])]), ("ocr", ("shall not end",), []),
    ("ocr", ("shall", "never", "end"), [Difference("omission", 1, 1, [1])]),
    ("ocr", ("shall in no case end",), [Difference("omission", 1, 1, [1, 2, 3])]),
    ("text_layer", ("shall", "•", "end"), []), ("text_layer", ("shall", "o", "end"), [])])
def test_what_is_left_out_counts_by_its_length_or_as_a_line(
        source: str, lines: tuple[str, ...], expected: list[Difference]) -> None:
    assert found("shall end", *lines, source=source) == expected


@pytest.mark.parametrize(("source", "added", "expected"), [
    ("text_layer", "new", 1), ("text_layer", "x", 0), ("ocr", "strange", 0), ("ocr", "strange new words", 1),
    ("ocr", "12 34 56", 0)])
def test_what_is_added_counts_by_its_length(source: str, added: str, expected: int) -> None:
    assert len(found(f"one two {added} three four", "one two three four", source=source)) == expected


def test_the_words_of_a_loop_are_told_once() -> None:
    assert found("one two" + " three four" * 5, "one two three four") == [Difference("loop", 4, 12, [2, 3])]
