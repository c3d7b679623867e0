"""The sheet on which the pages of the exam set are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import pymupdf

A4 = (595.0, 842.0)
BLACK = (0.0, 0.0, 0.0)
GREY = (0.45, 0.45, 0.45)


class Sheet:
    """A document being drawn, with one typeface (a base-14 pair) throughout."""

    def __init__(self, plain: str = "helv", bold: str = "hebo", size: float = 10.5) -> None:
        self.doc = pymupdf.open()
        self.plain, self.bold, self.size = plain, bold, size
        self.page: pymupdf.Page
        self.new_page()

    def new_page(self) -> None:
        """Start the next page."""
        self.page = self.doc.new_page(width=A4[0], height=A4[1])

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        bold: bool = False,
        size: float = 0.0,
        align: str = "l",
        color: tuple[float, float, float] = BLACK,
    ) -> None:
        """Write one line at baseline `y`; `x` is its left end, right end ("r") or middle ("c")."""
        font, points = (self.bold if bold else self.plain), size or self.size
        width = pymupdf.Font(font).text_length(words, points)
        left = x - {"l": 0.0, "r": width, "c": width / 2}[align]
        self.page.insert_text((left, y), words, fontname=font, fontsize=points, color=color)

    def lines(self, x: float, y: float, rows: Sequence[str], step: float = 14.0, size: float = 0.0) -> float:
        """Write rows under each other; return the baseline after the last."""
        for row in rows:
            self.text(x, y, row, size=size)
            y += step
        return y

    def pairs(
        self,
        x: float,
        x_value: float,
        y: float,
        rows: Sequence[tuple[str, str]],
        step: float = 16.0,
        align: str = "l",
        bold_key: bool = False,
    ) -> float:
        """Write key and value columns; return the baseline after the last."""
        for key, value in rows:
            self.text(x, y, key, bold=bold_key)
            self.text(x_value, y, value, align=align)
            y += step
        return y

    def prose(self, x: float, y: float, width: float, words: str, step: float = 14.0) -> float:
        """Write a wrapped paragraph; return the baseline after it."""
        line = ""
        for word in words.split():
            longer = f"{line} {word}".strip()
            if line and pymupdf.Font(self.plain).text_length(longer, self.size) > width:
                self.text(x, y, line)
                y, longer = y + step, word
            line = longer
        self.text(x, y, line)
        return y + step

    def rule(self, x0: float, y: float, x1: float, width: float = 0.7) -> None:
        """Draw a horizontal line."""
        self.page.draw_line((x0, y), (x1, y), color=GREY, width=width)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: float | None = None) -> None:
        """Draw a frame, on a grey ground if `fill` is given."""
        ground = None if fill is None else (fill, fill, fill)
        self.page.draw_rect((x0, y0, x1, y1), color=GREY, fill=ground, width=0.7)

    def table(
        self,
        y: float,
        columns: Sequence[tuple[float, str, str]],
        rows: Sequence[Sequence[str]],
        step: float = 18.0,
        grid: tuple[float, float] | None = None,
    ) -> float:
        """Write a table; a column is (x, align, heading), `grid` the ends of its rules."""
        left, right = grid or (columns[0][0], columns[-1][0])
        for x, align, heading in columns:
            self.text(x, y, heading, bold=True, align=align)
        self.rule(left, y + 5, right, 1.2)
        for row in rows:
            y += step
            for (x, align, _), cell in zip(columns, row, strict=True):
                self.text(x, y, cell, align=align)
            if grid:
                self.rule(left, y + 5, right, 0.4)
        return y + step
