"""PNG, JPEG, WebP and multi-page TIFF through Pillow, run in helper processes only."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from model_actors.engine import Pixels
from pipeline.legibility import raster_em
from pipeline.units import DocumentProbe, PageShape, UnreadableError

MAX_PIXELS = 400_000_000
"""Largest raster that is decoded: 1.2 GB as RGB."""

MEASURED_SIDE = 2000
"""Longer side in px to which a raster is reduced before its text size is told."""

Image.MAX_IMAGE_PIXELS = None  # our own limit below speaks more clearly
warnings.simplefilter("ignore")


def _open(path: str, page: int) -> Image.Image:
    try:
        image = Image.open(path, formats=("PNG", "JPEG", "WEBP", "TIFF"))
        if page:
            image.seek(page)
    except Exception as error:
        raise UnreadableError("damaged", f"not a readable image ({error}); open it in a viewer and save it again") from None
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableError("too_large", f"has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are read")
    return image


def probe(path: str) -> tuple[DocumentProbe, list[Pixels]]:
    """Sizes and text sizes of the image, or of every page of a TIFF."""
    count = getattr(_open(path, 0), "n_frames", 1) if _open(path, 0).format == "TIFF" else 1
    return DocumentProbe(tuple(_shape(path, page) for page in range(count))), []


def _shape(path: str, page: int) -> PageShape:
    try:
        image = _open(path, page)
        width, height = image.size
        if image.getexif().get(0x0112, 1) >= 5:  # orientations that swap the sides
            width, height = height, width
        scale = max(1.0, max(image.size) / MEASURED_SIDE)
        small = _upright(image, (round(image.width / scale), round(image.height / scale)))
        gray = np.asarray(small.convert("L"))
        em = raster_em(gray)
        return PageShape(width, height, em and em * width / gray.shape[1], native=True)
    except Exception as error:
        if page == 0:
            raise error if isinstance(error, UnreadableError) else _undecodable(error) from None
    return PageShape(1000, 1414, measured=False, native=True)  # rendering it will fail and say why


def render(path: str, page_number: int, size: tuple[int, int]) -> tuple[tuple[None, None], list[Pixels]]:
    """The image, or one page (from 1) of a TIFF, upright, on white, at `size` (width, height) px."""
    try:
        image = _open(path, page_number - 1)
        turned = image.getexif().get(0x0112, 1) >= 5
        upright = _upright(image, size[::-1] if turned else size)
    except UnreadableError:
        raise
    except Exception as error:
        raise _undecodable(error) from None
    return (None, None), [np.asarray(upright)]


def _undecodable(error: Exception) -> UnreadableError:
    return UnreadableError("damaged", f"its pixels cannot be decoded ({error}); open it in a viewer and save it again")


def _upright(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    image.draft("RGB", size)  # lets a JPEG be decoded near the wanted size
    orientation = image.getexif().get(0x0112, 1)
    if image.mode.startswith("I"):
        deep: Any = np.asarray(image).astype(np.float64)
        image = Image.fromarray((deep / max(255.0, deep.max()) * 255).astype(np.uint8))
    if image.mode == "P" or "A" in image.getbands():
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.getexif()[0x0112] = orientation
    return ImageOps.exif_transpose(image)
