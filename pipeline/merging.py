"""Makes an asset's own answers, events, verdicts and status from those of its chunks: pure and deterministic."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.units import TICK
from schemas import answers
from schemas.checklist import Event, Question, condition

Row = dict[str, Any]

VERDICT_LINE = 0.5
"""Confidence below which an answer decides no check."""

CLEAR_LEAD = 0.05
"""Lead in confidence by which one value must stand before every other to be the asset's answer."""

STILL_SECONDS = 5.0
"""Shortest stretch that is said to be still."""

MAX_EVIDENCE = 3
"""Pieces of evidence kept with an asset's answer, of an event the first of each; its chunks' answers hold all."""


def judge(question: Question, row: Mapping[str, Any]) -> str | None:
    """The verdict of an answer row: pass or fail against `expect`, unsure below the line, None without `expect`."""
    if question.expect is None:
        return None
    if row["status"] == "not_applicable":
        return None
    if row["status"] != "answered" or (row.get("confidence") or 0.0) < VERDICT_LINE:
        return "unsure"
    return "pass" if answers.same(question, row["value"], question.expect, row.get("currency")) else "fail"


@dataclass(frozen=True)
class Merged:
    """What a fold adds for one asset."""

    asset: Row
    answers: list[Row]
    events: list[Row]
    scenes: list[Row]


def merge_asset(checklist: Sequence[Question], judged: str, parts: Sequence[Row], chunk_answers: Sequence[Row],
                failures: Sequence[Row], asked: Collection[str]) -> Merged:
    """One asset from its rows: `parts` of the ledger, oldest first, its chunks' answers, its failures.

    `judged` is the fingerprint of how the checklist judges, `asked` are the ids of the questions that were asked.
    """
    newest = parts[-1]
    described = next((part for part in reversed(parts) if part["media_type"]), newest)
    common = {name: newest[name] for name in ("asset", "version", "fingerprint", "run_id")}
    asset = {**common, **_status_of_rounds(parts, failures), "judged": judged,
             "shards": [part["shard_id"] for part in parts], "repaired": any(part["repaired"] for part in parts),
             **{name: newest[name] for name in ("bytes", "tried", "stamp")},
             **{name: described[name] for name in ("kind", "media_type", "duration_s")},
             "finished_at": max(part["published_at"] for part in parts)}
    events: list[Row] = []
    merged: dict[str, Row] = {}
    for question in checklist:
        own = sorted((row for row in chunk_answers if row["question"] == question.id), key=_place)
        if not own and (asset["status"] == "quarantined" or question.id not in asked):
            continue
        row = _merge_answers(question, own)
        row |= {**common, "question": question.id, "level": "asset", "answer_type": question.answer.type,
                "severity": question.severity, "coverage": asset["coverage"]}
        row.setdefault("question_fingerprint", "")
        if not _holds(question, merged):
            row |= {"status": "not_applicable", "value": None, "number": None, "currency": None, "date": None,
                    "confidence": None, "confidence_source": None, "evidence": [],
                    "reason": f"only_if does not hold: {question.only_if}"}
        elif isinstance(question.answer, Event):
            found = _events(question, own, common)
            events += found
            if found:
                row["evidence"] = [event["evidence"][0] for event in found[:MAX_EVIDENCE]]
        by_page = question.scope == "page" and row["status"] != "not_applicable"
        row["verdict"] = _page_verdict(question, own) if by_page else judge(question, row)
        merged[question.id] = row
    return Merged(asset, list(merged.values()), events, _scenes(parts, common))


def _status_of_rounds(parts: Sequence[Row], failures: Sequence[Row]) -> Row:
    """The status of what was asked together; of several such, the worst counts."""
    asked = sorted({part["asked"] for part in parts})
    found = [_status(own, [row for row in failures if row["shard_id"] in {part["shard_id"] for part in own}])
             for own in ([part for part in parts if part["asked"] == text] for text in asked)]
    if len(found) == 1:
        return found[0]
    statuses = sorted({each["status"] for each in found})
    units, lost = (max(each[name] for each in found) for name in ("units", "units_failed"))
    return {"status": statuses[0] if len(statuses) == 1 else "partial", "units": units, "units_failed": lost,
            "reason": next((each["reason"] for each in found if each["reason"]), None),
            "coverage": 0.0 if statuses == ["quarantined"] else 1.0 - lost / units if units else 1.0}


def _status(parts: Sequence[Row], failures: Sequence[Row]) -> Row:
    units = parts[0]["units"]
    pages = {row["page"] for row in failures if row["page"] is not None and row["phase"] == "render"}
    lost = sum(part["units_failed"] for part in parts)
    paged = all(row["page"] is not None for row in failures if row["phase"] == "render")
    if parts[0]["kind"] != "video" and pages and paged:
        lost = min(lost, len(pages))  # a page seen by two chunks fails in both and is one page
    unseen = bool(failures) and lost >= units
    ordered = sorted(failures, key=lambda row: (row["page"] or 0, row["time_s"] or 0.0, row["phase"], row["message"]))
    reasons = list(dict.fromkeys(row["message"] for row in ordered))
    more = f" (and {len(reasons) - 1} more in failures)" if len(reasons) > 1 else ""
    return {"status": "quarantined" if unseen else "partial" if failures else "ok",
            "reason": reasons[0] + more if reasons else None, "units": units, "units_failed": min(lost, units),
            "coverage": 0.0 if unseen else 1.0 - lost / units if units else 1.0}


def _merge_answers(question: Question, own: Sequence[Row]) -> Row:
    """The value that stands clearly before every other; a conflict is unsure and keeps both sides' evidence."""
    if not own:
        return {"status": "failed", "reason": "no part of the asset could be asked", "evidence": [], "engine": ""}
    shared = {"question_fingerprint": own[0]["question_fingerprint"], "engine": own[0]["engine"]}
    best: dict[tuple[Any, ...], Row] = {}
    seen = [row for row in own if row["value"] == "yes"] if isinstance(question.answer, Event) else []
    answered = [row for row in seen or own if row["status"] == "answered"]
    for row in sorted(answered, key=lambda row: (-(row["confidence"] or 0.0), _place(row))):
        value = row["value"].strip().casefold() if row["number"] is None else row["number"]
        best.setdefault((value, row["currency"]), row)
    ranked = list(best.values())
    if not ranked:
        evidence = sorted((item for row in own for item in row["evidence"] or ()),
                          key=lambda item: -(item["score"] or 0.0))
        return {**shared, "status": "unsure", "reason": own[0]["reason"], "evidence": evidence[:MAX_EVIDENCE]}
    rivals = [row for row in ranked if (row["confidence"] or 0.0) > (ranked[0]["confidence"] or 0.0) - CLEAR_LEAD]
    evidence = [item for row in rivals for item in row["evidence"] or ()][:MAX_EVIDENCE]
    if len(rivals) > 1:
        shown = ", ".join(str(row["value"]) for row in rivals[:4])
        return {**shared, "status": "unsure", "evidence": evidence, "reason": f"its parts answer differently: {shown}"}
    kept = {name: ranked[0][name] for name in ("status", "value", "number", "currency", "date", "confidence",
                                               "confidence_source", "reason")}
    return {**shared, **kept, "evidence": evidence}


def _place(row: Row) -> tuple[int, list[int], str]:
    chunk = row["chunk_id"] or ""
    return row["page"] or 0, [int(number) for number in re.findall(r"\d+", chunk)], chunk


def _holds(question: Question, merged: Mapping[str, Row]) -> bool:
    """Whether `only_if` holds; an unsure condition holds, so that nothing is hidden by a doubt."""
    needs = condition(question)
    if needs is None or needs.question not in merged:
        return True
    row = merged[needs.question]
    if row["status"] == "not_applicable":
        return False
    return bool(row["status"] != "answered" or (row["value"] == needs.value) == needs.equal)


def _page_verdict(question: Question, own: Sequence[Row]) -> str | None:
    verdicts = {row["verdict"] for row in own}
    return next((verdict for verdict in ("fail", "unsure", "pass") if verdict in verdicts),
                None if question.expect is None else "unsure")


def _events(question: Question, own: Sequence[Row], common: Row) -> list[Row]:
    """Stretches joined where one begins before the last has ended; windows that share a frame count nothing twice."""
    answered = sorted(((item, row) for row in own if row["value"] == "yes" for item in row["evidence"] or ()),
                      key=lambda pair: (pair[0]["time_s"], pair[0]["end_s"]))
    found: list[Row] = []
    told: set[tuple[Any, ...]] = set()
    for item, row in answered:
        place = (item["time_s"], item["quote"], str(item["box"]))
        if found and item["time_s"] <= found[-1]["end_s"] + TICK:
            found[-1]["end_s"] = max(found[-1]["end_s"], item["end_s"])
            found[-1]["confidence"] = min((value for value in (found[-1]["confidence"], row["confidence"])
                                           if value is not None), default=None)
            found[-1]["evidence"] += [] if place in told else [item]
        else:
            found.append({**common, "question": question.id, "start_s": item["time_s"], "end_s": item["end_s"],
                          "confidence": row["confidence"], "confidence_source": row["confidence_source"],
                          "evidence": [item], "engine": row["engine"]})
        told.add(place)
    return found


def _scenes(parts: Sequence[Row], common: Row) -> list[Row]:
    """Stretches of one kind joined where one begins before the last has ended, as what goes on over a seam does.

    None where an older Canvass saw a part, which looked for none: the others would pass for the whole.
    """
    if any(part["stretches"] is None for part in parts):
        return []
    found: list[Row] = []
    for item in sorted((item for part in parts for item in part["stretches"]),
                       key=lambda item: (item["kind"], item["start_s"], item["end_s"])):
        last = found[-1] if found else None
        if last is not None and last["kind"] == item["kind"] and item["start_s"] < last["end_s"] - TICK:
            last |= {"end_s": max(last["end_s"], item["end_s"]), "picture": last["picture"] or item["picture"]}
        else:
            found.append({**common, **item})
    told = [row for row in found if row["kind"] != "still" or row["end_s"] - row["start_s"] > STILL_SECONDS - TICK]
    return sorted(told, key=lambda row: (row["start_s"], row["kind"]))
