"""The passages that bear on a question, by BM25 (through the bm25s library)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

TOKEN = re.compile(r"\w+", re.UNICODE)
PASSAGES = 3


def tokens(text: str) -> list[str]:
    """Lower-case words without accents; numbers stay whole."""
    plain = "".join(ch for ch in unicodedata.normalize("NFKD", text) if not unicodedata.combining(ch))
    return TOKEN.findall(plain.casefold())


def best_passages(query: str, passages: Sequence[str]) -> list[tuple[int, float]]:
    """Up to three passages that share a word with the query, best first: (index, BM25 score)."""
    import bm25s

    corpus = [tokens(passage) for passage in passages]
    known = {token for passage in corpus for token in passage}
    wanted = [token for token in tokens(query) if token in known]
    if not wanted:
        return []
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    scores = index.get_scores(wanted)
    ranked = sorted(range(len(corpus)), key=lambda place: (-scores[place], place))[:PASSAGES]
    return [(place, float(scores[place])) for place in ranked if scores[place] > 0]
