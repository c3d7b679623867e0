"""PNG, JPEG, WebP and multi-page TIFF through Pillow, run in helper processes only."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from PIL import Image

from model_actors.budgets import image_size
from model_actors.engine import Pixels
from pipeline.legibility import raster_em
from pipeline.units import DocumentProbe, PageShape, UnreadableError

MAX_PIXELS = 400_000_000
"""Largest raster that is decoded: 1.2 GB as RGB."""

MEASURED_SIDE = 2000
"""Longer side in px to which a raster is reduced before its text size is told."""

TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_90}
"""What each EXIF orientation asks for."""

Image.MAX_IMAGE_PIXELS = None  # our own limit below speaks more clearly
warnings.simplefilter("ignore")


def _open(path: str, page: int) -> Image.Image:
    try:
        image = Image.open(path, formats=("PNG", "JPEG", "WEBP", "TIFF"))
        if page:
            image.seek(page)
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged("not a readable image", error) from None
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableError("too_large", f"has {image.width} x {image.height} pixels, and at most {MAX_PIXELS:,} are "
                              "read; save it smaller")
    return image


def _damaged(what: str, error: Exception) -> UnreadableError:
    return UnreadableError("damaged", f"{what} ({error}); open it in a viewer and save it again")


def probe(path: str) -> tuple[DocumentProbe, list[Pixels]]:
    """Sizes and text sizes of the image, or of every page of a TIFF. Raises UnreadableError: damaged or too_large."""
    first = _open(path, 0)
    count = _count_pages(first) if first.format == "TIFF" else 1
    if count == 1:
        return DocumentProbe((_shape(path, 0),)), []
    return DocumentProbe(tuple(_shape_or_guess(path, page) for page in range(count))), []


def _count_pages(image: Image.Image) -> int:
    place = 1
    while True:
        try:
            image.seek(place)
        except EOFError:
            return place
        except Exception:
            return place + 1  # cut off here: one more page, which will fail and say so
        place += 1


def _shape_or_guess(path: str, page: int) -> PageShape:
    try:
        return _shape(path, page)
    except UnreadableError:
        return PageShape(1000, 1414, measured=False, native=True)  # rendering it will fail and say why


def _shape(path: str, page: int) -> PageShape:
    image = _open(path, page)
    width, height = image.size
    _load(image, MEASURED_SIDE)
    if _orientation(image) >= 5:
        width, height = height, width
    scale = max(1.0, max(width, height) / MEASURED_SIDE)
    gray = np.asarray(_upright(image, (max(1, round(width / scale)), max(1, round(height / scale)))).convert("L"))
    em = raster_em(gray)
    return PageShape(width, height, em and em * width / gray.shape[1], native=True)


def render(path: str, page_number: int, size: tuple[int, int] | int) -> tuple[tuple[None, None], list[Pixels]]:
    """The image, or one page (from 1) of a TIFF, upright, on white, at `size` (width, height) or a budget's."""
    image = _open(path, page_number - 1)
    if isinstance(size, int):
        width, height = image.size
        size = image_size(height, width, size) if _orientation(image) >= 5 else image_size(width, height, size)
    _load(image, max(size))
    return (None, None), [np.asarray(_upright(image, size))]


def _load(image: Image.Image, side: int) -> None:
    try:
        image.draft("RGB", (side, side))  # lets a JPEG be decoded near the wanted size
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged("its pixels cannot be decoded", error) from None


def _orientation(image: Image.Image) -> int:
    """How EXIF says a loaded image is to be turned, from 5 on by a quarter; of a TIFF, Pillow turned the pixels."""
    try:
        found = int(image.getexif().get(0x0112, 1))
    except Exception:  # broken metadata; the picture may be sound
        return 1
    return found if found in TURNS and image.format != "TIFF" else 1


def _upright(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A loaded image as it is to be seen, on white, at `size`."""
    orientation = _orientation(image)
    stored = size[::-1] if orientation >= 5 else size
    if image.mode.startswith("I"):
        deep: Any = np.asarray(image).astype(np.float64)
        image = Image.fromarray((deep / max(255.0, deep.max()) * 255).astype(np.uint8))
    if image.mode == "P" or "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB").resize(stored, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image
