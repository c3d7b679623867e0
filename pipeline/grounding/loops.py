"""Finds where a text repeats itself: models that lose the thread write one phrase over and over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GRAM = 3
"""Tokens by which a passage is known again."""

COPIES, LONG = 3, 8
"""Copies in a row that make a loop; of a phrase of LONG tokens or more two do."""

LEAST = 6
"""Repeated tokens below which it is none."""


@dataclass(frozen=True)
class Loop:
    """Tokens from `start` to `end` that say again what the `period` tokens before them say."""

    start: int
    end: int
    period: int


def loops(text: Sequence[str], page: Sequence[str]) -> Iterator[Loop]:
    """Repetitions in the tokens of a text that those of its page do not have as often, in order.

    A repetition is a run of tokens each of which is the same as a constant number before it. A table of where each
    3-gram stood last finds them in linear time.
    """
    grams = list(zip(text, text[1:], text[2:], strict=False))
    if len(grams) - len(set(grams)) < LEAST - GRAM + 1:
        return
    last: dict[tuple[str, ...], int] = {}
    start = period = 0
    runs: list[Loop] = []
    for place, gram in enumerate([*grams, ()]):
        if not period or gram != grams[place - period]:
            run = place - start + GRAM - 1
            if period and run >= max(LEAST, period * (1 if period >= LONG else COPIES - 1)):
                runs.append(Loop(start, start + run, period))
            start, period = place, place - last.get(gram, place)
        last[gram] = place
    if runs:
        said, there = Counter(grams), Counter(zip(page, page[1:], page[2:], strict=False))
        for loop in runs:
            phrase = grams[loop.start : loop.start + loop.period]
            excess = sum(said[gram] - there[gram] for gram in phrase) / len(phrase)
            if excess >= (loop.end - loop.start) / loop.period / 2:
                yield loop
