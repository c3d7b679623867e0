"""Typeset the pages of the demo corpus with PyMuPDF and keep the true text of what was written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf

new_document: Callable[[], Any] = pymupdf.open
SEED = 20250601
SERIF, BOLD, ITALIC, SANS, SANS_BOLD, MONO = "tiro", "tibo", "tiit", "helv", "hebo", "cour"
TEXTS: dict[str, Any] = json.loads(Path(__file__).with_name("texts.json").read_text("utf-8"))
SUPPLIER, BUYER = TEXTS["supplier"], TEXTS["buyer"]
ITEMS: list[tuple[str, str, int, int]] = TEXTS[
    "items"
]  # part number, description, quantity, unit price in cents
NOTE_ITEMS: list[tuple[str, int, int]] = TEXTS["note_items"]  # description, quantity, unit price in cents


def money(cents: int) -> str:
    """Write an amount with thousands separators and two decimals."""
    return f"{cents // 100:,}.{cents % 100:02d}"


class Sheet:
    """One page being written from the top down, which remembers its true text line by line."""

    def __init__(self, doc: Any, width: float, height: float, margin: float, top: float) -> None:
        """Add a page to the document."""
        self.doc, self.number = doc, doc.page_count
        doc.new_page(width=width, height=height)
        self.left, self.right, self.y = margin, width - margin, top
        self.lines: list[str] = []

    @property
    def page(self) -> Any:
        """The page; asked for anew each time, since adding pages makes older handles stale."""
        return self.doc[self.number]

    def row(self, cells: list[tuple[float, str, str]], font: str, size: float, step: float = 1.35) -> None:
        """Write cells (x, alignment l/c/r, text) on one baseline and move down."""
        self.y += size * step
        for x, align, text in cells:
            shift = {"l": 0.0, "c": 0.5, "r": 1.0}[align] * pymupdf.get_text_length(text, font, size)
            self.page.insert_text((x - shift, self.y), text, fontname=font, fontsize=size)
        self.lines.append(" ".join(text for _, _, text in cells))

    def line(self, text: str, font: str = SERIF, size: float = 11, step: float = 1.35) -> None:
        """Write one line at the left margin."""
        self.row([(self.left, "l", text)], font, size, step)

    def para(self, text: str, font: str = SERIF, size: float = 11, gap: float = 7) -> None:
        """Write a paragraph broken at the right margin."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if pymupdf.get_text_length(longer, font, size) > self.right - self.left:
                self.line(line, font, size)
                longer = word
            line = longer
        self.line(line, font, size)
        self.y += gap

    def rule(self, width: float = 0.8, gap: float = 5) -> None:
        """Draw a line across the page."""
        self.y += gap
        self.page.draw_line((self.left, self.y), (self.right, self.y), width=width)

    def scribble(self, x: float, y: float, seed: int) -> None:
        """Draw something that looks like a handwritten signature."""
        rng, t = np.random.default_rng(seed), np.linspace(0, 1, 160)
        wave = np.zeros_like(t)
        for k in (1, 2, 3):
            wave += rng.uniform(2, 7) / k**0.6 * np.sin(2 * np.pi * (k * 2.3 * t + rng.random()))
        points = [
            (float(x + 105 * s + 5 * np.sin(31 * s)), float(y + w * (1.1 - s)))
            for s, w in zip(t, wave, strict=True)
        ]
        self.page.draw_polyline(points, color=(0.08, 0.1, 0.4), width=1.3)


def clauses(sheet: Sheet, parts: list[tuple[str, str]]) -> None:
    """Write numbered clauses, each a heading and a paragraph."""
    for heading, text in parts:
        sheet.line(heading, SANS_BOLD, 12.5, 1.6)
        sheet.para(text, size=12, gap=12)


def schedule(sheet: Sheet) -> None:
    """Write the ruled table of items and the total."""
    edges = [sheet.left, 92, 148, 318, 372, 445, sheet.right]
    head = ["No.", "Part no.", "Description", "Quantity", "Unit price", "Amount"]
    rows = [
        [str(n), part, text, str(count), money(price), money(count * price)]
        for n, (part, text, count, price) in enumerate(ITEMS, 1)
    ]
    top, height = sheet.y + 8, 22.0
    sheet.page.draw_rect((edges[0], top, edges[-1], top + height), fill=(0.9, 0.92, 0.95), width=0)
    for n, cells in enumerate([head, *rows]):
        sheet.y = top + n * height
        placed = [
            (edges[i] + 5, "l", c) if i < 3 else (edges[i + 1] - 5, "r", c) for i, c in enumerate(cells)
        ]
        sheet.row(placed, SANS if n else SANS_BOLD, 9.5, 1.55)
    bottom = top + height * (len(rows) + 1)
    for y in np.arange(top, bottom + 1, height):
        sheet.page.draw_line((edges[0], float(y)), (edges[-1], float(y)), width=0.7)
    for x in edges:
        sheet.page.draw_line((x, top), (x, bottom), width=0.7)
    sheet.y = bottom + 8
    total = money(sum(count * price for _, _, count, price in ITEMS))
    sheet.row([(edges[0], "l", "Total contract value:"), (edges[-1] - 5, "r", f"EUR {total}")], SANS_BOLD, 12)


def contract() -> tuple[Any, str]:
    """Make the three-page supply agreement and its true text. Only the supplier has signed it."""
    doc = new_document()
    sheets = [Sheet(doc, 595, 842, 62, 62) for _ in range(3)]
    one, two, three = sheets
    for sheet in sheets:
        sheet.row(
            [(sheet.left, "l", "Agreement no. SA-2025-0417"), (sheet.right, "r", "CONFIDENTIAL")], MONO, 9, 0
        )
        sheet.rule(0.5)
    one.y += 14
    one.row([(297.5, "c", "SUPPLY AGREEMENT")], SANS_BOLD, 20)
    one.y += 10
    one.para(
        f"between {SUPPLIER}, Unit 7, Tern Wharf Road, Ottermouth (the Supplier), and {BUYER}, "
        "Foundry Lane, Wexholm (the Buyer).",
        ITALIC,
        11.5,
        10,
    )
    for label, value in (
        ("Effective date:", "1 June 2025"),
        ("Term:", "24 months"),
        ("Notice period:", "60 days"),
        ("Currency:", "EUR"),
        ("Governing law:", "England and Wales"),
    ):
        one.row([(one.left + 12, "l", label), (one.left + 125, "l", value)], BOLD, 11, 1.5)
    one.page.draw_rect((one.left, one.y - 78, one.right, one.y + 9), width=0.8)
    one.y += 16
    clauses(one, TEXTS["contract"][0])
    two.y += 8
    two.line("Schedule A: Goods and prices", SANS_BOLD, 14)
    two.para("All prices are in EUR and exclude value added tax.", ITALIC, 10.5, 0)
    schedule(two)
    two.y += 18
    clauses(two, TEXTS["contract"][1])
    three.y += 8
    clauses(three, TEXTS["contract"][2])
    three.y += 8
    three.line("Signatures", SANS_BOLD, 14)
    three.y += 10
    columns = three.left, 320.0
    three.row([(columns[0], "l", f"For {SUPPLIER}"), (columns[1], "l", f"For {BUYER}")], BOLD, 11)
    three.scribble(columns[0] + 55, three.y + 34, SEED)
    for label, value in (("Signature:", ""), ("Office:", "Sales Director"), ("Date:", "26 May 2025")):
        filled = [(columns[0] + 56, "l", value)] if value else []
        three.row([(columns[0], "l", label), *filled, (columns[1], "l", label)], SERIF, 12, 3)
        for x in columns:
            three.page.draw_line((x + 52, three.y + 3), (x + 210, three.y + 3), width=0.5)
    for number, sheet in enumerate(sheets, 1):
        sheet.y = 800
        sheet.row([(297.5, "c", f"Page {number} of 3")], SANS, 9, 0)
    return doc, "\f".join("\n".join(sheet.lines) + "\n" for sheet in sheets)


def letter() -> tuple[Any, str]:
    """Typeset the letter that is then scanned."""
    doc = new_document()
    sheet = Sheet(doc, 595, 842, 72, 58)
    sheet.line(BUYER, SANS_BOLD, 17)
    sheet.line("Goods Inwards Department, Foundry Lane, Wexholm", SANS, 10.5)
    sheet.rule(1.2, 8)
    sheet.y += 26
    for text in (SUPPLIER, "Unit 7, Tern Wharf Road", "Ottermouth"):
        sheet.line(text, size=12)
    sheet.y += 18
    sheet.row([(sheet.right, "r", "11 June 2025")], SERIF, 12)
    sheet.y += 12
    sheet.line("Subject: Short delivery, claim for credit", BOLD, 12.5)
    sheet.y += 12
    for text in ("Dear Sir or Madam,", *TEXTS["letter"], "Yours faithfully,"):
        sheet.para(text, size=12, gap=11)
    sheet.scribble(sheet.left + 6, sheet.y + 24, SEED + 1)
    sheet.y += 44
    for text in ("Head of Goods Inwards", BUYER):
        sheet.line(text, size=12)
    return doc, "\n".join(sheet.lines) + "\n"


def note() -> tuple[Any, str]:
    """Typeset the delivery note that is then photographed."""
    doc = new_document()
    sheet = Sheet(doc, 420, 560, 34, 26)
    sheet.line(SUPPLIER, SANS_BOLD, 18)
    sheet.line("Unit 7, Tern Wharf Road, Ottermouth", SANS, 13)
    sheet.y += 12
    sheet.line("DELIVERY NOTE", SANS_BOLD, 24)
    sheet.y += 6
    for label, value in (
        ("Delivery note no.", "DN-20581"),
        ("Date", "9 June 2025"),
        ("Agreement no.", "SA-2025-0417"),
        ("Deliver to", "North dock, gate 4"),
    ):
        sheet.row([(sheet.left, "l", label), (170, "l", value)], SANS, 14.5)
    sheet.rule(1.2, 10)
    columns = [(sheet.left, "l"), (288.0, "r"), (sheet.right, "r")]
    total = sum(count * price for _, count, price in NOTE_ITEMS)
    tax = total // 5
    rows = [
        ("Item", "Qty", "EUR"),
        *((text, str(count), money(count * price)) for text, count, price in NOTE_ITEMS),
    ]
    for n, cells in enumerate(rows):
        sheet.row(
            [(x, a, c) for (x, a), c in zip(columns, cells, strict=True)], SANS if n else SANS_BOLD, 14.5, 1.6
        )
    sheet.rule(1.2, 10)
    for label, cents, font in (
        ("Goods", total, SANS),
        ("VAT 20 %", tax, SANS),
        ("Total EUR", total + tax, SANS_BOLD),
    ):
        sheet.row([(sheet.left, "l", label), (sheet.right, "r", money(cents))], font, 14.5, 1.55)
    sheet.y += 18
    sheet.line("Count the goods within 3 working days.", SANS, 14)
    return doc, "\n".join(sheet.lines) + "\n"
