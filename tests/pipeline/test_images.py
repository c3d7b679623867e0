"""Images: upright, on white, in eight bits, at exactly the size asked for, whatever their format holds."""

from __future__ import annotations

from pathlib import Path

import bad_inputs
import numpy as np
import pytest
from PIL import Image, ImageDraw

from model_actors.budgets import BUDGETS, image_size
from model_actors.engine import Pixels
from pipeline import images
from pipeline.units import PageShape, UnreadableError

LINES = ["The goods were delivered in full", "and without any damage on the", "third of March, as was agreed."] * 3


def look(path: Path, page: int = 1, budget: int = 280) -> tuple[PageShape, Pixels]:
    """The shape of a page and its pixels at a budget."""
    shape = images.probe(str(path))[0].pages[page - 1]
    size = image_size(shape.width, shape.height, budget)
    _, [pixels] = images.render(str(path), page, size)
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.dtype == np.uint8
    return shape, pixels


def dark_corner(pixels: Pixels) -> tuple[bool, bool]:
    """Whether the one dark mark lies at the left, and at the top."""
    ys, xs = np.nonzero(pixels.min(axis=2) < 128)
    return bool(xs.mean() < pixels.shape[1] / 2), bool(ys.mean() < pixels.shape[0] / 2)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("size", [(300, 200), (1, 1), (5, 3000), (3000, 5), (999, 1413)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_an_image_is_drawn_at_exactly_the_size_asked_for(
        tmp_path: Path, suffix: str, size: tuple[int, int], budget: int) -> None:
    Image.new("RGB", size, "teal").save(tmp_path / f"image{suffix}")
    shape, _ = look(tmp_path / f"image{suffix}", budget=budget)
    assert (shape.width, shape.height, shape.native) == (*size, True)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize(("orientation", "left", "top"), [
    (1, True, True), (2, False, True), (3, False, False), (4, True, False),
    (5, True, True), (6, False, True), (7, False, False), (8, True, False),
])  # fmt: skip
def test_every_orientation_is_turned_upright_once(
        tmp_path: Path, suffix: str, orientation: int, left: bool, top: bool) -> None:
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 60, 40), fill="black")
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image{suffix}"
    if suffix == ".tif":
        image.save(path, tiffinfo={0x0112: orientation})
    else:
        image.save(path, exif=exif)
    shape, pixels = look(path)
    assert (shape.width, shape.height) == ((200, 300) if orientation >= 5 else (300, 200))
    assert dark_corner(pixels) == (left, top)


@pytest.mark.parametrize("orientation", [0, 9, 99])
def test_an_orientation_that_does_not_exist_is_passed_over(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (300, 200), "white").save(tmp_path / "image.jpg", exif=exif)
    assert look(tmp_path / "image.jpg")[0] == PageShape(300, 200, native=True)


def test_broken_metadata_does_not_lose_the_picture(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "image.jpg", exif=b"Exif\0\0nonsense here")
    assert look(tmp_path / "image.jpg")[1].min() == 255


def test_cmyk_becomes_black_on_white(tmp_path: Path) -> None:
    bad_inputs.cmyk_jpeg(tmp_path / "image.jpg")
    _, pixels = look(tmp_path / "image.jpg")
    assert pixels[0, 0].min() > 240
    assert pixels.min() < 60


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    bad_inputs.gray16_png(tmp_path / "image.png")
    _, pixels = look(tmp_path / "image.png")
    row = pixels[100, :, 0].astype(int)
    assert (row[0], row[-1]) == (0, 255)
    assert abs(row[len(row) // 2] - 127) <= 2
    assert np.diff(row).min() >= 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_is_white(tmp_path: Path, mode: str) -> None:
    """Black letters on transparent black, however the format says so."""
    if mode in ("RGBA", "LA"):
        bad_inputs.alpha_png(tmp_path / "image.png")
        with Image.open(tmp_path / "image.png") as image:
            image.convert(mode).save(tmp_path / "image.png")
    else:  # one colour that stands for nothing: black; the letters are nearly black
        grey = Image.fromarray(np.where(np.arange(300) < 150, 20, 0).astype(np.uint8)[None].repeat(200, axis=0))
        key = (0, 0, 0) if mode == "RGB" else 0
        grey.convert(mode).save(tmp_path / "image.png", transparency=key)
    _, pixels = look(tmp_path / "image.png")
    assert pixels[-1, -1].tolist() == [255, 255, 255]
    assert pixels.min() < 60
    assert 0.2 < (pixels > 200).mean() < 0.99


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16", "CMYK"])
def test_every_page_of_a_tiff_is_its_own(tmp_path: Path, mode: str) -> None:
    pages = [Image.new("L", (100 * number, 300), 255) for number in (1, 2, 3)]
    pages[1].paste(0, (0, 0, 50, 300))
    pages = [page.convert("I").convert("I;16") if mode == "I;16" else page.convert(mode) for page in pages]
    pages[0].save(tmp_path / "image.tif", save_all=True, append_images=pages[1:])
    probe, _ = images.probe(str(tmp_path / "image.tif"))
    assert [(page.width, page.height) for page in probe.pages] == [(100, 300), (200, 300), (300, 300)]
    darkness = [float((look(tmp_path / "image.tif", page)[1] < 128).mean()) for page in (1, 2, 3)]
    assert darkness == pytest.approx([0, 0.25, 0], abs=0.02)


def test_the_first_picture_of_an_animation_is_what_is_shown(tmp_path: Path) -> None:
    bad_inputs.three_pictures(tmp_path / "image.webp")
    assert len(images.probe(str(tmp_path / "image.webp"))[0].pages) == 1


@pytest.mark.parametrize("font_size", [14, 24, 48])
def test_the_text_size_of_an_image_is_measured_in_its_own_pixels(tmp_path: Path, font_size: int) -> None:
    bad_inputs.text_image(tmp_path / "image.png", LINES, (40 * font_size, 16 * font_size), font_size)
    shape, _ = look(tmp_path / "image.png")
    assert shape.em == pytest.approx(font_size, rel=0.2)


@pytest.mark.parametrize(("case", "category"), [
    (bad_inputs.truncated_png, "damaged"), (bad_inputs.bad_checksum_png, "damaged"), (bad_inputs.bomb_png, "too_large"),
    (bad_inputs.empty_file, "damaged"),
])  # fmt: skip
def test_a_bad_image_is_refused_by_the_probe_and_by_the_renderer(tmp_path: Path, case: object, category: str) -> None:
    assert callable(case)
    case(tmp_path / "image.png")
    for call in (lambda: images.probe(str(tmp_path / "image.png")),
                 lambda: images.render(str(tmp_path / "image.png"), 1, (96, 96))):
        with pytest.raises(UnreadableError) as caught:
            call()
        assert caught.value.category == category
