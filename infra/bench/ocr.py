"""What our OCR costs and misreads beside RapidOCR's defaults, on the same pictures with known text.

The pages are the demo's contract and letter and generated ones in several fonts and sizes, drawn at the budget of
1,120 tokens on clean paper and, every other one, with the blur and noise of a scan; the text layer (of the letter: its
true text) says what stands there. Both read every picture in one thread each, in turns. Given are CPU seconds a page,
the character error (Levenshtein distance over the length of the truth, spaces left out, all three texts put in the same
order: rows from the top, each from the left) and the share of true words that were read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

COST_TARGET = 0.2
ROOT = Path(__file__).parents[2]
Picture = npt.NDArray[np.uint8]
Line = tuple[str, float, float, float]
"""Text, left side, top and bottom."""
Reader = Callable[[Picture], list[Line]]
GENERATED = 20
SIZES, FACES = (9.0, 10.0, 11.0, 13.0, 16.0), ("serif", "sans", "italic", "mono", "bold")


def main() -> None:
    """Read every page with both, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one generated page only")
    options = parser.parse_args()
    readers: dict[str, Reader] = {"ours": _ours(), "rapidocr": _rapidocr()}
    spent: dict[str, float] = dict.fromkeys(readers, 0.0)
    errors: dict[str, int] = dict.fromkeys(readers, 0)
    found: dict[str, int] = dict.fromkeys(readers, 0)
    characters = words = pages = 0
    for name, picture, truth in _pages(1 if options.quick else GENERATED, not options.quick):
        if not pages:
            for read in readers.values():
                read(picture)  # the first page pays for memory that the others reuse
        pages += 1
        wanted = _plain(truth)
        characters += len(wanted)
        true_words = Counter(_words(truth))
        words += true_words.total()
        shown = []
        for reader, read in list(readers.items())[:: 1 if pages % 2 else -1]:
            started = time.process_time()
            lines = read(picture)
            spent[reader] += time.process_time() - started
            distance = Levenshtein.distance(wanted, _plain(lines))
            errors[reader] += distance
            found[reader] += (true_words & Counter(_words(lines))).total()
            shown.append(f"{reader} {100 * distance / len(wanted):.1f} %")
        print(f"{name}: {', '.join(sorted(shown))}", flush=True)
    figures: dict[str, Any] = {"pages": pages, "characters": characters, "cost_target": COST_TARGET}
    for reader in readers:
        figures |= {f"{reader}_cpu_s_a_page": round(spent[reader] / pages, 3),
                    f"{reader}_character_error": round(errors[reader] / characters, 4),
                    f"{reader}_word_recall": round(found[reader] / words, 4)}
    figures["cost_ratio"] = round(spent["ours"] / spent["rapidocr"], 3)
    figures["error_ratio"] = round(errors["ours"] / max(1, errors["rapidocr"]), 3)
    print(f"ours / RapidOCR's defaults: cost {figures['cost_ratio']} (target: at most {COST_TARGET}), "
          f"character error {figures['error_ratio']} (target: at most 1)")
    print(json.dumps(figures, sort_keys=True))


def _ours() -> Reader:
    from model_actors.ocr import Ocr

    reader = Ocr()

    def read(picture: Picture) -> list[Line]:
        words = reader.read(picture)
        return _joined(zip(words.lines.tolist(), words.texts, words.boxes[:, [0, 1, 3]].tolist(), strict=True))

    return read


def _rapidocr() -> Reader:
    from rapidocr import RapidOCR

    reader: Any = RapidOCR(params={"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                                   "EngineConfig.onnxruntime.inter_op_num_threads": 1})

    def read(picture: Picture) -> list[Line]:
        result = reader(np.ascontiguousarray(picture[:, :, ::-1]))
        if result.txts is None:
            return []
        return [(text, min(x for x, _ in corners), min(y for _, y in corners), max(y for _, y in corners))
                for text, corners in zip(result.txts, result.boxes.tolist(), strict=True)]

    return read


def _joined(words: Iterable[tuple[Any, str, Sequence[float]]]) -> list[Line]:
    """Lines of words that share a key."""
    lines: dict[Any, list[tuple[str, Sequence[float]]]] = {}
    for key, text, place in words:
        lines.setdefault(key, []).append((text, place))
    return [(" ".join(text for text, _ in line), min(place[0] for _, place in line),
             min(place[1] for _, place in line), max(place[2] for _, place in line)) for line in lines.values()]


def _layer(page: Any) -> list[Line]:
    return _joined((word[5:7], word[4], (word[0], word[1], word[3])) for word in page.get_text("words"))


def _pages(generated: int, demo: bool) -> Iterator[tuple[str, Picture, list[Line]]]:
    """Pages by name, as pictures with their true lines."""
    import pymupdf

    corpus = ROOT / "infra/demo/corpus"
    if demo:
        with pymupdf.open(corpus / "supply-agreement.pdf") as document:
            for page in document:
                yield f"contract {page.number + 1}", _draw(page), _layer(page)
        with pymupdf.open(corpus / "scanned-letter.pdf") as document:
            truth = (ROOT / "tests/data/demo/scanned-letter.txt").read_text("utf-8")
            yield "scanned letter", _draw(document[0]), [
                (line, 0, place, place + 1) for place, line in enumerate(truth.splitlines())]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(generated):
            path = Path(folder) / "page.pdf"
            _generate(path, number)
            with pymupdf.open(path) as document:
                picture = _draw(document[0])
                name = f"{FACES[number % len(FACES)]} {SIZES[number // 2 % len(SIZES)]:g} pt"
                scanned = number % 2 == 1
                yield name + (" scanned" if scanned else ""), _scan(picture, number) if scanned else picture, \
                    _layer(document[0])


def _generate(path: Path, number: int) -> None:
    import pymupdf
    import report_pages

    rng = np.random.default_rng(1000 + number)
    size, name = SIZES[number // 2 % len(SIZES)], FACES[number % len(FACES)]
    with pymupdf.open() as document:
        page = document.new_page(width=report_pages.WIDTH, height=report_pages.HEIGHT)
        writer = report_pages.Writer(page, rng)
        writer.line(writer.words(4), "bold", 18)
        if number % 4 == 3:
            writer.table()
        while writer.y < report_pages.HEIGHT - 12 * size:
            writer.paragraph(40, name, size)
        writer.ink.write_text(page)
        document.save(path)


def _draw(page: Any) -> Picture:
    import pymupdf

    from model_actors.budgets import image_size
    from pipeline import pages

    width, height = image_size(page.rect.width, page.rect.height, 1120)
    picture = np.empty((height, width, 3), np.uint8)
    pages.draw(page, page.get_displaylist(), picture, pymupdf.csRGB)
    return picture


def _scan(picture: Picture, seed: int) -> Picture:
    """Tilted by half a degree, on gray paper, out of focus and noisy."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 0.5, 1.0)
    tilted = cv2.warpAffine(picture, turn, (width, height), borderValue=(255, 255, 255))
    paper = cv2.GaussianBlur(30 + tilted.astype(np.float32) * 0.82, (0, 0), 0.7)
    noise = np.random.default_rng(seed).normal(0, 4, paper.shape)
    return np.asarray(np.clip(paper + noise, 0, 255), np.uint8)


def _words(lines: Sequence[Line]) -> list[str]:
    """Words row by row: lines belong to one row where the middle of the one lies within the other."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda item: item[2] + item[3]):
        if rows and (line[2] + line[3]) / 2 < rows[-1][0][3] - 0.2 * (rows[-1][0][3] - rows[-1][0][2]):
            rows[-1].append(line)
        else:
            rows.append([line])
    ordered = " ".join(line[0] for row in rows for line in sorted(row, key=lambda item: item[1]))
    return unicodedata.normalize("NFKC", ordered).split()


def _plain(lines: Sequence[Line]) -> str:
    return "".join(_words(lines))


if __name__ == "__main__":
    main()
