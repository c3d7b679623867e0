"""Asks an engine about the rendered units of a chunk and turns its reply into rows of the output tables."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from model_actors.engine import Answer, Block, Engine, Evidence, Reply, Request, RequestError, Transcript, Words
from pipeline.evidence import keep_pictures
from pipeline.fingerprints import Fingerprints
from pipeline.grounding.ground import GroundedAnswer, Page, ground_answer, ground_transcript
from pipeline.ladder import Climbed, Redraw, climb
from pipeline.merging import judge
from pipeline.own_words import OCR_RAISES, OwnWords
from pipeline.planning import Chunk, Part
from pipeline.rendering import FailedUnit, Rendered
from pipeline.units import RETRYABLE, UnreadableError
from schemas import answers, records
from schemas.checklist import Question
from schemas.job import Job


@dataclass(frozen=True)
class Setting:
    """What all shards of a run share."""

    job: Job
    run_id: str
    names: Fingerprints


@dataclass
class Rows:
    """The rows that a shard publishes, by table."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in records.PUBLISHED})

    def add(self, table: str, common: Mapping[str, Any], **values: Any) -> None:
        """Add one row made of the columns all rows of a part share and its own."""
        self.tables[table].append({**common, **values})


def common_columns(part: Part, setting: Setting, shard_id: str) -> dict[str, Any]:
    """The columns that every row of a part has; `attempts` is one of failures alone."""
    return {"asset": part.asset.uri, "version": part.asset.version, "fingerprint": setting.names.engine,
            "run_id": setting.run_id, "shard_id": shard_id, "attempts": part.attempt}


def add_failure(rows: Rows, common: Mapping[str, Any], phase: str, error: UnreadableError, page: int | None = None,
                time_s: float | None = None) -> None:
    """Record a failure, whose message names what to do."""
    rows.add("failures", common, page=page, time_s=time_s, phase=phase, category=error.category,
             retryable=error.category in RETRYABLE, message=error.message)


def add_failed_units(rows: Rows, common: Mapping[str, Any], failed: Iterable[FailedUnit]) -> None:
    """Record the units of a chunk that could not be drawn."""
    for unit in failed:
        add_failure(rows, common, "render", unit.error, unit.page, unit.time_s)


async def ask(chunk: Chunk, rendered: Rendered, render_seconds: float, redraw: Redraw, engine: Engine,
              setting: Setting, common: Mapping[str, Any], rows: Rows) -> None:
    """Ask about what was drawn, and add transcripts, answers and the request's own row, or a failure.

    What is answered in doubt is asked again, of what `redraw` draws. Raises EngineError where the engine broke, and
    StorageError where a picture of evidence cannot be kept.
    """
    questions = {question.id: question for question in setting.job.checklist}
    request = Request(f"{common['shard_id']}:{chunk.id}", f"{common['asset']}@{common['version']}", rendered.views,
                      tuple(questions[name] for name in chunk.questions), chunk.transcribe, setting.job.instructions,
                      rendered.budget)
    started = time.monotonic()
    page = chunk.pages[0] if len(chunk.pages) == 1 else None
    larger = [each for each in engine.limits().budgets if each > rendered.budget][:OCR_RAISES]
    own = OwnWords(rendered.views, setting.job, functools.partial(redraw, larger[-1] if larger else rendered.budget))

    async def ground(reply: Reply) -> dict[str, GroundedAnswer]:
        told = [answer for answer in reply.answers if answer.value is not None]
        pages = await own.pages(reply) if any(_rests_on_words(questions[each.question], each) for each in told) else []
        return await asyncio.to_thread(lambda: {
            answer.question: ground_answer(questions[answer.question], answer, pages) for answer in told})

    try:
        climbed = await climb(request, engine, engine.limits().budgets, redraw, ground)
    except RequestError as error:
        add_failure(rows, common, "ask", UnreadableError(error.category, str(error)), page)
        climbed = Climbed(Reply(finish_reason="error"), {}, (), rendered.budget)
    reply, usage = climbed.reply, climbed.reply.usage
    rows.add("requests", common, chunk_id=chunk.id, engine=engine.name, budget=climbed.budget,
             images=len(rendered.views), input_tokens=usage.input_tokens or chunk.tokens,
             output_tokens=usage.output_tokens, steps=usage.steps, forwards=usage.forwards,
             tokens_per_forward=usage.tokens_per_forward, mean_entropy=usage.mean_entropy,
             render_seconds=render_seconds, ask_seconds=time.monotonic() - started,
             decoding=rendered.decoding, rungs=[*rendered.rungs, *climbed.rungs], finish_reason=reply.finish_reason)
    until = {view.time_s: view.until_s for view in rendered.views}
    checked = await own.pages(reply) if any(each.source == "model" for each in reply.transcripts) else []
    for transcript in reply.transcripts:
        rows.add("transcripts", common, engine=engine.name, budget=rendered.budget, until_s=until[transcript.time_s],
                 **_transcript(transcript), **_agreement(transcript, checked))
    unseen = sum(unit.units for unit in rendered.failed)
    coverage = len(rendered.views) / len(chunk.pages) if chunk.pages else 1 - unseen / rendered.samples
    found = []
    for answer in reply.answers:
        question = questions[answer.question]
        row = {"question": question.id, "question_fingerprint": setting.names.questions[question.id],
               "level": question.scope if question.scope == "page" else "chunk",
               "page": page if question.scope == "page" else None, "chunk_id": chunk.id,
               "answer_type": question.answer.type, "severity": question.severity, "engine": engine.name,
               "coverage": coverage, **_answer(question, answer), **_grounding(climbed.grounded.get(question.id), own)}
        if page is not None and row["value"] is not None and not row["evidence"]:
            row["evidence"] = [asdict(Evidence(page=page))]  # it rests on what was shown, whatever it quotes
        found.append({**row, "verdict": judge(question, row)})
        rows.add("answers", common, **found[-1])
    await asyncio.to_thread(keep_pictures, setting.job.output, common["asset"], common["version"], rendered.views,
                            found)


def _rests_on_words(question: Question, answer: Answer) -> bool:
    """Whether the page's own words can tell anything of an answer: one that is read off them, or quotes them."""
    return question.answer.type not in ("yes/no", "label", "event") or any(item.quote for item in answer.evidence)


def _grounding(grounded: GroundedAnswer | None, own: OwnWords) -> dict[str, Any]:
    """How an answer agrees with the page's own words, where that was looked at, and where it stands there."""
    if grounded is None:
        return {}
    looked_at = grounded.status != "not_checkable"
    located = [item for item in grounded.evidence if item.box or item.quote] or grounded.evidence
    return {"grounding": grounded.status,
            "grounding_source": own.source({item.page for item in grounded.evidence}) if looked_at else None,
            "evidence": [asdict(item) for item in located]}


def _answer(question: Question, answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {"status": "unsure", "value": None, "source": "engine", "confidence": answer.confidence,
                           "confidence_source": answer.confidence_source, "reason": answer.reason,
                           "probabilities": [{"label": label, "probability": share}
                                             for label, share in answer.probabilities] or None,
                           "evidence": [asdict(item) for item in answer.evidence]}
    if answer.value is None:
        return row
    try:
        typed = answers.columns(question, answer.value, answer.currency)
    except answers.InvalidValueError as error:
        return {**row, "status": "failed", "reason": f"the reply is not valid: {error}"}
    return {**row, **typed, "status": "answered"}


def _agreement(transcript: Transcript, pages: Sequence[Page]) -> dict[str, Any]:
    """How a model's transcript agrees with the page's own words, where it is not these themselves."""
    if transcript.source != "model":
        return {}
    page = next((page for page in pages if (page.number, page.time_s) == (transcript.page, transcript.time_s)), None)
    if page is None:
        return {"grounding": "not_checkable"}
    found = ground_transcript(transcript.text, page)
    return {"grounding": found.status, "grounding_source": page.source, "grounded": found.grounded,
            "recalled": found.recalled, "findings": [asdict(finding) for finding in found.findings]}


def _transcript(transcript: Transcript) -> dict[str, Any]:
    return {"page": transcript.page, "time_s": transcript.time_s, "text": transcript.text,
            "markdown": transcript.markdown, "source": transcript.source, "confidence": transcript.confidence,
            "confidence_source": transcript.confidence_source, "note": transcript.note,
            "blocks": [_block(block, order) for order, block in enumerate(transcript.blocks)],
            "words": None if transcript.words is None else _words(transcript.words)}


def _block(block: Block, order: int) -> dict[str, Any]:
    return {"kind": block.kind, "text": block.text, "box": block.box, "order": order, "confidence": block.confidence,
            "cells": [asdict(cell) for cell in block.cells]}


def _words(words: Words) -> list[dict[str, Any]]:
    boxes = np.round(words.boxes.astype(np.float64), 5).tolist()
    return [{"text": text, "box": box, "confidence": confidence} for text, box, confidence
            in zip(words.texts, boxes, words.confidences.tolist(), strict=True)]
