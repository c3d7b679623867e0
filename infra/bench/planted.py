"""Transcripts of real pages with one error planted in each, and whether grounding finds it there."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from model_actors.engine import Words
from pipeline.grounding.ground import Finding, Grounding

NAMES = ("Abernathy Baxendale Castellano Dombrowski Eastwick Fitzgerald Grunwald Hawthorne Ingersoll Jankowski "
         "Kowalczyk Lindqvist Montgomery Nakamura Oppenheim Pemberton Quimby Rutherford Szymanski Thackeray Underhill "
         "Vandermeer Whitcombe Yamaguchi Zimmermann").split()
SENTENCES = (
    "The board approved a further payment to the contractor without any written reason.",
    "Visitors must leave their umbrellas with the porter at the eastern gate.",
    "No refund will be granted once the seal of the package has been broken.",
    "Rainfall during the harvest was the heaviest since records began in this valley.",
    "An independent surveyor confirmed that the foundations were laid below the frost line.",
    "Every apprentice keeps a notebook in which the day's work is described and signed.",
    "Tickets bought at the counter are valid for a single journey on that evening only.",
    "Her grandmother sold lavender and dried beans on the market square each Saturday.",
)


@dataclass(frozen=True)
class Planted:
    """A transcript with an error, of which word of the page each of its words is, and a test of what was found."""

    text: str
    origins: list[int | None]
    is_caught: Callable[[Grounding], bool]


def clean(words: Words) -> Planted:
    """The words of a page, line by line."""
    return _planted([[(words.texts[index], index) for index in line] for line in lines(words)],
                    lambda grounding: not grounding.findings)


def lines(words: Words) -> list[list[int]]:
    """The words of each line, in their order."""
    found: list[list[int]] = []
    for index, line in enumerate(words.lines.tolist()):
        if not found or line != words.lines[index - 1]:
            found.append([])
        found[-1].append(index)
    return found


def digit(words: Words, rng: random.Random, least: int) -> Planted | None:
    """One digit changed in a number of `least` digits or more.

    Where the changed number stands elsewhere on the page too, it is no contradiction; then it must be told as
    unsupported. Either way something must be named that is printed instead.
    """
    places = [index for index, text in enumerate(words.texts) if len(re.findall(r"\d", text)) >= least]
    if not places:
        return None
    place = rng.choice(places)
    text = words.texts[place]
    at = rng.choice([match.start() for match in re.finditer(r"\d", text)])
    changed = text[:at] + rng.choice([other for other in "0123456789" if other != text[at]]) + text[at + 1 :]
    return _replaced(words, {place: changed}, lambda grounding: any(
        changed in finding.text and finding.expected
        for finding in _of(grounding, "contradiction", "unsupported")))


def sentence(words: Words, rng: random.Random) -> Planted | None:
    """A sentence of which nothing is on the page, put between two lines."""
    every = lines(words)
    added = rng.choice(SENTENCES).split()
    at = rng.randrange(len(every) + 1)
    rows = [[(words.texts[index], index) for index in line] for line in every]
    return _planted([*rows[:at], [(word, None) for word in added], *rows[at:]], lambda grounding: any(
        _shared(added, finding.text.split()) >= len(added) / 2 for finding in _of(grounding, "unsupported")))


def name(words: Words, rng: random.Random) -> Planted | None:
    """A capitalised word within a line that gave way to a name, or two that were swapped for each other."""
    places = [index for line in lines(words) for index in line[1:]
              if re.fullmatch(r"[A-Z][a-z]{3,}[.,;:]?", words.texts[index])]
    if len(places) < 2:
        return None
    one, other = rng.sample(places, 2)
    first, second = (words.texts[index].strip(".,;:") for index in (one, other))
    put = {one: rng.choice(NAMES)} if first == second or rng.random() < 0.5 else {one: second, other: first}
    return _replaced(words, put, lambda grounding: any(
        wrong in finding.text for finding in _of(grounding, "unsupported") for wrong in put.values()))


def dropped_line(words: Words, rng: random.Random) -> Planted | None:
    """A line of six letters or more left out."""
    every = lines(words)
    places = [place for place, line in enumerate(every) if len("".join(words.texts[index] for index in line)) >= 6]
    if len(every) < 3 or not places:
        return None
    at = rng.choice(places)
    lost = [words.texts[index] for index in every[at]]
    rows = [[(words.texts[index], index) for index in line] for place, line in enumerate(every) if place != at]
    return _planted(rows, lambda grounding: any(
        _shared(lost, (finding.expected or "").split()) >= len(lost) / 2 for finding in _of(grounding, "omission")))


def loop(words: Words, rng: random.Random) -> Planted | None:
    """A phrase of 2 to 20 words that is said 4 to 8 times."""
    if len(words) < 12:
        return None
    length = rng.randint(2, min(20, len(words) // 3))
    start = rng.randrange(len(words) - length)
    order = [*range(start), *list(range(start, start + length)) * rng.randint(4, 8), *range(start + length, len(words))]
    return _planted([[(words.texts[index], index) for index in order]],
                    lambda grounding: bool(list(_of(grounding, "loop"))))


def columns(words: Words, rng: random.Random) -> Planted | None:
    """Two columns read across, or the right one first; None of a page that is not mostly set in two."""
    every = lines(words)
    sides: list[list[list[int]]] = [[], []]
    for line in every:
        left, right = float(words.boxes[line, 0].min()), float(words.boxes[line, 2].max())
        if right < 0.53:
            sides[0].append(line)
        elif left > 0.47:
            sides[1].append(line)
    if min(map(len, sides)) < 4 or sum(map(len, sides)) < 0.6 * len(every):
        return None
    within = {index for side in sides for line in side for index in line}
    head = [line for line in every if line[0] not in within]
    if rng.random() < 0.5:
        mixed = [*head, *sides[1], *sides[0]]
    else:
        level = sorted((line for side in sides for line in side),
                       key=lambda line: (round(float(words.boxes[line, 1].mean()), 2), words.boxes[line[0], 0]))
        mixed = [*head, *level]
    return _planted([[(words.texts[index], index) for index in line] for line in mixed], lambda grounding: (
        grounding.status not in ("absent", "contradicted") and bool(list(_of(grounding, "reading_order")))))


def _replaced(words: Words, put: dict[int, str], is_caught: Callable[[Grounding], bool]) -> Planted:
    return _planted([[(put.get(index, words.texts[index]), None if index in put else index) for index in line]
                     for line in lines(words)], is_caught)


def _planted(rows: Sequence[Sequence[tuple[str, int | None]]], is_caught: Callable[[Grounding], bool]) -> Planted:
    origins = [origin for row in rows for text, origin in row for _ in text.split()]
    return Planted("\n".join(" ".join(text for text, _ in row) for row in rows), origins, is_caught)


def _of(grounding: Grounding, *kinds: str) -> Iterator[Finding]:
    return (finding for finding in grounding.findings if finding.kind in kinds)


def _shared(some: Sequence[str], others: Sequence[str]) -> int:
    left = list(others)
    return sum(1 for word in some if word in left and left.remove(word) is None)
