"""A strip of a page read by OCR tells a text layer that is another text, and doubts no good one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bad_inputs import pymupdf

from model_actors import ocr
from model_actors.budgets import image_size
from model_actors.engine import Pixels, Words
from pipeline import pages
from pipeline.trust import refuted

AGREEMENT = Path(__file__).resolve().parents[2] / "infra/demo/corpus/supply-agreement.pdf"
INSIDE = pymupdf.Rect(72, 72, 523, 770)
LANGUAGES = {
    "German": "Der Lieferant verpflichtet sich zur Lieferung der Ware innerhalb von dreißig Tagen nach Eingang der "
              "Bestellung und trägt sämtliche Kosten der Beförderung. ",
    "Polish": "Dostawca zobowiązuje się dostarczyć towar w ciągu trzydziestu dni od złożenia zamówienia oraz ponosi "
              "wszelkie koszty przewozu. "}
RUSSIAN = "Поставщик обязуется поставить товар в течение тридцати дней с даты заказа и несёт все расходы. "


@pytest.fixture(params=["agreement", *LANGUAGES])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return AGREEMENT if request.param == "agreement" else written(tmp_path, 6 * LANGUAGES[request.param])


def written(folder: Path, text: str, degrees: int = 0) -> Path:
    document = pymupdf.open()
    document.new_page().insert_htmlbox(INSIDE, text, rotate=degrees)
    document.save(folder / "page.pdf")
    return folder / "page.pdf"


def look(path: Path, budget: int = 560) -> tuple[Words, Pixels]:
    shape = pages.probe(str(path), [], False)[0].pages[0]
    (text, _), [pixels] = pages.render(str(path), [], 1, image_size(shape.width, shape.height, budget), True)
    return text.words, pixels


def test_a_good_layer_is_borne_out_and_another_text_in_its_place_is_not(path: Path) -> None:
    words, pixels = look(path)
    assert refuted(words, pixels, ocr.shared().read) == ""
    lying = replace(words, texts=[text[::-1] for text in words.texts])
    told = refuted(lying, pixels, ocr.shared().read)
    assert told is not None
    assert told.startswith("the text layer is not what the page shows: OCR reads ")


def test_only_a_strip_of_the_page_is_read() -> None:
    words, pixels = look(AGREEMENT)
    heights: list[int] = []

    def read(strip: Pixels) -> Words:
        heights.append(strip.shape[0])
        return ocr.shared().read(strip)

    refuted(words, pixels, read)
    assert len(heights) == 1
    assert heights[0] < pixels.shape[0] / 4


@pytest.mark.parametrize("text", ["Few words.", 6 * RUSSIAN])
def test_few_words_and_letters_that_ocr_does_not_know_tell_nothing(tmp_path: Path, text: str) -> None:
    assert refuted(*look(written(tmp_path, text)), ocr.shared().read) is None


def test_text_on_its_side_is_not_doubted(tmp_path: Path) -> None:
    assert refuted(*look(written(tmp_path, 6 * LANGUAGES["German"], 90)), ocr.shared().read) is None


def test_a_blank_page_has_nothing_to_doubt() -> None:
    nothing = Words([], np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    assert refuted(nothing, np.full((96, 96, 3), 255, np.uint8), ocr.shared().read) is None


def test_words_at_the_very_end_of_a_page_are_looked_for_in_its_last_line() -> None:
    boxes = np.tile(np.array([0.1, 1.0, 0.2, 1.0], np.float32), (20, 1))
    words = Words(20 * ["outside"], boxes, np.ones(20, np.float32), np.zeros(20, np.int32))
    assert refuted(words, np.full((96, 96, 3), 255, np.uint8), ocr.shared().read) is None
