"""Combines what an engine said of the parts of an asset into one answer, by the rule that the question names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from schemas.checklist import Event, Question

Row = dict[str, Any]

CLEAR_LEAD = 0.05
"""Lead in confidence by which one value must stand before every other to be the asset's answer."""

MAX_EVIDENCE = 3
"""Pieces of evidence kept with an asset's answer, of an event the first of each; its chunks' answers hold all."""

REFUTED = frozenset({"contradicted", "absent"})
"""Grounding of an answer that the page's own words do not bear out."""

KEPT = ("status", "value", "number", "currency", "date", "confidence", "confidence_source", "probabilities",
        "grounding", "grounding_source", "reason")
"""Columns that the asset's answer takes from the answer of a part."""


def combine(question: Question, own: Sequence[Row], lost: int = 0) -> Row:
    """One answer out of those of the chunks or pages, which are in order of place; `lost` others gave none.

    `surest`: the value that stands clearly before every other; a conflict is unsure and keeps both sides' evidence.
    `any` and `all`: yes where one says so, or where all do. `first`: the first that was answered. `sum`: the sum of all
    amounts. An answer that the page's own words do not bear out gives way to one that they do; what rests on several
    parts is as sure as the least sure of them, and borne out if all are.
    """
    if not own:
        return {"status": "failed", "reason": "no part of the asset could be asked", "evidence": [], "engine": ""}
    shared = {"question_fingerprint": own[0]["question_fingerprint"], "engine": own[0]["engine"]}
    seen = [row for row in own if row["value"] == "yes"] if isinstance(question.answer, Event) else []
    answered = [row for row in seen or own if row["status"] == "answered"]
    if not answered:
        return {**shared, **_abstention(own, own[0]["reason"])}
    match question.combine:
        case "any":
            return {**shared, **_decided(answered, own, lost, "yes")}
        case "all":
            return {**shared, **_decided(answered, own, lost, "no")}
        case "first":
            first = next((row for row in answered if not _is_refuted(row)), answered[0])
            return {**shared, **_taken(first, [first])}
        case "sum":
            return {**shared, **_sum(answered, len(own) + lost)}
        case "surest":
            return {**shared, **_surest(answered)}


def _abstention(own: Sequence[Row], reason: str | None) -> Row:
    evidence = sorted((item for row in own for item in row["evidence"] or ()), key=lambda item: -(item["score"] or 0.0))
    return {"status": "unsure", "reason": reason, "evidence": evidence[:MAX_EVIDENCE]}


def _surest(answered: Sequence[Row]) -> Row:
    borne_out = [row for row in answered if not _is_refuted(row)]
    best: dict[tuple[Any, ...], Row] = {}
    for row in _surest_first(borne_out or answered):
        value = row["value"].strip().casefold() if row["number"] is None else row["number"]
        best.setdefault((value, row["currency"]), row)
    ranked = list(best.values())
    rivals = [row for row in ranked if _confidence(row) > _confidence(ranked[0]) - CLEAR_LEAD]
    if len(rivals) > 1:
        shown = ", ".join(str(row["value"]) for row in rivals[:4])
        return {"status": "unsure", "evidence": _evidence(rivals), "reason": f"its parts answer differently: {shown}"}
    return _taken(ranked[0], rivals)


def _decided(answered: Sequence[Row], own: Sequence[Row], lost: int, by_one: str) -> Row:
    """`by_one` where one part answers so; else the other answer, once every part has given it."""
    deciding = _surest_first([row for row in answered if row["value"] == by_one])
    if deciding:
        return _taken(deciding[0], deciding)
    parts = len(own) + lost
    if len(answered) < parts:
        return _abstention(own, f"{parts - len(answered)} of {parts} parts gave no answer")
    ranked = _surest_first(answered)
    return _taken(ranked[-1], ranked)


def _sum(answered: Sequence[Row], parts: int) -> Row:
    currencies = sorted({row["currency"] for row in answered if row["currency"]})
    if len(currencies) > 1:
        return {"status": "unsure", "evidence": _evidence(answered),
                "reason": f"its parts are in several currencies: {', '.join(currencies)}"}
    total = sum((Decimal(row["value"]) for row in answered), Decimal(0))
    return {**_taken(_surest_first(answered)[-1], answered), "value": f"{total:f}", "number": float(total),
            "reason": f"the sum of {len(answered)} answers; {parts - len(answered)} of {parts} parts gave none"}


def _taken(row: Row, shown: Sequence[Row]) -> Row:
    return {**{name: row.get(name) for name in KEPT}, "evidence": _evidence(shown)}


def _evidence(rows: Sequence[Row]) -> list[Any]:
    return [item for row in rows for item in row["evidence"] or ()][:MAX_EVIDENCE]


def _confidence(row: Row) -> float:
    return float(row["confidence"] or 0.0)


def _is_refuted(row: Row) -> bool:
    return row.get("grounding") in REFUTED


def _surest_first(rows: Sequence[Row]) -> list[Row]:
    """By confidence, but those that the page's own words do not bear out last."""
    return sorted(rows, key=lambda row: (_is_refuted(row), -_confidence(row), place(row)))


def place(row: Row) -> tuple[int, list[int], str]:
    """Where in its asset the part stands that an answer is about; a key to sort by."""
    chunk = row["chunk_id"] or ""
    return row["page"] or 0, [int(number) for number in re.findall(r"\d+", chunk)], chunk


def pages_of(row: Row) -> range:
    """The pages from the first to the last of those that an answer is about; none of a video's."""
    chunk = re.search(r"p(\d+)-(\d+)$", row["chunk_id"])
    return range(int(chunk[1]), int(chunk[2]) + 1) if chunk else range(0)
