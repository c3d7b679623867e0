"""Small pages made by code, with their text, questions and true answers: what the tiny checkpoint learns and is
measured on. Everything is deterministic by seed."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymupdf

from model_actors.budgets import image_size
from model_actors.engine import Pixels, View
from schemas.checklist import Question

BUDGET = 70
"""Soft tokens of an ordinary page of this corpus."""

FONTS = ("helv", "hebo", "tiro", "cour")
"""Fonts that are trained on, and measured with."""

MORE_FONTS = ("heit", "tibo", "cobo", "coit")
"""Fonts that are trained on so that the model is not lost in a font that it has not seen."""

UNSEEN_FONT = "tiit"
"""A font that is never trained on."""

HELD_OUT = 1_000_000_000
"""Seeds from here on are for measuring; training uses smaller ones."""

WORDS = tuple(
    "account address agent amber apple april august autumn avenue bank basket blue board book bottle box branch bread "
    "bridge bright brown café camera canvas carbon castle chair charge city clean client clock cloud coffee copper "
    "cotton count credit customer date dealer delta desk door draft drawing east engine entry evening factory field "
    "filter floor flower forest garden gate glass gold grain green ground group hammer handle harbour heavy hotel "
    "house import index iron island january journey july june kitchen label ladder lamp large leather left lemon level "
    "light limit linen list local machine manager march market master meadow metal middle milk mirror model monday "
    "motor mountain museum needle night north note november number ocean october office orange packet page panel paper "
    "parcel park pencil people pepper piano plan plate pocket point port price print profit purple quality quarter "
    "quick quiet rabbit radio railway record red region rent repair result return right river road roof room rubber "
    "salt sample school screw sector service sheet shelf ship shop signal silver single sister small smoke solid south "
    "spare spring square stage station steel stock stone storage street sugar summer sunday supply switch table tariff "
    "task thread ticket timber title tower town track trade train travel tree truck unit valley value vessel village "
    "wagon wall water week weight west wheel white window winter wire wood wool work yard yellow zero zone "
    "Köln Straße größe naïve señor garçon über Zürich".split())
NAMES = tuple("Adams Baker Carter Cooper Dubois Evans Fischer Foster Garcia Hansen Harris Jones Keller Lopez Martin "
              "Miller Moreau Müller Novak Parker Peters Rossi Schmidt Silva Smith Turner Walker Weber "
              "Wilson Young".split())
KINDS = ("invoice", "letter", "receipt", "order")
CURRENCIES = ("EUR", "USD", "GBP")
STATUSES = ("PAID", "OPEN", "DUE")

KIND = Question(id="kind", ask="What kind of paper is this?", answer=list(KINDS))  # type: ignore[arg-type]
CURRENCY = Question(id="currency", ask="Which currency is named?", answer=list(CURRENCIES))  # type: ignore[arg-type]
PAID = Question(id="paid", ask="Is it paid?", answer="yes/no")  # type: ignore[arg-type]
URGENT = Question(id="urgent", ask="Does it say URGENT?", answer="yes/no")  # type: ignore[arg-type]
STOP = Question(id="stop", ask="Does any frame say STOP?", answer="yes/no")  # type: ignore[arg-type]
NAME = Question(id="name", ask="What name is printed?", answer="text")  # type: ignore[arg-type]
TOTAL = Question(id="total", ask="What is the total?", answer="number")  # type: ignore[arg-type]
MONEY_TOTAL = Question(id="total", ask="What is the total?", answer="money")  # type: ignore[arg-type]
DATE = Question(id="date", ask="Which date is printed?", answer="date")  # type: ignore[arg-type]
READS = (KIND, CURRENCY, PAID, URGENT, STOP)
FORMS = ((NAME, TOTAL), (NAME, MONEY_TOTAL), (NAME, DATE), (TOTAL, DATE))

SIZES = ((200, 150), (150, 200), (200, 150), (320, 80), (180, 180))
"""Sizes of pages in points."""


@dataclass(frozen=True)
class Page:
    """A drawn page and everything true of it. `answers` goes by question id; `form` is None on a page of no fields."""

    text: str
    pixels: Pixels
    questions: tuple[Question, ...]
    answers: dict[str, str]
    form_questions: tuple[Question, ...]
    form: dict[str, Any] | None
    size: tuple[float, float]
    font: str
    font_size: float
    places: tuple[tuple[float, float], ...]
    ink: float
    paper: float

    @property
    def form_text(self) -> str:
        """The form's values as the JSON that a canvas holds."""
        return json.dumps(self.form, ensure_ascii=False)


@functools.cache
def font_of(name: str) -> Any:
    """A font of PyMuPDF by its short name."""
    return pymupdf.Font(name)


def page(seed: int, *, font: str | None = None, fields: bool | None = None, size: tuple[float, float] | None = None,
         pixels: tuple[int, int] | None = None, lines: int | None = None, budget: int = BUDGET,
         sizes: tuple[float, float] = (18, 28)) -> Page:
    """The page of a seed. What is named is held, everything else is drawn by lot.

    `fields` says whether it is a paper with a kind, a total and the like, or loose words; `pixels` overrides the
    drawn size that the budget implies; `sizes` is the range of font sizes in points.
    """
    rng = random.Random(seed)
    size = size or rng.choice(SIZES)
    width, height = size
    font = font or rng.choice(FONTS)
    font_size = rng.uniform(*sizes)
    room = max(1, min(6 if budget > BUDGET else 4, int((size[1] - 6) / (font_size * 1.2))))
    lines = min(lines or rng.choice((1, 1, 2, 2, 3, 4)), room)
    fields = rng.random() < 0.65 if fields is None else fields
    texts, answers, questions, asked, form = _paper(rng, lines) if fields else _loose(rng, lines)
    longest = max(font_of(font).text_length(text, fontsize=1) for text in texts)
    if not fields:
        texts = [_cut(text, font, font_size, width - 8) for text in texts]
    elif longest * font_size > width - 8:
        font_size = (width - 8) / longest
    places = _places(rng, texts, font, font_size, size)
    text = "\n".join(texts)
    ink, paper = rng.uniform(0, 0.25), rng.uniform(0.9, 1)
    made = Page(text, np.zeros((0, 0, 3), np.uint8), questions, answers, asked, form, size, font, font_size, places,
                ink, paper)
    return Page(**{**made.__dict__, "pixels": draw(made, pixels or image_size(width, height, budget))})


def _number(rng: random.Random) -> str:
    whole = rng.choice((rng.randint(1, 99), rng.randint(100, 999)))
    return f"{whole}.{rng.randint(0, 9)}{rng.randint(1, 9)}"


def _date(rng: random.Random) -> str:
    return f"20{rng.randint(10, 39)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _word(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.55:
        word = rng.choice(WORDS)
        return word if kind < 0.3 else word.capitalize() if kind < 0.45 or not word.isascii() else word.upper()
    if kind < 0.65:
        return str(rng.randint(0, 9999))
    if kind < 0.72:
        return f"{rng.choice('ABCDEFGHJKLMNPQRSTUVWXYZ')}{rng.choice(['-', '/', ''])}{rng.randint(1, 999)}"
    if kind < 0.79:
        return rng.choice("€£$") + _number(rng)
    if kind < 0.84:
        return f"{_number(rng)} {rng.choice(CURRENCIES)}"
    if kind < 0.9:
        return rng.choice(NAMES)
    if kind < 0.94:
        return rng.choice((*STATUSES, "URGENT", "STOP", "TOTAL", "Total", "Date"))
    if kind < 0.98:
        return rng.choice(WORDS)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?()%&+-#*=/'\"@_äöüéèàçñß"
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, 6)))


Content = tuple[list[str], dict[str, str], tuple[Question, ...], tuple[Question, ...], dict[str, Any] | None]


def _loose(rng: random.Random, lines: int) -> Content:
    texts = [" ".join(_word(rng) for _ in range(5)) for _ in range(lines)]
    return texts, {}, (), (), None


def _cut(text: str, font: str, font_size: float, width: float) -> str:
    while font_of(font).text_length(text, fontsize=font_size) > width:
        text = text.rpartition(" ")[0] or text[:-1]
    return text


def _paper(rng: random.Random, lines: int) -> Content:
    kind, currency, status = rng.choice(KINDS), rng.choice(CURRENCIES), rng.choice(("PAID", *STATUSES))
    urgent = rng.random() < 0.5
    name, date, number = rng.choice(NAMES), _date(rng), _number(rng)
    title = kind.capitalize() if rng.random() < 0.6 else kind.upper()
    parts = {
        "kind": title if rng.random() < 0.4 else f"{title} {rng.randint(1, 9999)}",
        "total": f"Total {number} {currency}",
        "status": status if not urgent else rng.choice((f"{status} URGENT", f"URGENT {status}")),
        "name": f"Name {name}", "date": f"Date {date}"}
    chosen = rng.sample(list(parts), min(lines, len(parts)))
    answers: dict[str, str] = {"paid": "yes" if "status" in chosen and status == "PAID" else "no",
                               "urgent": "yes" if "status" in chosen and urgent else "no"}
    if "kind" in chosen:
        answers["kind"] = kind
    if "total" in chosen:
        answers["currency"] = currency
    questions = tuple(question for question in READS if question.id in answers)
    truth: dict[str, Any] = {"name": name if "name" in chosen else None, "date": date if "date" in chosen else None}
    asked = rng.choice([form for form in FORMS if any(question.id in chosen for question in form)] or [()])
    form: dict[str, Any] = {}
    for question in asked:
        if question.id != "total":
            form[question.id] = truth[question.id]
        elif "total" not in chosen:
            form["total"] = None
        else:
            form["total"] = float(number) if question == TOTAL else {"amount": float(number), "currency": currency}
    texts = [parts[part] for part in chosen]
    return texts, answers, questions, asked, form or None


def _places(rng: random.Random, texts: Sequence[str], font: str, font_size: float, size: tuple[float, float]
            ) -> tuple[tuple[float, float], ...]:
    leading = font_size * rng.uniform(1.15, max(1.16, min(1.7, (size[1] - 4) / (font_size * len(texts)))))
    slack = max(0.0, size[1] - 4 - leading * len(texts))
    top = 2 + rng.random() * slack + font_size * 0.85
    longest = max(font_of(font).text_length(text, fontsize=font_size) for text in texts)
    left = 4 + max(0.0, size[0] - 8 - longest) * rng.random() ** 2
    places = [(left, top + row * leading) for row in range(len(texts))]
    return tuple(places)


def _document(made: Page) -> Any:
    document = pymupdf.open()
    sheet = document.new_page(width=made.size[0], height=made.size[1])
    if made.paper < 1:
        sheet.draw_rect(sheet.rect, color=None, fill=(made.paper,) * 3)
    writer = pymupdf.TextWriter(sheet.rect, color=(made.ink,) * 3)
    for line, place in zip(made.text.split("\n"), made.places, strict=True):
        writer.append(place, line, font=font_of(made.font), fontsize=made.font_size)
    writer.write_text(sheet)
    return document


def draw(made: Page, size: tuple[int, int]) -> Pixels:
    """The page as uint8 RGB of this size in px (width, height)."""
    with _document(made) as document:
        sheet = document[0]
        matrix = pymupdf.Matrix((size[0] - 0.01) / sheet.rect.width, (size[1] - 0.01) / sheet.rect.height)
        pixmap = sheet.get_pixmap(matrix=matrix, alpha=False)
        drawn = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
        return np.ascontiguousarray(drawn[: size[1], : size[0]])


def save_pdf(made: Page, path: Path) -> None:
    """Write the same page as a PDF of one page, with its text layer."""
    with _document(made) as document:
        document.subset_fonts()
        document.save(path, garbage=3, deflate=True)


def degraded(pixels: Pixels, strength: float, seed: int = 0) -> Pixels:
    """A drawn page blurred, faded and noisy: strength 0 leaves it alone, at 1 it can hardly be read."""
    if strength <= 0:
        return pixels
    rng = np.random.default_rng(seed)
    blurred = cv2.GaussianBlur(pixels, (0, 0), 0.3 + 4.0 * strength).astype(np.float32)
    faded = 128 + (blurred - 128) * (1 - 0.6 * strength)
    noisy = faded + rng.normal(0, 40 * strength, pixels.shape[:2])[..., None]
    return np.clip(noisy, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Clip:
    """A few timestamped frames, the question asked of them and its true answer."""

    views: tuple[View, ...]
    question: Question
    answer: str


def clip(seed: int, most: int = 4) -> Clip:
    """Frames of a seed, two to `most` of them, each with a word or two."""
    rng = random.Random(seed)
    says = rng.random() < 0.5
    count = rng.randint(2, most)
    where = rng.randrange(count) if says else -1
    start = rng.randint(0, 3000)
    views = []
    for number in range(count):
        text = "STOP" if number == where else rng.choice(("GO", "WAIT", "OPEN", rng.choice(WORDS)))
        font, font_size, size = rng.choice(FONTS), rng.uniform(18, 28), (192.0, 108.0)
        made = Page(text, np.zeros((0, 0, 3), np.uint8), (), {}, (), None, size, font, font_size,
                    _places(rng, [text], font, font_size, size), rng.uniform(0, 0.25), rng.uniform(0.9, 1))
        time = start + number * 2.0
        views.append(View(draw(made, image_size(*size, BUDGET)), time_s=time, until_s=time + 2.0))
    return Clip(tuple(views), STOP, "yes" if says else "no")
