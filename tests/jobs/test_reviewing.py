"""The review queue out, corrected as a person would, and back into the tables with what it tells of the engine."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from doubtful_job import CHECKLIST, job

from jobs.cli import main
from jobs.querying import connect
from jobs.review_queue import asked_now
from jobs.reviewing import export_queue, import_reviews, precision_lines
from pipeline.lease import Lease
from pipeline.tables import append
from schemas.job import JobError


def exported(folder: Path) -> list[dict[str, str]]:
    """The rows of the queue's spreadsheet."""
    assert export_queue(job(folder), folder / "csv", "csv") == 5
    with open(folder / "csv" / "review.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def corrected(folder: Path, rows: list[dict[str, str]], delimiter: str = ",", **values: str) -> Path:
    """The spreadsheet with values filled in for answers named like a_notice, saved."""
    path = folder / "corrected.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "correct_value": values.get(f"{Path(row['asset']).stem}_{row['question']}", "")}
                         for row in rows)
    return path


def reviews(folder: Path) -> list[tuple[Any, ...]]:
    return connect(str(folder / "out")).execute(
        "select asset[-5:], question, value, currency, reviewer, engine_value, engine_verdict from reviews "
        "order by reviewed_at, 1, 2").fetchall()


def test_corrections_come_back_and_say_how_often_the_engine_was_right(audited: Path) -> None:
    path = corrected(audited, exported(audited), ";", a_notice="60.0", a_total="48751 EUR", b_kind="Lease", a_paid="?")
    told = [{**question, "expect": "60"} if question["id"] == "notice" else question for question in CHECKLIST]
    done = import_reviews(job(audited, told), path, "Ada")
    assert (done.reviews, done.assets, done.skipped) == (4, 2, {})
    assert reviews(audited) == [
        ("a.pdf", "notice", "60", None, "Ada", "60", "fail"), ("a.pdf", "paid", None, None, "Ada", None, None),
        ("a.pdf", "total", "48751", "EUR", "Ada", "48750.00", "fail"),
        ("b.pdf", "kind", "lease", None, "Ada", None, None)]
    assert list(precision_lines(job(audited, told))) == [
        "Reviews: 4 answers, by question:", "  kind: 1 reviewed, 0 of them answered, 0 rightly",
        "  notice: 1 reviewed, 1 of them answered, 1 rightly, precision 100%",
        "  paid: 1 reviewed, 0 of them answered, 0 rightly",
        "  total: 1 reviewed, 1 of them answered, 0 rightly, precision 0%"]
    assert connect(str(audited / "out")).execute(  # judged again, by what is expected now
        "select verdict from answers where level = 'asset' and question = 'notice' order by asset").fetchall() == [
        ("pass",), ("fail",)]


def test_of_several_reviews_of_an_answer_the_last_counts(audited: Path) -> None:
    rows = exported(audited)
    for value in ("61", "60"):
        import_reviews(job(audited), corrected(audited, rows, a_notice=value), None)
    assert [row[2] for row in reviews(audited)] == ["61", "60"]
    assert list(precision_lines(job(audited)))[1] == (
        "  notice: 1 reviewed, 1 of them answered, 1 rightly, precision 100%")


def test_one_wrong_value_keeps_everything_out_and_is_named_by_row_and_column(audited: Path) -> None:
    path = corrected(audited, exported(audited), a_notice="sixty", a_total="12.00", b_kind="mortgage", b_paid="no")
    with pytest.raises(JobError) as refused:
        import_reviews(job(audited), path, None)
    assert str(refused.value).splitlines() == [
        f"{path}: row 2, column correct_value: 'sixty' is no plain decimal number",
        f"{path}: row 4, column correct_value: 'mortgage' is none of the labels",
        "nothing was imported: correct these and import again"]
    assert reviews(audited) == []
    assert list(precision_lines(job(audited))) == []


@pytest.mark.parametrize(("answer", "written", "taken"), [
    ({"type": "list", "of": "date"}, '["2026-02-03"]', '["2026-02-03"]'),
    ({"type": "list", "of": "date"}, '["tomorrow"]', "an item of the list: 'tomorrow' is not a 'date'"),
    ({"type": "list", "of": "money"}, '[{"amount": 5}]', "an item of the list: 'currency' is a required property"),
    ("list", "Ada, Bo", "'Ada, Bo' is no JSON"), ("event", "Yes", "yes"), ("number", "-5", "-5"),
    ("money", "12.00", "'12.00' names no currency: write it like 1234.50 EUR"), ("money", "EUR 12", "12"),
    ("money", "EUR 12 USD", "'12 USD' is no plain decimal number"), ("date", "3.2.2026",
                                                                     "'3.2.2026' is no ISO date like 2026-02-03"),
])
def test_what_a_person_writes_is_held_to_the_type_of_the_question(
        tmp_path: Path, answer: Any, written: str, taken: str) -> None:
    settings = job(tmp_path, [{"id": "asked", "ask": "What?", "answer": answer}])
    named = {"asset": "/a", "version": "v", "question": "asked", "question_fingerprint": asked_now(settings)["asked"]}
    common = {**named, "fingerprint": "f", "run_id": "r"}
    append(settings.output, "answers", [{**common, "level": "asset", "answer_type": "x", "status": "unsure",
                                         "severity": "low", "engine": "e"}], "answers")
    path = tmp_path / "done.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*named, "correct_value"])
        writer.writeheader()
        writer.writerow({**named, "correct_value": written})
    try:
        import_reviews(settings, path, None)
        told = reviews(tmp_path)[0][2]
    except JobError as refused:
        told = str(refused).splitlines()[0].removeprefix(f"{path}: row 2, column correct_value: ")
    assert told == taken


def test_an_answer_that_is_corrected_twice_in_one_file_is_refused(audited: Path) -> None:
    rows = exported(audited)
    with pytest.raises(JobError, match="row 7, column correct_value: corrects the same answer as row 2"):
        import_reviews(job(audited), corrected(audited, [*rows, rows[0]], a_notice="60"), None)


@pytest.mark.parametrize(("change", "reason"), [
    ({"version": "other"}, "the object's content has changed since: export the queue again"),
    ({"question_fingerprint": "old"},
     "question 'notice' is asked otherwise now: run the job, and export the queue again"),
    ({"asset": "/none.pdf"}, "the tables hold no such answer"),
    ({"question": "gone"}, "question 'gone' is no longer in the checklist"),
])
def test_a_review_of_something_else_than_the_tables_hold_is_left_out_with_the_reason(
        audited: Path, change: dict[str, str], reason: str) -> None:
    first, *rest = exported(audited)
    changed = first | change
    name = f"{Path(changed['asset']).stem}_{changed['question']}"
    done = import_reviews(job(audited), corrected(audited, [changed, *rest], **{name: "none", "b_paid": "no"}), None)
    assert (done.reviews, dict(done.skipped)) == (1, {reason: 1})
    assert [row[:3] for row in reviews(audited)] == [("b.pdf", "paid", "no")]


def test_no_review_is_taken_while_a_run_is_at_work(audited: Path) -> None:
    path = corrected(audited, exported(audited), a_notice="60")
    lease = Lease(str(audited / "out"), "a-run")
    with pytest.raises(JobError, match=r"run a-run .* is at work on this output"):
        import_reviews(job(audited), path, None)
    lease.release()
    assert reviews(audited) == []


def test_what_is_no_export_is_refused(audited: Path) -> None:
    (audited / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(JobError, match="has no column asset, version, question, question_fingerprint, correct_value"):
        import_reviews(job(audited), audited / "other.csv", None)
    (audited / "minimal.json").write_text('[{"asset": "a", "choice": "yes"}]')
    with pytest.raises(JobError, match=r"is no export of Label Studio in the format 'JSON' \(not JSON-MIN\)"):
        import_reviews(job(audited), audited / "minimal.json", None)
    with pytest.raises(JobError, match="is not empty"):
        export_queue(job(audited), audited, "csv")
    for target in (audited / "other.csv", audited / "other.csv" / "below"):
        with pytest.raises(JobError, match=r"cannot be a folder to write to \("):
            export_queue(job(audited), target, "csv")


def test_the_commands_say_what_was_exported_imported_and_left_out(
        audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (audited / "job.yaml").write_text(json.dumps(job(audited).model_dump(
        include={"name", "inputs", "output", "transcribe", "checklist"}, exclude_none=True)))
    assert main(["review", str(audited / "job.yaml"), str(audited / "csv")]) == 0
    with open(audited / "csv" / "review.csv", encoding="utf-8-sig", newline="") as file:
        first, *rest = csv.DictReader(file)
    path = corrected(audited, [first, *(row | {"version": "old"} for row in rest)], a_notice="60", b_kind="loan")
    assert main(["import-review", str(audited / "job.yaml"), str(path), "--reviewer", "Ada"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"5 answers to review in {audited / 'csv'}",
        f"Next, once they are corrected: canvass import-review {audited / 'job.yaml'} FILE",
        "Imported: 1 reviews of 1 objects",
        "      1 left out: the object's content has changed since: export the queue again",
        "Reviews: 1 answers, by question:", "  notice: 1 reviewed, 1 of them answered, 1 rightly, precision 100%"]
    assert main(["import-review", str(audited / "job.yaml"), str(audited / "none.csv")]) == 2
    assert f"canvass: import-review: {audited / 'none.csv'} is no file" in capsys.readouterr().err
