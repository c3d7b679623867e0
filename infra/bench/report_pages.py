"""Draws PDFs whose pages look like those of real reports: text, tables, charts, photos, contracts and scans.

Everything is seeded and every page differs, so that no cache helps whoever reads them. Fonts are embedded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymupdf

DEMO = Path(__file__).parents[1] / "demo"
WIDTH, HEIGHT, MARGIN = 595, 842, 50
FACES = {"sans": "helv", "bold": "hebo", "serif": "tiro", "italic": "tiit", "mono": "cour"}
KINDS = ("text",) * 58 + ("table",) * 14 + ("chart",) * 12 + ("photo",) * 6 + ("contract",) * 6 + ("scan",) * 4
"""What a hundred pages are."""


@lru_cache(maxsize=1)
def vocabulary() -> list[str]:
    """English words, those of the demo's texts."""
    return sorted(set(re.findall(r"[A-Za-z]{2,}", (DEMO / "texts.json").read_text("utf-8").replace("\\n", " "))))


@lru_cache(maxsize=8)
def face(name: str) -> Any:
    """One of the fonts of FACES, for measuring and for embedding."""
    return pymupdf.Font(FACES[name])


@lru_cache(maxsize=100_000)
def width_of(text: str, name: str) -> float:
    """The width of a text at size 1."""
    return float(face(name).text_length(text, 1))


class Writer:
    """Writes on one page from the top down."""

    def __init__(self, page: Any, rng: np.random.Generator) -> None:
        self.page, self.rng, self.y = page, rng, float(MARGIN)
        self.ink = pymupdf.TextWriter(page.rect)

    def words(self, count: int) -> str:
        """So many words, some of them numbers, the first one capital."""
        picked = [str(word) for word in self.rng.choice(vocabulary(), count)]
        for place in range(3, count, 11):
            picked[place] = f"{self.rng.integers(1, 99_999):,}"
        return " ".join(picked).capitalize() + "."

    def line(self, text: str, name: str = "serif", size: float = 10, x: float = MARGIN, step: float = 1.3) -> None:
        """One line, and down."""
        self.y += size * step
        self.ink.append((x, self.y), text, face(name), size)

    def paragraph(self, count: int, name: str, size: float, left: float = MARGIN,
                  right: float = WIDTH - MARGIN) -> None:
        """A paragraph of so many words, broken at the right margin."""
        line: list[str] = []
        used = 0.0
        for word in self.words(count).split():
            wide = size * width_of(f"{word} ", name)
            if line and used + wide > right - left:
                self.line(" ".join(line), name, size, left)
                line, used = [], 0.0
            line.append(word)
            used += wide
        self.line(" ".join(line), name, size, left)
        self.y += size * 0.6

    def text(self) -> None:
        """A dense page, in one column or two."""
        self.line(self.words(5), "bold", 15)
        columns = 1 if self.rng.random() < 0.7 else 2
        width = (WIDTH - 2 * MARGIN - 18 * (columns - 1)) / columns
        top = self.y
        for column in range(columns):
            self.y, left = top, MARGIN + column * (width + 18)
            while self.y < HEIGHT - 150:
                name = str(self.rng.choice(["serif", "serif", "sans", "italic"]))
                self.paragraph(int(self.rng.integers(50, 100) / columns), name, 9.5, left, left + width)
                if self.rng.random() < 0.3:
                    self.line(self.words(3), "bold", 11, left)

    def table(self) -> None:
        """A ruled table of numbers, with a paragraph below it."""
        self.line(self.words(6), "bold", 12)
        top, columns = self.y + 8, 7
        step = (WIDTH - 2 * MARGIN) / columns
        rows = int(self.rng.integers(30, 38))
        for row in range(rows):
            self.y = top + row * 15
            for column in range(columns):
                cell = self.words(1)[:12] if not column else f"{self.rng.integers(0, 9_999_999) / 100:,.2f}"
                self.ink.append((MARGIN + column * step + 3, self.y + 11), cell, face("sans" if row else "bold"), 8.5)
        shape = self.page.new_shape()
        for row in range(rows + 1):
            shape.draw_line((MARGIN, top + row * 15), (WIDTH - MARGIN, top + row * 15))
        for column in range(columns + 1):
            shape.draw_line((MARGIN + column * step, top), (MARGIN + column * step, top + rows * 15))
        shape.finish(width=0.5)
        shape.commit()
        self.y = top + rows * 15 + 6
        self.paragraph(70, "serif", 9.5)

    def chart(self) -> None:
        """A line chart of four series, a bar chart, and text around them."""
        self.paragraph(120, "serif", 10)
        top = self.y + 5
        shape = self.page.new_shape()
        for _ in range(4):
            walk = np.cumsum(self.rng.normal(0, 4, 240))
            walk = 10 + 150 * (walk - walk.min()) / np.ptp(walk)
            shape.draw_polyline([(MARGIN + 2.05 * x, top + 170 - float(y)) for x, y in enumerate(walk)])
            shape.finish(color=tuple(self.rng.random(3)), width=0.8, closePath=False)
        for grid in range(9):
            shape.draw_line((MARGIN, top + 20 * grid), (WIDTH - MARGIN, top + 20 * grid))
            shape.finish(color=(0.8, 0.8, 0.8), width=0.3)
            self.ink.append((MARGIN - 18, top + 20 * grid), str(160 - 20 * grid), face("sans"), 7)
        for bar in range(48):
            height = float(self.rng.uniform(5, 120))
            shape.draw_rect((MARGIN + bar * 10, top + 320 - height, MARGIN + bar * 10 + 7, top + 320))
            shape.finish(fill=tuple(self.rng.random(3)), width=0.2)
        shape.commit()
        self.y = top + 330
        while self.y < HEIGHT - 130:
            self.paragraph(80, "serif", 10)

    def photo(self) -> None:
        """A photograph with text below it."""
        self.paragraph(60, "sans", 10)
        self.page.insert_image((MARGIN, self.y, WIDTH - MARGIN, self.y + 320), stream=photograph(self.rng))
        self.y += 330
        while self.y < HEIGHT - 130:
            self.paragraph(80, "sans", 10)


def photograph(rng: np.random.Generator) -> bytes:
    """A JPEG with the detail and noise of a photograph, 1,500 x 970 px."""
    image = np.zeros((970, 1500, 3), np.float32)
    for side in (6, 24, 96, 380):
        coarse = rng.normal(0, 90 / side**0.3, (side, side, 3)).astype(np.float32)
        image += cv2.resize(coarse, (1500, 970), interpolation=cv2.INTER_CUBIC)
    image += 128 + rng.normal(0, 3, image.shape).astype(np.float32)
    return bytes(cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


@lru_cache(maxsize=1)
def _letter() -> Any:
    with pymupdf.open(DEMO / "corpus/scanned-letter.pdf") as source:
        found = source.extract_image(source[0].get_images()[0][0])["image"]
    return cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_GRAYSCALE)


def scan(rng: np.random.Generator) -> bytes:
    """The demo's scanned letter, once more through the scanner."""
    noisy = _letter().astype(np.float32) + rng.normal(0, 2, _letter().shape)
    return bytes(cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 75])[1])


def draw(path: Path, pages: int, seed: int, kinds: tuple[str, ...] = KINDS) -> None:
    """Write one PDF whose pages are a shuffled mixture of kinds."""
    rng = np.random.default_rng(seed)
    order = [kinds[int(place)] for place in rng.permutation(np.arange(pages) % len(kinds))]
    with pymupdf.open() as document, pymupdf.open(DEMO / "corpus/supply-agreement.pdf") as contract:
        for number, kind in enumerate(order):
            if kind == "contract":
                document.insert_pdf(contract, from_page=number % 3, to_page=number % 3)
                page = document[-1]
            else:
                page = document.new_page(width=WIDTH, height=HEIGHT)
            if kind == "scan":
                page.insert_image(page.rect, stream=scan(rng))
                continue
            writer = Writer(page, rng)
            drawers: dict[str, Callable[[], None]] = {
                "text": writer.text, "table": writer.table, "chart": writer.chart, "photo": writer.photo}
            if kind in drawers:
                drawers[kind]()
            footer = f"{path.stem}, page {number + 1} of {pages}: {writer.words(6)}"
            writer.ink.append((MARGIN, HEIGHT - 25), footer, face("sans"), 8.5)
            writer.ink.write_text(page)
        document.save(path, garbage=3, deflate=True)
