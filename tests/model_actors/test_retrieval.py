"""The passages that bear on a question."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model_actors.retrieval import PASSAGES, best_passages, tokens

PAGES = ["The supplier delivers every Monday.", "Termination takes sixty days of notice.", "Both parties sign below.",
         "Notice is given in writing; notice by telephone is no notice.", "Prices are in euro."]


def test_the_passages_that_share_rare_words_come_first() -> None:
    assert [place for place, _ in best_passages("termination notice", PAGES)] == [1, 3]


def test_accents_and_case_do_not_matter() -> None:
    assert tokens("Kündigung FRIST") == tokens("kundigung frist")


def test_a_question_without_a_shared_word_finds_nothing() -> None:
    assert best_passages("forklift", PAGES) == []
    assert best_passages("anything", []) == []
    assert best_passages("?", ["", "!"]) == []


@given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=6))
def test_at_most_three_passages_come_best_first(query: str, passages: list[str]) -> None:
    found = best_passages(query, passages)
    scores = [score for _, score in found]
    assert len(found) <= PASSAGES
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
