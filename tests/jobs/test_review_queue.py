"""What is to be reviewed, in which order and why, and the spreadsheet that says so, written and read."""

from __future__ import annotations

import csv
import datetime
import tempfile
from pathlib import Path
from typing import Any

import pytest
from doubtful_job import job
from hypothesis import given
from hypothesis import strategies as st

from jobs.review_queue import COLUMNS, Correction, Doubt, asked_now, queue, read_csv, write_csv
from pipeline.tables import append
from schemas.job import JobError


def sheet(folder: Path) -> list[dict[str, str]]:
    """The rows of the queue's spreadsheet."""
    assert write_csv(queue(job(folder)), folder / "review.csv") == 5
    with open(folder / "review.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_queue_holds_what_is_doubtful_or_fails_severely_the_severest_and_least_sure_first(audited: Path) -> None:
    rows = sheet(audited)
    assert [(row["asset"][-5:], row["question"], row["value"], row["verdict"], row["severity"]) for row in rows] == [
        ("a.pdf", "notice", "60", "fail", "high"), ("a.pdf", "total", "48750.00 EUR", "fail", "high"),
        ("b.pdf", "kind", "", "", "medium"), ("a.pdf", "paid", "", "", "low"), ("b.pdf", "paid", "", "", "low")]
    notice, _, kind, paid, _ = rows
    assert (notice["asked"], notice["type"], notice["page"], notice["quote"], notice["confidence"]) == (
        "How many days of notice?", "number", "1", "60", "0.7")
    assert notice["why"] == "fails a check of high severity: 90 is expected"
    assert kind["why"] == "unsure: no value of this type stands beside a key that the question names"
    assert (kind["type"], paid["type"]) == ("label: lease, loan", "yes/no: yes, no")
    assert {row["correct_value"] + row["note"] for row in rows} == {""}


def test_no_text_of_a_document_is_a_formula_in_the_spreadsheet(audited: Path) -> None:
    rows = sheet(audited)
    assert [row["quote"].partition("\n")[0] for row in rows[2:]][::2] == ["'-2+3 is no formula"] * 2
    assert [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@")] == []


def answered(asset: str, question: str = "paid", **entries: Any) -> dict[str, Any]:
    return {"asset": asset, "version": "v", "fingerprint": "f", "run_id": "r", "question": question, "level": "asset",
            "answer_type": "yes/no", "status": "answered", "value": "yes", "confidence": 0.9, "severity": "low",
            "question_fingerprint": "", "engine": "e", **entries}


def test_what_a_page_contradicts_is_reviewed_and_what_a_person_said_or_is_gone_is_not(tmp_path: Path) -> None:
    settings = job(tmp_path)
    asked = {"question_fingerprint": asked_now(settings)["paid"]}
    doubted = {**asked, "grounding": "contradicted"}
    append(settings.output, "answers", [
        answered("/sure", **asked, grounding="exact"), answered("/wrong", **doubted),
        answered("/wronger", **doubted, confidence=0.8), answered("/human", **doubted, source="human"),
        answered("/human", **doubted, level="reviewed"), answered("/gone", **doubted),
        answered("/reworded", grounding="contradicted"),
        answered("/broken", **asked | {"status": "failed", "value": None, "confidence": None, "verdict": "unsure",
                                       "reason": "the reply is no JSON"}),
        answered("/nowhere", **asked, grounding="absent", confidence=0.95),
        answered("/unsaid", **asked | {"status": "failed", "value": None}, reason=None, confidence=None),
        answered("/low", **asked, verdict="fail"), answered("/dim", **asked, verdict="unsure", severity="medium")],
        "answers")
    now = datetime.datetime.now(datetime.UTC)
    append(settings.output, "assets", [
        {"asset": asset, "version": "v", "fingerprint": "f", "run_id": "r", "status": "ok", "kind": "pdf", "bytes": 1,
         **dict.fromkeys(("asked", "tried", "judged", "stamp"), ""), "rounds": 1, "shards": [],
         "missing_since": now if asset == "/gone" else None}
        for asset in ("/sure", "/wrong", "/wronger", "/human", "/gone", "/reworded", "/broken", "/low", "/dim",
                      "/nowhere", "/unsaid")],
        "assets")
    assert [(doubt.row["asset"], doubt.why) for doubt in queue(settings)] == [
        ("/dim", "too doubtful to decide the check"), ("/broken", "failed: the reply is no JSON"),
        ("/unsaid", "failed"),
        ("/wronger", "contradicted: the page's own words say otherwise"),
        ("/wrong", "contradicted: the page's own words say otherwise"),
        ("/nowhere", "absent: it does not stand on the page")]


def test_cells_are_such_that_spreadsheets_compute_nothing_and_hold_them(tmp_path: Path) -> None:
    hostile = "a;=cmd|' /C calc'!A0;-5 b; -c;=d"
    doubt = Doubt(job(tmp_path).checklist[-1], answered("/a", value="-12.50", currency=None, verdict=None, evidence=[
        {"page": 1, "time_s": None, "quote": hostile}]), "＝1+1")
    long = Doubt(doubt.question, doubt.row | {"evidence": [{"page": 1, "time_s": None, "quote": "q" * 200_000}]}, "")
    assert write_csv([doubt, long], tmp_path / "review.csv") == 2
    assert list(read_csv(tmp_path / "review.csv")) == []
    with open(tmp_path / "review.csv", encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["quote"], first["why"], first["value"]) == (
        "a;'=cmd|' /C calc'!A0;'-5 b; -c;'=d", "'＝1+1", "-12.50")
    assert len(second["quote"]) < 32_767


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL), max_size=5), st.sampled_from(",;"), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_what_a_person_writes_is_read_with_its_row_whatever_it_holds(
        written: list[tuple[str, str]], delimiter: str, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "done.csv"
        with open(path, "w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
            writer.writeheader()
            writer.writerows({"asset": "/a", "version": "v", "question": "q", "question_fingerprint": "f",
                              "correct_value": value, "note": note} for value, note in written)
        found = list(read_csv(path))
    assert found == [
        Correction(f"row {number}, column correct_value", "/a", "v", "q", "f",
                   None if value.strip() == "?" else meant(value.strip()), note.strip() or None)
        for number, (value, note) in enumerate(written, 2) if value.strip()]


def meant(value: str) -> str:
    """A value without the apostrophe that the export puts before what spreadsheets compute."""
    return value[1:] if value.startswith(tuple(f"'{mark}" for mark in "=+-@\t\r\n＝＋－＠")) else value


def test_a_file_that_is_cut_off_or_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.csv").write_text(",".join(COLUMNS) + "\n/a.pdf,v,notice")
    with pytest.raises(JobError, match=r"cut.csv: row 2 has fewer cells than the head"):
        list(read_csv(tmp_path / "cut.csv"))
    (tmp_path / "old.csv").write_bytes(",".join(COLUMNS).encode() + "\nMünchen".encode("latin-1"))
    with pytest.raises(JobError, match="cannot be read as CSV in UTF-8"):
        list(read_csv(tmp_path / "old.csv"))
