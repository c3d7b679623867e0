"""Pages made of lines of words, for what is told from a page's words alone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from model_actors.engine import Words
from pipeline.grounding.ground import Page


def words_of(*lines: str) -> Words:
    """The words of lines. Every character is 1 % of the page wide, every line 2 % high and 4 % below the last."""
    texts, boxes, numbers = [], [], []
    for number, line in enumerate(lines):
        place = 0
        for part in line.split(" "):
            if part:
                texts.append(part)
                boxes.append((place / 100, number * 0.04, (place + len(part)) / 100, number * 0.04 + 0.02))
                numbers.append(number)
            place += len(part) + 1
    return Words(texts, np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(texts), np.float32),
                 np.array(numbers, np.int32))


def page(*lines: str, source: Literal["text_layer", "ocr"] = "text_layer", number: int | None = 1,
         time_s: float | None = None) -> Page:
    """A page of lines."""
    return Page(number, time_s, words_of(*lines), source)
