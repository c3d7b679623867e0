"""The review queue out to a spreadsheet and to Label Studio, corrected as a person would, and back into the tables."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from pipelines import Runner

from jobs.cli import main
from jobs.querying import connect
from jobs.reviewing import export_queue, import_reviews, precision_lines
from pipeline.lease import Lease
from schemas.job import Job, JobError

CHECKLIST: list[dict[str, Any]] = [
    {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": "Due date", "expect": "2026-05-03"},
    {"id": "notice", "ask": "How many days of notice?", "answer": "number", "look_for": "Notice period", "expect": "90",
     "severity": "high"},
    {"id": "total", "ask": "What is the total?", "answer": "money", "look_for": "Total value", "expect": "1.00 EUR",
     "severity": "high"},
    {"id": "kind", "ask": "What is it?", "answer": ["lease", "loan"], "look_for": "Kind of paper"},
    {"id": "paid", "ask": "Is it paid?", "answer": "yes/no", "severity": "low"},
]
PAGES = {"a.pdf": ["Due date: 3 May 2026", "Notice period: 60 days", "Total value: EUR 48,750.00",
                   "Kind of paper: loan"],
         "b.pdf": ["-2+3 is no formula", "Due date: 3 May 2026", "Notice period: 90 days", "Total value: EUR 1.00"]}


def job(folder: Path, checklist: list[dict[str, Any]] = CHECKLIST) -> Job:
    return Job.model_validate({"name": "test", "inputs": [str(folder / "in")], "output": str(folder / "out"),
                               "transcribe": True, "checklist": checklist})


@pytest.fixture(scope="module")
def finished(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished job over two documents."""
    folder = tmp_path_factory.mktemp("reviewed")
    (folder / "in").mkdir()
    for name, lines in PAGES.items():
        bad_inputs._write_page(folder / "in" / name, bad_inputs._show(lines, 56, 770))
    run(folder, checklist=CHECKLIST)
    return folder


@pytest.fixture
def audited(finished: Path, tmp_path: Path) -> Path:
    """A copy of its output, the documents themselves being out of reach."""
    shutil.copytree(finished / "out", tmp_path / "out")
    return tmp_path


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


def test_the_queue_holds_what_is_doubtful_or_fails_severely_the_severest_and_least_sure_first(audited: Path) -> None:
    rows = exported(audited)
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
    rows = exported(audited)
    assert [row["quote"].partition("\n")[0] for row in rows[2:]][::2] == ["'-2+3 is no formula"] * 2
    assert [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@")] == []


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


def test_an_answer_that_is_corrected_twice_in_one_file_is_refused(audited: Path) -> None:
    rows = exported(audited)
    with pytest.raises(JobError, match="row 7, column correct_value: corrects the same answer as row 2"):
        import_reviews(job(audited), corrected(audited, [*rows, rows[0]], a_notice="60"), None)


@pytest.mark.parametrize(("change", "reason"), [
    (lambda row: row | {"version": "other"}, "the object's content has changed since: export the queue again"),
    (lambda row: row | {"question_fingerprint": "old"},
     "question 'notice' is asked otherwise now: run the job, and export the queue again"),
    (lambda row: row | {"asset": "/none.pdf"}, "the tables hold no such answer"),
    (lambda row: row | {"question": "gone"}, "question 'gone' is no longer in the checklist"),
])
def test_a_review_of_something_else_than_the_tables_hold_is_left_out_with_the_reason(
        audited: Path, change: Callable[[dict[str, str]], dict[str, str]], reason: str) -> None:
    first, *rest = exported(audited)
    changed = change(first)
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


def test_tasks_are_as_label_studio_has_them_with_boxes_in_percent_on_the_kept_page(audited: Path) -> None:
    assert export_queue(job(audited), audited / "tasks", "label-studio") == 5
    interface = LabelInterface((audited / "tasks" / "config.xml").read_text("utf-8"))
    interface.validate()
    tasks = json.loads((audited / "tasks" / "tasks-001.json").read_text("utf-8"))
    for task in tasks:
        assert interface.validate_task({"data": task["data"]})
        assert [interface.validate_prediction(each, return_errors=True) for each in task["predictions"]] == [[]]
    (notice,) = (task for task in tasks if task["data"]["question"] == "notice")
    url = notice["data"]["picture"].removeprefix("data:image/jpeg;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(url)))
    box, said = notice["predictions"][0]["result"]
    assert (box["original_width"], box["original_height"]) == picture.size
    assert said["value"] == {"text": ["60"]}
    (((left, top, right, bottom),),) = connect(str(audited / "out")).execute(
        "select evidence[1].box from answers where level = 'asset' and question = 'notice' and value = '60'").fetchall()
    value = box["value"]
    assert [value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"]] == pytest.approx(
        [100 * left, 100 * top, 100 * right, 100 * bottom])


def test_annotations_of_label_studio_come_back_as_corrections(audited: Path) -> None:
    export_queue(job(audited), audited / "tasks", "label-studio")
    tasks = json.loads((audited / "tasks" / "tasks-001.json").read_text("utf-8"))

    def done(task: dict[str, Any], at: str, *said: tuple[str, str, str], **entries: Any) -> dict[str, Any]:
        result = [region for region in task["predictions"][0]["result"] if region["from_name"] == "evidence"]
        result += [{"from_name": name, "to_name": "why", "type": kind, "value": {key: [text]}}
                   for name, key, text in said for kind in ("choices" if key == "choices" else "textarea",)]
        return {"result": result, "was_cancelled": False, "updated_at": at, "completed_by": {"email": "ada@x.org"},
                **entries}

    for number, task in enumerate(tasks, 1):
        name = f"{Path(task['data']['asset']).stem}_{task['data']['question']}"
        task |= {"id": number, "annotations": {
            "a_notice": [done(task, "2026-02-01", ("text", "text", "60"), ("note", "text", "as printed"))],
            "a_total": [done(task, "2026-02-02", ("text", "text", "1 EUR")),
                        done(task, "2026-02-01", ("text", "text", "2 EUR"))],
            "b_kind": [done(task, "2026-02-01", ("choice", "choices", "loan"), completed_by=7),
                       done(task, "2026-02-09", ("choice", "choices", "lease"), was_cancelled=True)],
            "a_paid": [done(task, "2026-02-01", ("choice", "choices", "?"))], "b_paid": []}[name]}
    path = audited / "export.json"
    path.write_text(json.dumps(tasks), "utf-8")
    assert import_reviews(job(audited), path, None).reviews == 4
    assert [row[:5] for row in reviews(audited)] == [
        ("a.pdf", "notice", "60", None, "ada@x.org"), ("a.pdf", "paid", None, None, "ada@x.org"),
        ("a.pdf", "total", "1", "EUR", "ada@x.org"), ("b.pdf", "kind", "loan", None, "7")]
    assert connect(str(audited / "out")).execute("select note from reviews where note is not null").fetchall() == [
        ("as printed",)]


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
        f"5 answers to review in {audited / 'csv'}", "Imported: 1 reviews of 1 objects",
        "      1 left out: the object's content has changed since: export the queue again",
        "Reviews: 1 answers, by question:", "  notice: 1 reviewed, 1 of them answered, 1 rightly, precision 100%"]
    assert main(["import-review", str(audited / "job.yaml"), str(audited / "none.csv")]) == 2
    assert f"canvass: {audited / 'none.csv'}: cannot be read" in capsys.readouterr().err
