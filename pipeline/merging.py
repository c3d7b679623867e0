"""Makes an asset's own answers, events, verdicts and status from those of its chunks: pure and deterministic."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.combining import KEPT, MAX_EVIDENCE, REFUTED, combine, pages_of, place
from pipeline.scenes import joined
from pipeline.units import TICK, Stretch
from schemas import answers
from schemas.checklist import Condition, Event, Question, applies, condition, select_pages

Row = dict[str, Any]

STILL_SECONDS = 5.0
"""Shortest stretch that is said to be still."""


def judge(question: Question, row: Mapping[str, Any]) -> str | None:
    """The verdict of an answer row: pass or fail against `expect`, None without `expect`.

    Unsure where its confidence is below the question's line, or the page's own words do not bear it out.
    """
    if question.expect is None or row["status"] == "not_applicable":
        return None
    sure = row["status"] == "answered" and (row.get("confidence") or 0.0) >= question.sure_from
    if not sure or row.get("grounding") in REFUTED:
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
                failures: Sequence[Row], asked: Collection[str], reviews: Sequence[Row] = ()) -> Merged:
    """One asset from its rows: `parts` of the ledger, oldest first, its chunks' answers, its failures.

    `judged` is the fingerprint of how the checklist judges, `asked` are the ids of the questions that were asked. Of
    its `reviews`, in the order in which they came, the last of a question has the word.
    """
    newest = parts[-1]
    described = next((part for part in reversed(parts) if part["media_type"]), newest)
    common = {name: newest[name] for name in ("asset", "version", "fingerprint", "run_id")}
    asset = {**common, **_status_of_rounds(parts, failures), "judged": judged,
             "shards": [part["shard_id"] for part in parts], "repaired": any(part["repaired"] for part in parts),
             **{name: newest[name] for name in ("bytes", "tried", "stamp")},
             **{name: described[name] for name in ("kind", "media_type", "duration_s")},
             "finished_at": max(part["published_at"] for part in parts)}
    told: list[Row] = []
    events: list[Row] = []
    merged: dict[str, Row] = {}
    unasked: set[str] = set()
    locked: list[str] = []
    questions = {question.id: question for question in checklist}
    for question in checklist:
        own = sorted((row for row in chunk_answers if row["question"] == question.id), key=place)
        needs = condition(question)
        locks = needs is not None and _locks(needs, questions[needs.question], merged, unasked)
        if locks is not False or (question.only_if and asset["status"] == "quarantined"):
            locked.append(question.id)
        if not own and (asset["status"] == "quarantined" or question.id not in asked) and not locks:
            if applies(question, asset["kind"]) and asset["status"] != "quarantined":
                unasked.add(question.id)
            continue
        lost = _lost(question, own, parts, failures)
        row = combine(question, own, lost)
        row |= {**common, "question": question.id, "level": "asset", "answer_type": question.answer.type,
                "severity": question.severity, "coverage": asset["coverage"], "source": "engine"}
        row.setdefault("question_fingerprint", "")
        found: list[Row] = []
        if locks:
            row |= {**dict.fromkeys(KEPT), "status": "not_applicable", "evidence": [],
                    "reason": f"only_if does not hold: {question.only_if}"}
        elif isinstance(question.answer, Event):
            found = _events(question, own, common)
            if found:
                row["evidence"] = [event["evidence"][0] for event in found[:MAX_EVIDENCE]]
        by_page = question.scope == "page" and question.combine == "surest" and row["status"] != "not_applicable"
        row["verdict"] = _page_verdict(question, own, lost) if by_page else judge(question, row)
        review = next((each for each in reversed(reviews) if each["question"] == question.id), None)
        if review is not None:
            told.append({**row, "level": "reviewed"})
            row = _reviewed(question, row, review)
        told.append(row)
        events += found if row.get("value") != "no" else ()  # as a person may say of what an engine saw
        merged[question.id] = row
    return Merged({**asset, "locked": " ".join(locked)}, told, events, _scenes(parts, common))


def _reviewed(question: Question, row: Row, review: Row) -> Row:
    """The answer of a person in the place of the engine's, whose evidence it keeps."""
    human = {**row, **dict.fromkeys(KEPT), "status": "unsure", "source": "human", "confidence": 1.0,
             "reason": review["note"] or "a person cannot tell either"}
    if review["value"] is not None:
        human |= {**answers.columns(question, review["value"], review["currency"]), "status": "answered",
                  "reason": review["note"] or "reviewed"}
    return {**human, "verdict": judge(question, human)}


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


def _locks(needs: Condition, question: Question, merged: Mapping[str, Row], unasked: Collection[str]) -> bool | None:
    """Whether a condition on a question keeps another from being asked, None while that is not known.

    An unsure condition keeps nothing away, so that nothing is hidden by a doubt.
    """
    if question.id in unasked:
        return None
    row = merged.get(question.id)
    if row is None:
        return False
    if row["status"] == "not_applicable":
        return True
    return row["status"] == "answered" and needs.equal != answers.same(
        question, row["value"], needs.value, row["currency"])


def _lost(question: Question, own: Sequence[Row], parts: Sequence[Row], failures: Sequence[Row]) -> int:
    """How many pages, or stretches of a video, failed that no whole answer to a question is about.

    Those count that were asked with it, and of a document those that it is asked of.
    """
    answered = {row["shard_id"] for row in own}
    asked = {part["asked"] for part in parts if part["shard_id"] in answered}
    shards = {part["shard_id"] for part in parts if part["asked"] in asked}
    failed = {(row["page"], row["time_s"]) for row in failures if row["shard_id"] in shards}
    seen = {page for row in own if row["coverage"] == 1.0 for page in pages_of(row)}
    wanted = select_pages(question.pages, max((page or 0 for page, _ in failed), default=0))
    return sum(page is None or (page in wanted and page not in seen) for page, _ in failed)


def _page_verdict(question: Question, own: Sequence[Row], lost: int) -> str | None:
    verdicts = {row["verdict"] for row in own} | ({"unsure"} if lost and question.expect is not None else set())
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
    """The stretches of all parts, joined.

    None where an older Canvass saw a part, which looked for none: the others would pass for the whole.
    """
    if any(part["stretches"] is None for part in parts):
        return []
    found = joined(Stretch(**item) for part in parts for item in part["stretches"])
    told = [each for each in found if each.kind != "cut"
            and (each.kind != "still" or each.end_s - each.start_s > STILL_SECONDS - TICK)]
    return [{**common, **asdict(each)} for each in sorted(told, key=lambda each: (each.start_s, each.kind))]
