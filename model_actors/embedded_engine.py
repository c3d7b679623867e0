"""The engine for machines without a GPU: it transcribes, retrieves evidence, answers by rule, and else abstains.

It holds no language model and never guesses: text comes from a trusted text layer or from OCR, an answer from a value
printed beside its key, and everything else is `unsure` with the best passages as evidence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rapidfuzz.fuzz import partial_ratio

from model_actors import layout, ocr, rules
from model_actors.budgets import BUDGETS
from model_actors.engine import Answer, Block, Evidence, Limits, Reply, Request, RequestError, Transcript, View
from model_actors.retrieval import best_passages
from schemas.checklist import Question

NAME = "embedded"

RULES_VERSION = 2
"""Raised whenever the same page may be answered differently, so that old and new answers never mix."""

IDENTITY = {**ocr.IDENTITY, "rules": RULES_VERSION}

LIMITS = Limits(context=262_144, canvas=0, images=16, budgets=BUDGETS, pixels_per_em=20.0, text_in_prompt=False,
                seconds_per_image=0.6)
"""`pixels_per_em`: the tiny OCR weights misread 6.2 % of the characters at 11 px per em, 2.2 % at 22. `images` and
`seconds_per_image` keep one request within 120 MB of pixels and about 10 s."""

UNREADABLE = 0.65
"""Mean OCR confidence of a unit below which nothing is given: scripts that it cannot read and pages upside down reach
0.61; of a Latin page, three words in four are then wrong."""

NO_TEXT = 0.3
"""Mean OCR confidence of a line below which it is a speck, a texture, or nothing that it knows."""

UNREADABLE_NOTE = ("not legible for this engine: blurred, too small, upside down, or in a script other than Latin, "
                   "Greek or Chinese; no text is given")

KEPT_READINGS = 64
"""Pages whose reading is kept, for the several requests that see one page."""


class EmbeddedEngine:
    """OCR, retrieval and rules on one CPU core."""

    name = NAME

    def __init__(self) -> None:
        self._ocr = ocr.shared()
        self._thread = ThreadPoolExecutor(1, "embedded-engine")
        self._transcripts: dict[tuple[str, int | None, int], Transcript] = {}

    def limits(self) -> Limits:
        """What a request may hold."""
        return LIMITS

    async def ask(self, request: Request) -> Reply:
        """Transcribe every view, and answer or abstain on every question. Raises RequestError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, request)
        except Exception as error:  # whatever a library makes of a strange picture costs this request only
            raise RequestError(f"could not be read: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """End the engine's thread."""
        self._thread.shutdown()

    def _ask(self, request: Request) -> Reply:
        transcripts = [self._read(request, view) for view in request.views]
        answers = tuple(answer(question, request.views, transcripts) for question in request.questions)
        return Reply(tuple(transcripts) if request.transcribe else (), answers,
                     read=tuple(each.words if each.source == "ocr" else None for each in transcripts))

    def _read(self, request: Request, view: View) -> Transcript:
        if view.page is None:
            return transcribe(view, self._ocr)
        key = (request.asset, view.page, view.pixels.shape[0])
        if key not in self._transcripts:
            while len(self._transcripts) >= KEPT_READINGS:
                self._transcripts.pop(next(iter(self._transcripts)))
            self._transcripts[key] = transcribe(view, self._ocr)
        return self._transcripts[key]


def transcribe(view: View, reader: ocr.Ocr) -> Transcript:
    """The text of one view, from its trusted text layer or by OCR."""
    words = view.words if view.words is not None else reader.read(view.pixels)
    read = view.words is None
    if read and len(words):
        means = np.bincount(words.lines, words.confidences) / np.maximum(1, np.bincount(words.lines))
        kept = np.flatnonzero(means[words.lines] >= NO_TEXT)
        words = words.only(kept) if len(kept) else words
    confidence = float(words.confidences.mean()) if read and len(words) else None
    if confidence is not None and confidence < UNREADABLE:
        return Transcript(view.page, view.time_s, "", "", (), None, "ocr", confidence, "ocr", UNREADABLE_NOTE)
    found = layout.segments(words, view.pixels.shape[0] / view.pixels.shape[1])
    tables: list[Block] = layout.ruled_tables(view.pixels, words, read) if view.page is not None else []
    blocks = layout.blocks(words, found, tables, read)
    return Transcript(view.page, view.time_s, "\n\n".join(block.text for block in blocks), layout.markdown(blocks),
                      tuple(blocks), words, "ocr" if read else "text_layer", confidence, "ocr" if read else None,
                      view.note)


def answer(question: Question, views: Sequence[View], transcripts: Sequence[Transcript]) -> Answer:
    """One answer by rule, or an abstention with the best passages as evidence."""
    if question.answer.type == "event":
        return _event(question, views, transcripts)
    readings = [rules.Reading.of(transcript.page, transcript.words, layout.segments(
        transcript.words, view.pixels.shape[0] / view.pixels.shape[1]))
        for view, transcript in zip(views, transcripts, strict=True) if transcript.words is not None]
    found = rules.answer_by_rule(question, readings)
    if found.evidence:
        return found
    return Answer(question.id, None, evidence=_passages(question, transcripts), reason=found.reason)


def _passages(question: Question, transcripts: Sequence[Transcript]) -> tuple[Evidence, ...]:
    places = [(transcript, block) for transcript in transcripts for block in transcript.blocks]
    query = " ".join((question.ask, *question.look_for))
    best = best_passages(query, [block.text for _, block in places])
    return tuple(Evidence(page=places[index][0].page, time_s=places[index][0].time_s, box=places[index][1].box,
                          quote=places[index][1].text, score=score) for index, score in best)


def _event(question: Question, views: Sequence[View], transcripts: Sequence[Transcript]) -> Answer:
    """The stretches in which a hint's phrase is on screen; an abstention where there is no hint or it is not seen."""
    if not question.look_for:
        return Answer(question.id, None, reason="no rule finds an event without 'look_for' text; it needs a model")
    seen = [(view, block) for view, transcript in zip(views, transcripts, strict=True)
            for block in transcript.blocks if any(_shows(block, phrase) for phrase in question.look_for)]
    if not seen:
        return Answer(question.id, None, reason="the text looked for was not read in any frame")
    evidence = tuple(Evidence(time_s=view.time_s, end_s=view.until_s, box=block.box, quote=block.text,
                              score=block.confidence) for view, block in seen)
    confidence = min(block.confidence or 0.0 for _, block in seen)
    return Answer(question.id, "yes", None, round(confidence * rules.HINTED, 4), "ocr", evidence,
                  "the text looked for is on screen")


def _shows(block: Block, phrase: str) -> bool:
    text, wanted = " ".join(block.text.casefold().split()), " ".join(phrase.casefold().split())
    return len(text) >= 0.8 * len(wanted) and partial_ratio(wanted, text) >= 90
