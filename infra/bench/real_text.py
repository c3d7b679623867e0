"""Real text set on pages, in one column or two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pymupdf

WIDTH, HEIGHT, MARGIN, GUTTER = 595, 842, 50, 20
SIZE, LEADING = 9.5, 12.5
FACES = {1: "helv", 2: "tiro"}


MARKUP = (
    (r"(?s:```.*?```|<!--.*?-->)|</?[A-Za-z][^<>]*>|!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])", " "),
    (r"^\s*\.\. .*$|^\s*\[[^\]]*\]:.*$", " "),
    (r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1"),
    (r"`([^`<]*)<[^>]*>`_*|`+([^`]*)`+_*", r"\1\2"),
    (r"^[\s|+=~^#*-]+$", ""),
    (r"[|^~*#]+|={2,}|-{2,}|\\", " "),
)
"""What Markdown and reStructuredText print as something else, or not at all."""


def prose(text: str) -> str:
    """A text without its markup, as a page would print it."""
    for pattern, instead in MARKUP:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def typeset(text: str, path: Path, columns: int, pages: int) -> None:
    """Write a PDF of at most so many pages, without the characters that the font lacks."""
    font = pymupdf.Font(FACES[columns])
    width = (WIDTH - 2 * MARGIN - GUTTER * (columns - 1)) / columns
    room = int((HEIGHT - 2 * MARGIN) / LEADING)
    lines = list(_lines(prose(text), font, width))
    with pymupdf.open() as document:
        for first in range(0, min(len(lines), pages * columns * room), columns * room):
            page = document.new_page(width=WIDTH, height=HEIGHT)
            ink = pymupdf.TextWriter(page.rect)
            for place, line in enumerate(lines[first : first + columns * room]):
                column, row = divmod(place, room)
                if line:
                    ink.append((MARGIN + column * (width + GUTTER), MARGIN + (row + 1) * LEADING), line, font, SIZE)
            ink.write_text(page)
        document.save(path)


def _lines(text: str, font: pymupdf.Font, width: float) -> Iterator[str]:
    """The lines of paragraphs, which an empty one ends. What is longer than a line is left out."""
    shown = "".join(ch for ch in text if ch.isspace() or font.has_glyph(ord(ch)))
    for paragraph in re.split(r"\n\s*\n", shown):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if font.text_length(longer, SIZE) <= width:
                line = longer
            elif font.text_length(word, SIZE) <= width:
                yield line
                line = word
        if line:
            yield from (line, "")
