"""What the embedded engine misreads of pages that grow worse, and whether its confidence says so.

The demo's contract and the exam's papers are faxed, blurred, made noisy or tilted, in four steps each, and their text
is shown in a video of 240 lines that is compressed more and more. Given are, by level: the character error (Levenshtein
distance over the length of the true text, both in the engine's own order), the mean confidence of the pages, the
expected calibration error of the words (Naeini et al., 2015: ten bins, the difference of confidence and share of right
words, weighted), the share of the words read that are right wherever they stand (a tilted page loses its order before
its words), and of the answers how many are right, wrong and abstained from. Confidence falls as error rises where
their rank correlation (Spearman) over all pages of a kind is negative, and a level whose error is higher than another's
by a percent of the characters has less confidence than that.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pymupdf
import yaml
from rapidfuzz.distance import Levenshtein

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from model_actors.embedded_engine import EmbeddedEngine  # noqa: E402
from model_actors.engine import Answer, Pixels, Request, View, Words  # noqa: E402
from pipeline import pages as pdf  # noqa: E402
from pipeline.grounding.alignment import align  # noqa: E402
from pipeline.grounding.differences import THRESHOLDS  # noqa: E402
from pipeline.grounding.tokens import page_tokens  # noqa: E402
from schemas.checklist import Question  # noqa: E402

BUDGET, BINS = 1120, 10
LEVELS: dict[str, tuple[float, ...]] = {
    "fax": (1.0, 0.75, 0.6, 0.5), "blur": (0.8, 1.6, 2.4, 3.2), "noise": (25, 60, 110, 170), "skew": (0.5, 1.5, 3, 6),
    "video": (26, 32, 36, 40)}
"""Of a fax the resolution over that of the page (about 160 dpi), of blur its sigma in px, of noise its deviation of
255, of skew degrees, of video H.264's constant rate factor."""

CLEAR = 0.01
"""Difference of two levels in character error from which their confidences must differ too."""

VIDEO_SIZE, LETTER, LINES = (426, 240), 13, 13
"""Width and height of the video in px, the height of its letters with their leading, and lines of a slide."""


@dataclass(frozen=True)
class Paper:
    """A document: its pages, their true words, and its questions with their true answers."""

    name: str
    pages: tuple[Pixels, ...]
    words: tuple[Words, ...]
    questions: tuple[Question, ...]
    truths: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """Of one paper at one level: by page characters, errors and confidence; by word how sure and whether right."""

    characters: list[int]
    errors: list[int]
    confidences: list[float]
    words: list[tuple[float, bool]]
    answers: list[str]


def main() -> None:
    """Degrade, ask, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one page, the last level of fax and video")
    options = parser.parse_args()
    papers = [_first_page(next(_papers()))] if options.quick else list(_papers())
    kinds = ("fax", "video") if options.quick else tuple(LEVELS)
    figures: dict[str, Any] = {"papers": len(papers), "pages": sum(len(paper.pages) for paper in papers)}
    engine = EmbeddedEngine()
    print("kind   level     error  confidence  calibration error  words right  right wrong abstained")
    falls = []
    for kind in kinds:
        levels = LEVELS[kind][-1 if options.quick else 0 :]
        if kind in ("fax", "video"):  # the pages of the other kinds are the same before they are worsened
            clean = [_judged(engine, _degraded(kind, None, paper), "clean") for paper in papers]
        rows = [clean, *([_judged(engine, _degraded(kind, level, paper), f"{kind} {level}") for paper in papers]
                         for level in levels)]
        means = []
        for level, outcomes in zip(("clean", *map(str, levels)), rows, strict=True):
            error = sum(map(sum, (each.errors for each in outcomes))) / sum(
                map(sum, (each.characters for each in outcomes)))
            sure = float(np.mean([one for each in outcomes for one in each.confidences]))
            words = [word for each in outcomes for word in each.words]
            off, known = calibration_error(words), sum(right for _, right in words) / max(1, len(words))
            given = [answer for each in outcomes for answer in each.answers]
            right, wrong, abstained = (given.count(word) for word in ("right", "wrong", "abstained"))
            means.append((error, sure))
            shown = f"{off:17.3f}" if off is not None else " " * 17
            print(f"{kind:6} {level:6} {100 * error:6.1f} %  {sure:10.3f}  {shown}  {100 * known:9.1f} %  {right:5} "
                  f"{wrong:5} {abstained:9}", flush=True)
            figures[f"{kind}_{level}"] = {
                "character_error": round(error, 4), "confidence": round(sure, 4),
                "calibration_error": off and round(off, 4), "words_right": round(known, 4),
                "abstention": round(abstained / len(given), 3) if given else None, "wrong": wrong, "right": right}
        pages = [(wrong / length, sure) for outcomes in rows for each in outcomes
                 for length, wrong, sure in zip(each.characters, each.errors, each.confidences, strict=True)]
        rank = spearman(*map(list, zip(*pages, strict=True)))
        fell = rank < 0 and all(one[1] > other[1] for one, other in itertools.permutations(means, 2)
                                if one[0] < other[0] - CLEAR)
        falls.append(fell)
        figures[f"{kind}_rank_correlation"] = round(rank, 3)
        print(f"{kind}: confidence {'falls' if fell else 'does not always fall'} as error rises (rank correlation "
              f"{rank:.2f} over {len(pages)} pages)", flush=True)
    asyncio.run(engine.close())
    figures["confidence_falls"] = all(falls)
    print(json.dumps(figures, sort_keys=True))


def _papers() -> Iterator[Paper]:
    """The papers that have a text layer, with the questions that the embedded engine can answer."""
    asked = yaml.safe_load((ROOT / "infra/demo/audit.yaml").read_text("utf-8"))["checklist"]
    truths = {"total": "48750.00", "effective_date": "2025-06-01", "notice_days": "60",
              "governing_law": "England and Wales"}
    questions = [Question.model_validate(item) for item in asked if item["id"] in truths]
    yield _paper(ROOT / "infra/demo/corpus/supply-agreement.pdf", questions, truths)
    exam = yaml.safe_load((ROOT / "tests/data/exam/questions.yaml").read_text("utf-8"))
    for name in ("employment_contract", "expense_claim", "joinery_quotation", "wasserabrechnung"):
        items = [item for item in exam if item["document"] == f"{name}.pdf"]
        truths = {item["id"]: str(item["truth"]["amount"] if isinstance(item["truth"], dict) else item["truth"])
                  for item in items}
        questions = [Question.model_validate({key: item[key] for key in ("id", "ask", "answer", "look_for")
                                              if key in item}) for item in items]
        yield _paper(ROOT / f"tests/data/exam/{name}.pdf", questions, truths)


def _paper(path: Path, questions: Sequence[Question], truths: dict[str, str]) -> Paper:
    with pymupdf.open(path) as document:
        count = document.page_count
    drawn = [pdf.render(str(path), (), number, BUDGET, True) for number in range(1, count + 1)]
    return Paper(path.stem, tuple(pixels for _, [pixels] in drawn),
                 tuple(text.words for (text, _), _ in drawn if text is not None), tuple(questions), truths)


def _first_page(paper: Paper) -> Paper:
    return replace(paper, pages=paper.pages[:1], words=paper.words[:1])


def _degraded(kind: str, level: float | None, paper: Paper) -> tuple[Paper, tuple[View, ...]]:
    """A paper and what is seen of it: its pages, or frames of a video with its text; as it is where level is None."""
    if kind == "video":
        slides = list(_slides(paper))
        frames = [slide for slide, _ in slides]
        frames = frames if level is None else _filmed(frames, int(level))
        shown = Paper(paper.name, tuple(frames), tuple(words for _, words in slides), (), {})
        return shown, tuple(View(frame, time_s=float(place)) for place, frame in enumerate(frames))
    worsen: dict[str, Callable[[Pixels, float, int], Pixels]] = {
        "fax": _faxed, "blur": _blurred, "noise": _noisy, "skew": _tilted}
    pages = [page if level is None else worsen[kind](page, level, place) for place, page in enumerate(paper.pages)]
    return paper, tuple(View(page, page=place) for place, page in enumerate(pages, start=1))


def _faxed(page: Pixels, scale: float, seed: int) -> Pixels:
    """Black or white at the resolution of a fax, with specks."""
    height, width = page.shape[:2]
    small = cv2.resize(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    black = np.where(small < 160, 0, 255).astype(np.uint8)
    black[np.random.default_rng(seed).random(black.shape) < 0.002] = 0
    return _rgb(cv2.resize(black, (width, height), interpolation=cv2.INTER_LINEAR))


def _blurred(page: Pixels, sigma: float, _: int) -> Pixels:
    return _rgb(cv2.GaussianBlur(page, (0, 0), sigma))


def _noisy(page: Pixels, deviation: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, deviation, page.shape[:2])
    return _rgb(np.clip(page.astype(np.float32) + noise[:, :, None], 0, 255).astype(np.uint8))


def _tilted(page: Pixels, degrees: float, seed: int) -> Pixels:
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees if seed % 2 else -degrees, 1.0)
    return _rgb(cv2.warpAffine(page, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255)))


def _rgb(picture: npt.NDArray[Any]) -> Pixels:
    return np.ascontiguousarray(picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2), np.uint8)


def _slides(paper: Paper) -> Iterator[tuple[Pixels, Words]]:
    """The first lines of each page as a slide of the video's size, with their words."""
    width, height = VIDEO_SIZE
    font = pymupdf.Font("helv")
    for words in paper.words:
        lines: list[list[str]] = [[]]
        for text in words.texts:
            if font.text_length(" ".join([*lines[-1], text]), 11) > width - 20:
                lines.append([])
            lines[-1].append(text)
        with pymupdf.open() as document:
            page = document.new_page(width=width, height=height)
            for row, line in enumerate(lines[:LINES]):
                page.insert_text((10, 24 + row * 16), " ".join(line), fontname="helv", fontsize=11)
            pixels = np.frombuffer(page.get_pixmap().samples, np.uint8).reshape(height, width, 3)
        shown = [(word, row) for row, line in enumerate(lines[:LINES]) for word in line]
        count = len(shown)
        boxes = np.array([(place / count, row / LINES, (place + 1) / count, (row + 0.8) / LINES)
                          for place, (_, row) in enumerate(shown)], np.float32)
        yield pixels.copy(), Words([word for word, _ in shown], boxes, np.ones(count, np.float32),
                                   np.array([row for _, row in shown], np.int32))


def _filmed(slides: Sequence[Pixels], rate_factor: int) -> list[Pixels]:
    """The slides as the last of ten frames each of an H.264 video."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=10, options={"crf": str(rate_factor), "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = *VIDEO_SIZE, "yuv420p"
        for slide in slides:
            for _ in range(10):
                target.mux(stream.encode(av.VideoFrame.from_ndarray(slide, format="rgb24")))
        target.mux(stream.encode())
    file.seek(0)
    with av.open(file) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    return frames[9::10]


def _judged(engine: EmbeddedEngine, shown: tuple[Paper, tuple[View, ...]], name: str) -> Outcome:
    paper, views = shown
    reply = asyncio.run(engine.ask(Request(name, f"{paper.name}@{name}", views, paper.questions, True, "", BUDGET)))
    exact = tuple(View(view.pixels, view.page, view.time_s, words=words)
                  for view, words in zip(views, paper.words, strict=True))
    true = asyncio.run(engine.ask(Request(name, f"{paper.name}@true", exact, (), True, "", BUDGET)))
    pairs = [("".join(read.text.split()), "".join(wanted.text.split()))
             for read, wanted in zip(reply.transcripts, true.transcripts, strict=True)]
    words = [word for read, truth in zip(reply.transcripts, paper.words, strict=True) if read.words is not None
             for word in _words(read.words, truth)]
    return Outcome([len(wanted) for _, wanted in pairs], [Levenshtein.distance(*pair) for pair in pairs],
                   [read.confidence or 0.0 for read in reply.transcripts], words,
                   [_verdict(paper, answer) for answer in reply.answers])


def _words(read: Words, truth: Words) -> Iterator[tuple[float, bool]]:
    """How sure each word is, and whether all of it stands on the page as it was read."""
    said = page_tokens(read.texts)
    made = align(said, page_tokens(truth.texts), THRESHOLDS["ocr"].alike, ocr=False)
    right = [True] * len(read)
    for word, likeness in zip(said.words, made.likeness, strict=True):
        right[word] &= likeness == 1.0
    yield from zip(read.confidences.tolist(), right, strict=True)


def _verdict(paper: Paper, answer: Answer) -> str:
    if answer.value is None:
        return "abstained"
    true = paper.truths[answer.question]
    try:
        return "right" if Decimal(answer.value) == Decimal(true) else "wrong"
    except ArithmeticError:
        return "right" if answer.value.casefold() == true.casefold() else "wrong"


def calibration_error(found: Sequence[tuple[float, bool]]) -> float | None:
    """The expected calibration error of confidences (0..1), in ten bins; None of none."""
    if not found:
        return None
    sure, right = np.array([each[0] for each in found]), np.array([each[1] for each in found], np.float64)
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    return float(sum(abs(sure[place == bin_].sum() - right[place == bin_].sum()) for bin_ in range(BINS)) / len(found))


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation of two sequences, -1..1; of ties each has their mean rank."""
    ranks = [[float(np.mean(np.flatnonzero(np.sort(values) == value))) for value in values] for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
