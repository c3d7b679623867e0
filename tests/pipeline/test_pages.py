"""PDF pages: drawn at exactly the size asked for, with words whose boxes lie on their ink, and text sizes measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import pytest
from bad_inputs import READABLE

from model_actors.budgets import BUDGETS, image_size
from model_actors.embedded_engine import LIMITS
from model_actors.engine import Pixels, Words
from pipeline import pages
from pipeline.legibility import choose_budget
from pipeline.units import PageShape, PageText, UnreadableError

pymupdf: Any = bad_inputs.pymupdf
LAYER_OF_OCR = "the text layer is another OCR's, under a picture of the page"
LOREM = ("The supplier shall deliver the goods within thirty days of the order and shall bear the cost of carriage. "
         "Payment falls due upon receipt of the invoice. This agreement is governed by the laws of Germany and "
         "the courts of Hamburg have jurisdiction over any dispute arising out of it.")
GERMAN = ("Der Lieferant verpflichtet sich zur Lieferung der Ware innerhalb von dreißig Tagen nach Eingang der "
          "Bestellung und trägt sämtliche Kosten der Beförderung. Überfällige Beträge werden verzinst.")
GREEK = ("Ο προμηθευτής υποχρεούται να παραδώσει τα εμπορεύματα εντός τριάντα ημερών από την παραγγελία και να "
         "επιβαρυνθεί με το κόστος της μεταφοράς. Η πληρωμή γίνεται με την παραλαβή του τιμολογίου.")
NUMBERS = " ".join(f"{row * 7919 % 10_000:,}.{row:02d} 2026-01-{row + 1:02d} {row * 31 % 97}%" for row in range(30))
POLISH = ("Dostawca zobowiązuje się dostarczyć towar w ciągu trzydziestu dni od złożenia zamówienia oraz ponosi "
          "wszelkie koszty przewozu. Sądem właściwym do rozstrzygania sporów jest sąd właściwy dla zamawiającego.")


def look(path: Path, budget: int = 1120, page: int = 1, want_text: bool = True) -> tuple[PageText, Pixels]:
    """A page drawn at a budget, and its text."""
    shape = pages.probe(str(path), [], False)[0].pages[page - 1]
    size = image_size(shape.width, shape.height, budget)
    (text, flaw), [pixels] = pages.render(str(path), [], page, size, want_text)
    assert flaw is None
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.dtype == np.uint8
    return text, pixels


def ink(pixels: Pixels, box: Sequence[float] = (0, 0, 1, 1)) -> int:
    """Dark pixels inside a box, taken outward to whole pixels."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    return int((pixels[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))].min(axis=2) < 128).sum())


def page_of(path: Path, box: str, crop: str | None, degrees: int) -> None:
    more = f"/Rotate {degrees}" + (f" /CropBox [{crop}]" if crop else "")
    bad_inputs._write_page(path, bad_inputs._show([READABLE, "Second line."], 120, 590), box, more.encode())


def written(path: Path, text: str, font_size: float = 11, font: str = "helv", invisible: bool = False) -> None:
    """A page of flowing text, in a built-in font or the library's own font for other scripts."""
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        page.insert_font(fontname="own", fontbuffer=pymupdf.Font("helv").buffer)
        rest = page.insert_textbox((50, 50, 545, 800), text, fontsize=font_size, fontname=font,
                                   render_mode=3 if invisible else 0)
        assert rest > 0
        document.save(path)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("box", ["0 0 595 842", "0 0 595.276 841.89", "0 0 842 595", "-50 -60 545.3 781.9", 
                                 "0 0 100 3000", "0 0 3000 100", "0 0 14400 14400", "0 0 3 3", "0 0 612.5 1008.4"])
def test_a_page_is_drawn_at_exactly_the_size_asked_for(tmp_path: Path, box: str, budget: int) -> None:
    path = tmp_path / "page.pdf"
    page_of(path, box, None, 0)
    look(path, budget)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize(("box", "crop", "shown"), [
    ("0 0 595 842", None, (595, 842)), ("0 0 595 842", "100 500 400 700", (300, 200)),
    ("-90 -100 505 742", "-80.5 300 399.5 640", (480, 340)), ("50 60 645 902", "0 0 9999 9999", (595, 842)),
])  # fmt: skip
def test_the_box_of_a_word_lies_on_its_ink_on_turned_and_cropped_pages(
        tmp_path: Path, degrees: int, box: str, crop: str | None, shown: tuple[int, int]) -> None:
    path = tmp_path / "page.pdf"
    page_of(path, box, crop, degrees)
    text, pixels = look(path)
    assert (text.shape.width, text.shape.height) == (shown[::-1] if degrees % 180 else shown)
    assert text.words.texts == ["This", "sentence", "is", "still", "readable.", "Second", "line."]
    assert text.words.lines.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert 0 <= text.words.boxes.min() < text.words.boxes.max() <= 1
    inside = [ink(pixels, found) for found in text.words.boxes]
    assert min(inside) > 0
    assert sum(inside) >= 0.99 * ink(pixels)
    assert text.shape.em == pytest.approx(11, rel=0.02)


def test_words_that_were_cropped_away_are_left_out(tmp_path: Path) -> None:
    bad_inputs.cropped_pdf(tmp_path / "page.pdf")
    text, _ = look(tmp_path / "page.pdf")
    assert text.words.texts == READABLE.split()


def test_forms_and_annotations_are_drawn_and_read(tmp_path: Path) -> None:
    bad_inputs.form_pdf(tmp_path / "page.pdf")
    text, pixels = look(tmp_path / "page.pdf")
    assert sorted(text.words.texts) == sorted("Name: Ada Lovelace A note in the margin".split())
    assert all(ink(pixels, box) for box in text.words.boxes)
    height, width = pixels.shape[:2]
    assert pixels[int(0.26 * height), int(0.3 * width)].tolist() == [255, 255, 0]


def test_pixels_stay_what_they_are_when_other_pages_are_drawn(tmp_path: Path) -> None:
    bad_inputs.text_pdf(tmp_path / "page.pdf", 3)
    _, first = look(tmp_path / "page.pdf")
    kept = first.copy()
    others = [look(tmp_path / "page.pdf", page=page)[1] for page in (2, 3, 2)]
    assert np.array_equal(first, kept)
    assert np.array_equal(look(tmp_path / "page.pdf")[1], kept)
    assert np.array_equal(others[0], others[2])
    assert first[:40].tolist() == np.full((40, *first.shape[1:]), 255).tolist()


@pytest.mark.parametrize("font_size", [4, 6, 8, 11, 14, 24])
@pytest.mark.parametrize("degrees", [0, 90])
def test_the_text_size_of_a_text_layer_is_measured(tmp_path: Path, font_size: float, degrees: int) -> None:
    written(tmp_path / "page.pdf", LOREM, font_size)
    with pymupdf.open(tmp_path / "page.pdf") as document:
        document[0].set_rotation(degrees)
        document.saveIncr()
    [shape] = pages.probe(str(tmp_path / "page.pdf"), [], False)[0].pages
    assert shape.em == pytest.approx(font_size, rel=0.15)


@pytest.mark.parametrize("font", ["helv", "tiro"])
@pytest.mark.parametrize("font_size", [8, 10, 12, 16, 24])
def test_the_text_size_of_a_scanned_page_is_measured(tmp_path: Path, font_size: float, font: str) -> None:
    written(tmp_path / "text.pdf", LOREM, font_size, font)
    scan(tmp_path / "text.pdf", tmp_path / "scan.pdf")
    [shape] = pages.probe(str(tmp_path / "scan.pdf"), [], False)[0].pages
    assert shape.em == pytest.approx(font_size, rel=0.15)


@pytest.mark.parametrize("pixels_per_em", [11, LIMITS.pixels_per_em])
@pytest.mark.parametrize("font_size", [5, 7, 9, 12, 20, 60])
def test_the_budget_is_the_smallest_at_which_the_text_has_the_pixels_asked_for(
        tmp_path: Path, font_size: float, pixels_per_em: float) -> None:
    bad_inputs.text_pdf(tmp_path / "page.pdf", 1, 10, font_size)
    [shape] = pages.probe(str(tmp_path / "page.pdf"), [], False)[0].pages
    budget = choose_budget(shape, BUDGETS, pixels_per_em)
    shown = {each: font_size * image_size(595, 842, each)[0] / 595 for each in BUDGETS}
    assert shown[budget] >= pixels_per_em or budget == BUDGETS[-1]
    assert all(shown[each] < 1.15 * pixels_per_em for each in BUDGETS if each < budget)


def test_pages_not_looked_at_take_the_smallest_text_found(tmp_path: Path) -> None:
    bad_inputs.text_pdf(tmp_path / "page.pdf", 40, 2, 9)
    shapes = pages.probe(str(tmp_path / "page.pdf"), [], False)[0].pages
    assert sum(shape.measured for shape in shapes) == 4
    assert len({shape.em for shape in shapes}) == 1
    assert shapes[20].em == pytest.approx(9, rel=0.05)


def test_a_probe_that_must_not_look_tells_the_sizes_alone(tmp_path: Path) -> None:
    bad_inputs.rotated_pdf(tmp_path / "page.pdf")
    probe, _ = pages.probe(str(tmp_path / "page.pdf"), [], False, False)
    assert probe.pages == (PageShape(842, 595, measured=False),)


def test_the_text_layer_is_bounded_where_the_plan_wants_it(tmp_path: Path) -> None:
    bad_inputs.text_pdf(tmp_path / "page.pdf", 20, 5)
    shapes = pages.probe(str(tmp_path / "page.pdf"), [], True)[0].pages
    assert all(shape.text_bytes >= 5 * len(bad_inputs.line_text(1, 1)) for shape in shapes)


def scan(source: Path, target: Path, hidden: Words | None = None) -> None:
    """The page as a picture of 200 dpi, with some words over it that are not shown."""
    with pymupdf.open(source) as document, pymupdf.open() as made:
        picture = document[0].get_pixmap(dpi=200)
        page = made.new_page(width=595, height=842)
        page.insert_image(page.rect, pixmap=picture)
        if hidden is not None:
            for text, box in zip(hidden.texts, hidden.boxes, strict=True):
                page.insert_text((box[0] * 595, box[3] * 842), text, fontsize=8, render_mode=3)
        made.save(target)


@pytest.mark.parametrize(("text", "font"), [(LOREM, "helv"), (GERMAN, "helv"), (GREEK, "own"), (NUMBERS, "helv"),
                                            (POLISH, "own"), ("Hm, brr 42.", "helv")])  # fmt: skip
def test_a_good_text_layer_is_trusted(tmp_path: Path, text: str, font: str) -> None:
    written(tmp_path / "page.pdf", text, font=font)
    found, _ = look(tmp_path / "page.pdf")
    assert " ".join(found.words.texts) == text
    assert found.distrust is None


def test_a_cipher_is_distrusted(tmp_path: Path) -> None:
    cipher = str.maketrans("abcdefghijklmnopqrstuvwxyz", "qwrtpsdfghjklzxcvbnmaeiouy")
    written(tmp_path / "page.pdf", LOREM.lower().translate(cipher))
    assert look(tmp_path / "page.pdf")[0].distrust == "the text layer's letters spell no words"


def test_unmapped_characters_are_distrusted(tmp_path: Path) -> None:
    """A font whose ToUnicode map sends every glyph to a private character."""
    cmap = (b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> "
            b"endcodespacerange 1 beginbfrange <20> <7E> [" + b"<E013> " * 95 + b"] endbfrange endcmap end end")
    bad_inputs.text_pdf(tmp_path / "page.pdf", 1, 5)
    with pymupdf.open("pdf", (tmp_path / "page.pdf").read_bytes()) as document:
        number = document.get_new_xref()
        document.update_object(number, "<<>>")
        document.update_stream(number, cmap)
        document.xref_set_key(3, "ToUnicode", f"{number} 0 R")
        document.save(tmp_path / "page.pdf")
    assert look(tmp_path / "page.pdf")[0].distrust == "the text layer's characters are unmapped"


def test_invisible_words_over_a_scan_are_distrusted_and_visible_ones_over_a_picture_are_not(tmp_path: Path) -> None:
    written(tmp_path / "text.pdf", LOREM)
    text, _ = look(tmp_path / "text.pdf")
    scan(tmp_path / "text.pdf", tmp_path / "scan.pdf", hidden=text.words)
    for degrees in (0, 90, 180):
        with pymupdf.open(tmp_path / "scan.pdf") as document:
            document[0].set_rotation(degrees)
            document.save(tmp_path / f"{degrees}.pdf")
        assert look(tmp_path / f"{degrees}.pdf")[0].distrust == LAYER_OF_OCR
    with pymupdf.open(tmp_path / "text.pdf") as document:
        blank = pymupdf.Pixmap(pymupdf.csRGB, (0, 0, 60, 80))
        blank.clear_with(240)
        document[0].insert_image(document[0].rect, pixmap=blank, overlay=False)
        document.save(tmp_path / "letterhead.pdf")
    assert look(tmp_path / "letterhead.pdf")[0].distrust is None


def test_a_page_without_text_says_so(tmp_path: Path) -> None:
    bad_inputs._write_page(tmp_path / "page.pdf", b"0.5 g 100 100 200 200 re f")
    text, _ = look(tmp_path / "page.pdf")
    assert (text.distrust, len(text.words), text.shape.em) == ("no text layer", 0, None)


def test_no_text_is_read_where_none_is_wanted(tmp_path: Path) -> None:
    bad_inputs.text_pdf(tmp_path / "page.pdf", 1)
    assert look(tmp_path / "page.pdf", want_text=False)[0] is None


@pytest.mark.parametrize(("case", "passwords", "category"), [
    (bad_inputs.encrypted_pdf, ["wrong"], "encrypted"), (bad_inputs.no_pages_pdf, [], "empty"),
    (bad_inputs.empty_file, [], "damaged"),
])  # fmt: skip
def test_a_file_that_cannot_be_opened_says_why_each_time(
        tmp_path: Path, case: Any, passwords: list[str], category: str) -> None:
    case(tmp_path / "page.pdf")
    for _ in range(2):
        with pytest.raises(UnreadableError) as caught:
            pages.probe(str(tmp_path / "page.pdf"), passwords, False)
        assert caught.value.category == category


@pytest.mark.parametrize("how", [{"render_mode": 3}, {"color": (1, 1, 1)}], ids=["no colour", "the paper's colour"])
def test_words_that_the_page_does_not_show_are_not_believed(tmp_path: Path, how: dict[str, Any]) -> None:
    document = pymupdf.open()
    page = document.new_page()
    for line in range(20):
        page.insert_text((72, 72 + 20 * line), "Total contract value: EUR 48,750.00", **how)
    document.save(tmp_path / "page.pdf")
    (text, _), _ = pages.render(str(tmp_path / "page.pdf"), [], 1, (912, 1344), True)
    assert len(text.words) == 0
    assert "invisible" in text.distrust


def test_a_few_invisible_words_are_left_out_and_the_rest_believed(tmp_path: Path) -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 72), "hidden words", render_mode=3)
    for line in range(20):
        page.insert_text((72, 100 + 20 * line), "Words that everybody sees")
    document.save(tmp_path / "page.pdf")
    (text, _), _ = pages.render(str(tmp_path / "page.pdf"), [], 1, (672, 912), True)
    assert (text.distrust, len(text.words), "hidden" in text.words.texts) == (None, 80, False)


def test_a_good_page_beside_a_missing_one_is_read(tmp_path: Path) -> None:
    bad_inputs.text_pdf(tmp_path / "good.pdf", 4)
    document = pymupdf.open(tmp_path / "good.pdf")
    document.update_object(document[2].xref, "null")
    document.save(tmp_path / "page.pdf")
    read = {}
    for number in (1, 2, 3, 4):
        try:
            (text, _), _ = pages.render(str(tmp_path / "page.pdf"), [], number, (672, 912), True)
            read[number] = len(text.words) > 0
        except UnreadableError as error:
            read[number] = error.category
    assert read == {1: True, 2: True, 3: "damaged", 4: True}


def test_reading_a_pdf_loads_no_layout_model() -> None:
    code = "import sys, pipeline.pages; sys.exit(any(name in sys.modules for name in ('onnxruntime', 'networkx')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
