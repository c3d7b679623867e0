"""PDF pages through PyMuPDF: the one module that touches it (AGPL), run in helper processes only."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

# these two, which `import pymupdf` loads where they are found, bring a layout model and onnxruntime: 0.6 s and 100 MB
sys.modules["pymupdf.layout"] = sys.modules["pymupdf4llm"] = None  # type: ignore[assignment]
import pymupdf

from model_actors.budgets import image_size
from model_actors.engine import Pixels, Words
from pipeline import trust
from pipeline.legibility import raster_em, words_em
from pipeline.pixel_slots import new_image
from pipeline.units import DocumentProbe, PageShape, PageText, UnreadableError

MEASURED_PAGES = 4
"""Pages of a document whose text size is measured for the plan; the renderer corrects upward what they missed."""

DRAWN_PAGES = 2
"""Pages without text that are drawn to measure it: drawing costs ten times as much, and scans are much alike."""

RASTER_BUDGET = 1120
"""Budget at which a page without text is drawn to tell its text size; at 560, 8 pt measures up to 30 % too large."""

WHOLE_PAGE = 0.8
"""Share of a page that a picture covers at least where it is a scan of the page."""

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
pymupdf.TOOLS.set_icc(False)  # device colours come out the same, a tenth sooner; calibrated ones are approximated
FLAW = re.compile(r"^(?!.*page tree).*(?:error:|is not a stream)")
"""Warnings of MuPDF that tell of something left out of a page; the others tell of other pages or of what it mended."""

KEPT_OPEN = 4
"""Documents kept open: shards of as many take turns in one helper."""

MOST_PICTURE_BYTES = 32 << 20
"""Bytes of decoded pictures that MuPDF may keep: most are drawn once, and it would keep 256 MB of them."""

_opened: dict[Any, tuple[Any, str | None]] = {}
_pictures: dict[tuple[str, int], int] = {}
"""Bytes of the pictures drawn lately, by document and object number: one that is on every page counts once."""


def open_document(path: str, passwords: Sequence[str]) -> tuple[Any, str | None]:
    """The open PDF and the password that opened it; the last few stay open for the next calls.

    Raises UnreadableError: damaged, encrypted or empty.
    """
    status = os.stat(path)
    key = path, status.st_mtime_ns, status.st_size, tuple(passwords)
    if key in _opened:
        return _opened[key]
    while len(_opened) >= KEPT_OPEN:
        _opened.pop(next(iter(_opened)))
        pymupdf.TOOLS.store_shrink(100)
    try:
        document = pymupdf.open(path, filetype="pdf")
        locked, count = document.needs_pass, document.page_count
    except Exception:
        raise UnreadableError("damaged", "not a readable PDF; open it in a viewer and save it again") from None
    used = None
    if locked:
        used = next((password for password in passwords if document.authenticate(password)), None)
        if used is None:
            raise UnreadableError("encrypted", "needs a password that the job's 'passwords' does not hold")
        count = document.page_count
    if count == 0:
        raise UnreadableError("empty", "has no pages, or its list of pages is broken; export it again")
    _opened[key] = document, used
    return document, used


def probe(path: str, passwords: Sequence[str], every_text: bool, measure: bool = True) \
        -> tuple[DocumentProbe, list[Pixels]]:
    """Sizes of all pages; with `measure` the text size of a sample, with `every_text` how much text every page has."""
    document, used = open_document(path, passwords)
    count = document.page_count
    looks = min(count, MEASURED_PAGES) if measure else 0
    sample = {round(look * (count - 1) / max(1, looks - 1)) for look in range(looks)}
    drawn: list[int] = []
    pages = [_shape(document, number, number in sample, every_text, drawn) for number in range(count)]
    smallest = min((page.em for page in pages if page.measured and page.em), default=None)
    return DocumentProbe(tuple(page if page.measured else replace(page, em=smallest) for page in pages),
                         bool(document.is_repaired), used), []


def _shape(document: Any, number: int, measure: bool, text: bool, drawn: list[int]) -> PageShape:
    try:
        page = document[number]
        width, height = page.rect.width, page.rect.height
        if not (0 < width < 1e7 and 0 < height < 1e7):
            raise ValueError
    except Exception:
        return PageShape(595, 842, measured=False)  # rendering it will fail and say why
    try:
        size = len(page.get_text().encode()) if text else 0
        if not measure:
            return PageShape(width, height, measured=False, text_bytes=size)
        listed = page.get_displaylist()
        em = _layer(page, listed).em
        if em is None and len(drawn) >= DRAWN_PAGES:
            return PageShape(width, height, measured=False, text_bytes=size)
        if em is None:
            drawn.append(number)
            target = image_size(width, height, RASTER_BUDGET)
            gray = np.empty((*target[::-1], 1), np.uint8)
            draw(page, listed, gray, pymupdf.csGRAY)
            em = raster_em(gray[:, :, 0])
            em = em and em * width / target[0]
        return PageShape(width, height, em, text_bytes=size)
    except Exception:
        return PageShape(width, height, measured=False)


def render(path: str, passwords: Sequence[str], page_number: int, size: tuple[int, int] | int, want_text: bool) \
        -> tuple[tuple[PageText | None, str | None], list[Pixels]]:
    """One page (from 1) drawn straight at `size` (width, height) px, or at that of a budget.

    Returns its text layer where wanted, and what on it could not be drawn (a broken picture, say), if anything.
    """
    document, _ = open_document(path, passwords)
    pymupdf.TOOLS.reset_mupdf_warnings()
    try:
        page = document[page_number - 1]
        box = page.rect
    except Exception as error:
        raise UnreadableError("damaged", f"page {page_number} cannot be loaded ({error}); save it again") from None
    if not _is_page(document, page.xref):
        raise UnreadableError("damaged", f"page {page_number} is missing from the file: it was cut off or damaged; "
                              "upload it again")
    if not (0 < box.width < 1e7 and 0 < box.height < 1e7):
        raise UnreadableError("too_large", f"page {page_number} claims {box.width:.0f} x {box.height:.0f} pt; "
                              "save it at its real size")
    listed = page.get_displaylist()
    width, height = image_size(box.width, box.height, size) if isinstance(size, int) else size
    pixels = new_image(height, width)
    draw(page, listed, pixels, pymupdf.csRGB)
    _let_go_of_pictures(page)
    text = None
    if want_text:
        layer = _layer(page, listed)
        seen = np.flatnonzero(trust.visible(layer.words.boxes, pixels))
        why = trust.distrust(layer.words.texts, layer.is_ocr, len(seen))
        text = PageText(layer.words.only(seen), PageShape(box.width, box.height, layer.em), why)
    flaws = [line for line in pymupdf.TOOLS.mupdf_warnings().splitlines() if FLAW.search(line)]
    if flaws and not (text and len(text.words)) and pixels.min() == pixels.max():
        raise UnreadableError("damaged", f"nothing of page {page_number} could be drawn ({flaws[0]}); open it in a "
                              "viewer and save it again")
    return (text, flaws[0] if flaws else None), [pixels]


def _let_go_of_pictures(page: Any) -> None:
    """Empty MuPDF's store of pictures once those drawn lately are too many."""
    _pictures.update({(page.parent.name, xref): 3 * width * height for xref, _, width, height, *_ in page.get_images()})
    if sum(_pictures.values()) > MOST_PICTURE_BYTES:
        pymupdf.TOOLS.store_shrink(90)
        _pictures.clear()


def _is_page(document: Any, xref: int) -> bool:
    """Whether an object is a page: MuPDF gives an empty one in the place of a page that is lost."""
    try:
        return bool(document.xref_get_key(xref, "Type")[1] == "/Page") or "Contents" in document.xref_get_keys(xref)
    except Exception:  # the object itself is lost
        return False


def draw(page: Any, listed: Any, canvas: npt.NDArray[np.uint8], colours: Any) -> None:
    """Draw a page, from the list of what it draws, over the whole of a canvas, uint8 [height, width, components].

    Raises MemoryError.
    """
    height, width, _ = canvas.shape
    canvas.fill(255)
    mupdf = pymupdf.mupdf
    # a hair under the exact scale, so that rounding outward cannot add a row or a column
    matrix = mupdf.FzMatrix((width - 0.01) / page.rect.width, 0, 0, (height - 0.01) / page.rect.height, 0, 0)
    try:
        pixmap = mupdf.fz_new_pixmap_with_data(colours, width, height, mupdf.FzSeparations(), 0, canvas.strides[0],
                                               mupdf.python_mutable_buffer_data(canvas.data.cast("B")))
        device = mupdf.fz_new_draw_device(matrix, pixmap)
        mupdf.fz_run_display_list(listed.this, device, mupdf.FzMatrix(), mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE),
                                  mupdf.FzCookie())
        mupdf.fz_close_device(device)
    except mupdf.FzErrorSystem as error:
        raise (MemoryError if "alloc" in str(error) else error) from None


@dataclass(frozen=True)
class _Layer:
    """A page's own words, the em of the smallest that matter, and whether they are another OCR's over a scan."""

    words: Words
    em: float | None
    is_ocr: bool


def _layer(page: Any, listed: Any) -> _Layer:
    """Words from the list of what the page draws; from the page itself where the two have them in other places."""
    flags = pymupdf.TEXTFLAGS_WORDS | pymupdf.TEXT_PRESERVE_IMAGES
    turned = page.rotation
    if turned or page.first_annot or page.first_widget:
        text_page = page.get_textpage(flags=flags)
    else:
        text_page = pymupdf.TextPage(listed.get_textpage(flags))
    shape = page.rect.width, page.rect.height, turned
    every = text_page.extractWORDS()
    if not every:
        return _Layer(Words([], np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32)), None,
                      False)
    x0, y0, x1, y1, texts, _, _, places = zip(*every, strict=True)
    lines = np.cumsum(np.array(places, np.int32) == 0, dtype=np.int32) - 1
    boxes = np.array([x0, y0, x1, y1], np.float32).T
    words = Words(list(texts), np.clip(_as_shown(boxes, *shape), 0, 1), np.ones(len(texts), np.float32), lines)
    if not all(map(str.strip, texts)):
        kept = np.array([index for index, text in enumerate(texts) if text.strip()], np.intp)
        words, boxes = words.only(kept), boxes[kept]
    em = words_em(words.texts, boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    shown = (words.boxes[:, 2] > words.boxes[:, 0]) & (words.boxes[:, 3] > words.boxes[:, 1])  # or it is cropped away
    images = np.array([image["bbox"] for image in text_page.extractIMGINFO()], np.float32).reshape(-1, 4)
    is_ocr = _is_whole(_as_shown(images, *shape)) and _is_invisible(page)
    return _Layer(words.only(np.flatnonzero(shown)), em, is_ocr)


def _is_whole(images: npt.NDArray[np.float32]) -> bool:
    """Whether one of these pictures covers the page."""
    x0, y0, x1, y1 = np.clip(images, 0, 1).T
    return bool(np.any((x1 - x0) * (y1 - y0) >= WHOLE_PAGE))


def _is_invisible(page: Any) -> bool:
    """Whether most of a page's text is drawn in no colour."""
    spans = page.get_texttrace()
    return bool(spans) and sum(span["type"] == 3 for span in spans) > len(spans) / 2


def _as_shown(boxes: npt.NDArray[np.float32], width: float, height: float, turned: int) -> npt.NDArray[np.float32]:
    """Boxes in 0..1 of the displayed page from boxes in points of the page before it is turned, as MuPDF has them."""
    x0, y0, x1, y1 = boxes.T
    if turned == 90:
        x0, y0, x1, y1 = width - y1, x0, width - y0, x1
    elif turned == 180:
        x0, y0, x1, y1 = width - x1, height - y1, width - x0, height - y0
    elif turned == 270:
        x0, y0, x1, y1 = y0, height - x1, y1, height - x0
    return np.stack([x0 / width, y0 / height, x1 / width, y1 / height], axis=1)
