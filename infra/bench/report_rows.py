"""Writes output tables by the row, to make reports of that no engine has to be asked for."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipeline import storage, stores
from pipeline.evidence import picture_path
from pipeline.tables import append
from schemas.records import TABLES

Row = dict[str, Any]

MADE_AT = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
QUESTIONS = 10
SAID = ("EUR 48,750.00 is payable within thirty days of the invoice", "Notice is given in writing, 90 days ahead",
        "Signed for the Buyer by its managing director", "Governed by the law of England and Wales")


def row(table: str, **values: Any) -> Row:
    """A row of a table, in which what is required and not given is empty, 0 or false."""
    made: Row = {}
    for field in TABLES[table]:
        if field.name in values:
            made[field.name] = values.pop(field.name)
        elif field.nullable:
            made[field.name] = None
        elif pa.types.is_string(field.type):
            made[field.name] = ""
        elif pa.types.is_list(field.type):
            made[field.name] = []
        elif pa.types.is_timestamp(field.type):
            made[field.name] = MADE_AT
        else:
            made[field.name] = field.type.to_pandas_dtype()()
    assert not values, f"{table} has no column {', '.join(values)}"
    return made


def write(output: str, table: str, rows: Iterable[Row], once: str = "rows") -> None:
    """Add rows, each the columns that are not empty, to a table of an output."""
    append(output, table, [row(table, **values) for values in rows], once)


def evidence(page: int | None = None, **values: Any) -> Row:
    """A piece of evidence."""
    return {"page": page, "time_s": None, "end_s": None, "box": None, "quote": None, "score": None, **values}


def picture(output: str, asset: str, version: str, page: int | None, time_s: float | None = None,
            colour: tuple[int, int, int] = (255, 255, 255), size: tuple[int, int] = (480, 672)) -> None:
    """Keep a picture of one colour as that of a page or frame."""
    from PIL import Image

    sink = io.BytesIO()
    Image.new("RGB", size, colour).save(sink, "JPEG")
    storage.put_if_absent(stores.join(output, picture_path(asset, version, page, time_s)), sink.getvalue())


def checklist() -> list[Row]:
    """The questions of `many_findings`: half of them checks."""
    return [{"id": f"question_{number}", "ask": f"What does clause {number} of the agreement say?", "answer": "text",
             "severity": ("high", "medium", "low")[number % 3],
             **({"expect": "as agreed"} if number % 2 else {})} for number in range(QUESTIONS)]


def many_findings(output: str, count: int) -> None:
    """Tables of `count` findings on a tenth as many documents, each with three quotes and made from two parts."""
    answers, assets, requests = [], [], []
    for number in range(count // QUESTIONS):
        asset = f"/corpus/folder {number % 37}/agreement-{number:05}.pdf"
        assets.append({"asset": asset, "version": "v", "status": "partial" if number % 50 == 0 else "ok", "kind": "pdf",
                       "media_type": "application/pdf", "bytes": 10_000 + number, "units": 12, "units_failed": 0,
                       "coverage": 1.0, "finished_at": MADE_AT})
        for question in checklist():
            answers += _of_question(asset, number, question)
        requests += [{"asset": asset, "version": "v", "chunk_id": f"d{part}:p1-6", "shard_id": "s", "engine": "made",
                      "budget": 560, "images": 6, "input_tokens": 4000, "render_seconds": 0.5, "ask_seconds": 1.5,
                      "rungs": ["budget 1120"] if number % 7 == 0 else []} for part in (0, 1)]
    write(output, "answers", answers)
    write(output, "assets", assets)
    write(output, "requests", requests)
    write(output, "runs", [{"run_id": "r", "job": "many", "status": "finished", "versions": '{"canvass-audit": "0"}',
                            "questions": "{}", "assets": len(assets)}])


def _of_question(asset: str, number: int, question: Row) -> Iterable[Row]:
    place = number * QUESTIONS + int(question["id"].rpartition("_")[2])
    quotes = [evidence(1 + (place + each) % 12, box=[0.1, 0.1 + 0.2 * each, 0.9, 0.13 + 0.2 * each], score=1.0,
                       quote=f"{SAID[(place + each) % len(SAID)]} (no. {place}). " * 3) for each in range(3)]
    verdict = ("pass", "pass", "fail", "unsure")[place // 2 % 4] if "expect" in question else None
    unsure = verdict == "unsure" or (verdict is None and place % 9 == 0)
    common = {"asset": asset, "version": "v", "question": question["id"], "answer_type": "text", "engine": "made",
              "severity": question["severity"], "verdict": verdict, "coverage": 1.0, "source": "engine",
              "status": "unsure" if unsure else "answered", "value": None if unsure else f"as agreed in no. {place}",
              "confidence": None if unsure else 0.5 + place % 50 / 100, "confidence_source": "min_word_probability",
              "grounding": ("exact", "close", "contradicted")[place % 3], "reason": "nothing clear" if unsure else None}
    yield {**common, "level": "asset", "evidence": quotes}
    for part in (0, 1):
        yield {**common, "level": "chunk", "chunk_id": f"d{part}:p1-6", "shard_id": "s", "evidence": quotes[:2]}
