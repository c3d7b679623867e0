"""What a report gathers from the tables: the order of findings, what each rests on, and counts over all rows."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import bad_inputs
import pymupdf
import pytest
from pipelines import Runner
from report_rows import MADE_AT, evidence, picture, write

from jobs.report import data
from jobs.report.data import Gathered, gather, plain
from jobs.review_queue import asked_now
from pipeline.evidence import picture_path
from schemas.job import Job, JobError

CHECKLIST = [{"id": "notice", "ask": "How many days of notice end the agreement?", "answer": "number",
              "look_for": ["Notice period"], "expect": 90, "severity": "high"},
             {"id": "law", "ask": "Which law governs it?", "answer": "text", "look_for": ["Governing law"]}]


def made(folder: Path, checklist: list[dict[str, Any]] = CHECKLIST) -> Job:
    return Job.model_validate({"name": "made", "inputs": ["/in"], "output": str(folder), "checklist": checklist})


def answer(asset: str, question: str = "notice", **values: Any) -> dict[str, Any]:
    return {"asset": asset, "version": "v", "question": question, "level": "asset", "answer_type": "number",
            "status": "answered", "severity": "medium", "engine": "made", **values}


def tables(folder: Path, answers: list[dict[str, Any]], **others: list[dict[str, Any]]) -> Gathered:
    """What is gathered of these answers and rows of other tables."""
    names = sorted({row["asset"] for row in answers})
    write(str(folder), "assets", [{"asset": name, "version": "v", "status": "ok", "kind": "pdf"} for name in names])
    write(str(folder), "answers", answers)
    for name, rows in others.items():
        write(str(folder), name, rows)
    return gather(made(folder))


@pytest.fixture(scope="module")
def audited(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    """A contract of two pages and a web page named .pdf, audited by the embedded engine."""
    folder = tmp_path_factory.mktemp("audited")
    (folder / "in").mkdir()
    with pymupdf.open() as document:
        for text in ("Background and purpose of this agreement", "Notice period: 60 days"):
            document.new_page(width=595, height=842).insert_text((100, 421), text, fontsize=12)
        document.save(folder / "in" / "contract.pdf")
    bad_inputs.wrong_content(folder / "in" / "page.pdf")
    run(folder, checklist=CHECKLIST, transcribe=False)
    return gather(made(folder / "out"))


def test_a_failed_check_is_listed_with_its_quote_its_page_and_the_picture_of_that(audited: Gathered) -> None:
    listed = audited.index["findings"][0]
    assert (listed["question"], listed["verdict"], listed["value"], listed["page"], listed["quote"]) == (
        "notice", "fail", "60", 2, "60")
    assert audited.index["assets"][listed["asset"]]["asset"].endswith("/in/contract.pdf")
    (piece,) = audited.findings[0]["evidence"]
    x0, y0, x1, y1 = piece["box"]
    assert 100 / 595 < x0 < x1 < 250 / 595
    assert 400 / 842 < y0 < y1 < 430 / 842
    assert audited.pictures[piece["picture"]].path.endswith("/page-2.jpg")


def test_its_parts_say_which_pages_were_asked_about_together_and_how(audited: Gathered) -> None:
    (part,) = audited.findings[0]["parts"]
    assert (part["chunk_id"], part["value"], part["images"], part["rungs"]) == ("d0:p1-2", "60", 2, [])


def test_what_could_not_be_read_comes_first_among_objects_with_its_failure(audited: Gathered) -> None:
    assert [row["status"] for row in audited.index["assets"]] == ["quarantined", "ok"]
    (failure,) = audited.index["failures"]
    assert (failure["asset"], failure["phase"], failure["category"]) == (0, "probe", "unsupported")
    assert [row["message"] for row in audited.assets[0]["failures"]] == [failure["message"]]


def test_the_overview_counts_verdicts_objects_cost_and_failures(audited: Gathered) -> None:
    overview = audited.index["overview"]
    assert [(row["question"], row.get("verdict"), row["status"], row["count"]) for row in overview["answers"]] == [
        ("law", None, "unsure", 1), ("notice", "fail", "answered", 1)]
    assert [(row["status"], row["count"], row.get("units")) for row in overview["assets"]] == [
        ("ok", 1, 2), ("quarantined", 1, 0)]
    assert [(row["engine"], row["count"], row["images"]) for row in overview["requests"]] == [("embedded", 1, 2)]
    assert [(row["phase"], row["category"], row["count"]) for row in overview["failures"]] == [
        ("probe", "unsupported", 1)]


def test_findings_come_worst_first_then_by_severity_then_by_doubt(tmp_path: Path) -> None:
    gathered = tables(tmp_path, [
        answer("/sure", confidence=0.9, verdict="pass"), answer("/doubted", confidence=0.6, verdict="pass"),
        answer("/not", status="not_applicable"), answer("/unsure", status="unsure"),
        answer("/check", status="unsure", verdict="unsure", severity="low"),
        answer("/contradicted", confidence=0.9, verdict="pass", grounding="contradicted"),
        answer("/absent", confidence=0.95, verdict="pass", grounding="absent"),
        answer("/fails", verdict="fail", confidence=0.9), answer("/fails high", verdict="fail", severity="high"),
        answer("/high", confidence=0.9, verdict="pass", severity="high")])
    names = [gathered.index["assets"][row["asset"]]["asset"] for row in gathered.index["findings"]]
    assert names == ["/fails high", "/fails", "/contradicted", "/absent", "/check", "/unsure", "/high",
                     "/doubted", "/sure", "/not"]


def test_a_persons_word_stands_beside_what_the_engine_had_answered(tmp_path: Path) -> None:
    later = MADE_AT + datetime.timedelta(days=1)
    said = {"asset": "/a", "version": "v", "question": "notice", "value": "60", "engine_value": "90",
            "question_fingerprint": asked_now(made(tmp_path))["notice"]}
    gathered = tables(
        tmp_path, [answer("/a", value="60", source="human", verdict="fail"), answer("/b", value="90", source="engine"),
                   answer("/a", level="reviewed", value="90", confidence=0.8, verdict="pass")],
        reviews=[{**said, "note": "first", "reviewed_at": MADE_AT},
                 {**said, "note": "page 2 says 60", "reviewer": "someone", "reviewed_at": later}])
    assert [row.get("human") for row in gathered.index["findings"]] == [True, None]
    assert gathered.findings[0]["review"] == {
        "engine_status": "answered", "engine_value": "90", "engine_confidence": 0.8, "engine_verdict": "pass",
        "note": "page 2 says 60", "reviewer": "someone", "reviewed_at": later.isoformat()}
    assert "review" not in gathered.findings[1]
    assert gathered.index["overview"]["reviews"] == [{"question": "notice", "reviewed": 1, "answered": 1, "right": 0}]


def test_parts_that_answer_differently_are_marked_in_the_order_of_their_pages_with_their_rungs(tmp_path: Path) -> None:
    chunks = [answer("/a", level="chunk", chunk_id=f"d{place}:p{page}-{page}", shard_id="s", value=value)
              for place, page, value in ((1, 10, "60"), (0, 2, "90"))]
    agreeing = [answer("/b", level="chunk", chunk_id=f"d{place}:p1-1", value="90") for place in (0, 1)]
    gathered = tables(tmp_path, [answer("/a"), answer("/b"), *chunks, *agreeing], requests=[
        {"asset": "/a", "shard_id": "s", "chunk_id": "d1:p10-10", "budget": 1120, "rungs": ["budget 1120", "effort"]}])
    differing, alike = gathered.index["findings"]
    assert (differing.get("differ"), differing.get("climbed")) == (True, True)
    assert (alike.get("differ"), alike.get("climbed")) == (None, None)
    assert [(part["chunk_id"], part["value"], part.get("rungs")) for part in gathered.findings[0]["parts"]] == [
        ("d0:p2-2", "90", None), ("d1:p10-10", "60", ["budget 1120", "effort"])]


def test_pictures_are_numbered_from_the_worst_finding_on_with_scenes_last(tmp_path: Path) -> None:
    output = str(tmp_path)
    for asset, page in (("/good", 1), ("/bad", 2)):
        picture(output, asset, "v", page)
    scene = picture_path("/good", "v", None, 0.0).replace("evidence", "thumbnails")
    (tmp_path / scene).parent.mkdir(parents=True)
    (tmp_path / scene).write_bytes(b"jpeg")
    gathered = tables(
        tmp_path, [answer("/good", verdict="pass", evidence=[evidence(1), evidence(7)]),
                   answer("/bad", verdict="fail", evidence=[evidence(2)])],
        scenes=[{"asset": "/good", "version": "v", "kind": "scene", "end_s": 2.0,
                 "picture": scene}])
    assert [each.path for each in gathered.pictures] == [
        picture_path("/bad", "v", 2, None), picture_path("/good", "v", 1, None), scene]
    assert [piece.get("picture") for piece in gathered.findings[1]["evidence"]] == [1, None]
    assert gathered.assets[1]["scenes"] == [{"kind": "scene", "start_s": 0.0, "end_s": 2.0, "picture": 2}]


def test_an_event_is_shown_by_the_frames_whose_picture_was_kept_or_by_its_first(tmp_path: Path) -> None:
    picture(str(tmp_path), "/a.mp4", "v", None, 4.0)
    seen = [evidence(time_s=float(second), end_s=second + 1.0) for second in range(3, 6)]
    gathered = tables(
        tmp_path, [answer("/a.mp4", answer_type="event", value="yes", evidence=seen[:1])],
        events=[{"asset": "/a.mp4", "question": "notice", "start_s": start, "end_s": start + 3, "evidence": frames}
                for start, frames in ((3.0, seen), (9.0, [evidence(time_s=9.0), evidence(time_s=10.0)]))])
    assert [(event["start_s"], [(item["time_s"], item.get("picture")) for item in event["evidence"]])
            for event in gathered.findings[0]["events"]] == [(3.0, [(4.0, 0)]), (9.0, [(9.0, None)])]


def test_transcripts_are_shown_where_they_differ_from_the_page_or_have_a_note(tmp_path: Path) -> None:
    finding = {"kind": "contradiction", "text": "48,750", "expected": "43,750", "box": [0.1, 0.2, 0.3, 0.4]}
    gathered = tables(tmp_path, [answer("/a")], transcripts=[
        {"asset": "/a", "version": "v", "page": 1, "source": "model", "grounding": "exact", "findings": []},
        {"asset": "/a", "version": "v", "page": 2, "source": "model", "grounding": "contradicted",
         "findings": [finding]},
        {"asset": "/a", "version": "v", "page": 3, "source": "ocr", "note": "a script that OCR cannot read"}])
    assert [(row["page"], row.get("findings"), row.get("note")) for row in gathered.assets[0]["transcripts"]] == [
        (2, [finding], None), (3, None, "a script that OCR cannot read")]


def test_what_is_too_much_to_list_is_counted_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MAX_LISTED", 3)
    gathered = tables(tmp_path, [answer(f"/{number}", verdict="fail" if number == 7 else "pass")
                                 for number in range(9)])
    assert [gathered.index["assets"][row["asset"]]["asset"] for row in gathered.index["findings"]] == ["/7", "/0", "/1"]
    assert len(gathered.index["assets"]) == 4  # the first three, and the one of a finding
    assert sum(row["count"] for row in gathered.index["overview"]["answers"]) == 9


def test_of_what_is_too_much_to_show_of_one_object_the_first_is_and_the_number_of_all(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns, order, wanted, _ = data.OF_ASSETS["screen_texts"]
    monkeypatch.setitem(data.OF_ASSETS, "screen_texts", (columns, order, wanted, 2))
    gathered = tables(tmp_path, [answer("/a"), answer("/b")], screen_texts=[
        {"asset": asset, "text": str(second), "first_s": float(second)}
        for asset, most in (("/a", 5), ("/b", 2)) for second in range(most)])
    assert [([text["text"] for text in each["screen_texts"]], each.get("cut")) for each in gathered.assets] == [
        (["0", "1"], {"screen_texts": 5}), (["0", "1"], None)]


def test_an_output_without_tables_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="run the job first"):
        gather(made(tmp_path / "none"))


def test_values_are_as_json_has_them() -> None:
    moment = datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC)
    assert plain({"a": None, "b": [0.1234567, float("nan"), None], "c": moment, "d": {"e": moment.date(), "f": 0}}) == {
        "b": [0.12346, None, None], "c": "2026-03-01T12:30:00+00:00", "d": {"e": "2026-03-01", "f": 0}}
