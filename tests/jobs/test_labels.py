"""Labels out of the tables: of objects and pages, by people and engines, calibrated where enough was reviewed."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import bad_inputs
import pyarrow.parquet as pq
import pytest
import yaml
from pipelines import Runner

from jobs.cli import main
from jobs.labels import MIN_REVIEWS, export_labels
from jobs.review_queue import asked_now, queue, write_csv
from jobs.reviewing import import_reviews
from pipeline.tables import append
from schemas.job import Job, JobError

KIND: dict[str, Any] = {
    "id": "kind", "ask": "What is it?", "look_for": "Kind of paper", "expect": "loan", "severity": "high",
    "answer": {"labels": {"lease": "Lets a thing for a rent", "loan": None}}}
CHECKLIST = [KIND, {"id": "mark", "ask": "How is it marked?", "answer": ["draft", "final"], "look_for": "Mark",
                    "scope": "page"}, {"id": "due", "ask": "When?", "answer": "date"}]
REVIEWS = MIN_REVIEWS + 2
DOCUMENTS = REVIEWS + 2


def job(folder: Path) -> Job:
    return Job.model_validate({"name": "papers", "inputs": [str(folder / "in")], "output": str(folder / "out"),
                               "transcribe": True, "checklist": CHECKLIST})


@pytest.fixture(scope="module")
def audited(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job over leases, of all of which a check fails, and of which one is marked."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "in").mkdir()
    for number in range(DOCUMENTS):
        lines = [f"Paper {number}", "Kind of paper: lease", *(["Mark: draft"] if number == 5 else [])]
        bad_inputs._write_page(folder / "in" / f"{number:02}.pdf", bad_inputs._show(lines, 56, 770))
    run(folder, checklist=CHECKLIST)
    return folder


@pytest.fixture(scope="module")
def reviewed(audited: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, when a person has said of all but two what they are, of eight that they are loans."""
    folder = tmp_path_factory.mktemp("calibrated")
    shutil.copytree(audited / "out", folder / "out")
    write_csv((doubt for doubt in queue(job(folder)) if doubt.question.id == "kind"), folder / "queue.csv")
    with open(folder / "queue.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "done.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"correct_value": "loan" if number < 8 else "lease"}
                         for number, row in enumerate(rows[:REVIEWS]))
    assert import_reviews(job(folder), folder / "done.csv", "Ada").reviews == REVIEWS
    return folder


def labels(folder: Path, target: Path, min_confidence: float = 0.0) -> tuple[list[str], list[dict[str, Any]]]:
    """What is said of an export, and its rows."""
    said = list(export_labels(job(folder), target, "jsonl", min_confidence))
    return said, [json.loads(line) for line in (target / "labels.jsonl").read_text("utf-8").splitlines()]


def test_labels_stand_beside_their_objects_and_pages_and_are_called_uncalibrated_without_reviews(
        audited: Path, tmp_path: Path) -> None:
    said, rows = labels(audited, tmp_path / "labels")
    assert Counter((row["question"], row["label"], row["page"]) for row in rows) == {
        ("kind", "lease", None): DOCUMENTS, ("mark", "draft", None): 1, ("mark", "draft", 1): 1}
    assert {(row["confidence"], row["calibrated"], row["source"], row["engine"]) for row in rows} == {
        (0.7, None, "engine", "embedded")}
    assert said == [f"{DOCUMENTS + 2} labels in {tmp_path / 'labels'}",
                    f"  kind: {DOCUMENTS} labels, uncalibrated: 0 reviewed, {MIN_REVIEWS} are needed",
                    f"  mark: 2 labels, uncalibrated: 0 reviewed, {MIN_REVIEWS} are needed"]


def test_enough_reviews_calibrate_a_question_and_no_other(reviewed: Path, tmp_path: Path) -> None:
    said, rows = labels(reviewed, tmp_path / "labels")
    sure = (REVIEWS + 1) / (REVIEWS + 2)
    expected = 0.75 * sure + 0.25 * (1 - sure)  # three of four were right
    engines = [row for row in rows if row["question"] == "kind" and row["source"] == "engine"]
    assert len(engines) >= DOCUMENTS - REVIEWS
    assert [row["calibrated"] for row in engines] == pytest.approx([expected] * len(engines), abs=1e-6)
    assert {row["calibrated"] for row in rows if row["question"] == "mark"} == {None}
    assert said[1].startswith(f"  kind: {DOCUMENTS} labels, temperature 0.8")
    assert said[1].endswith(f" from {REVIEWS} reviews, expected calibration error 0.050 before and "
                            f"{0.75 - expected:.3f} after")


def test_labels_that_are_less_sure_in_the_light_of_reviews_are_left_out(reviewed: Path, tmp_path: Path) -> None:
    assert Counter(row["question"] for row in labels(reviewed, tmp_path / "sure", 0.72)[1]) == {"kind": DOCUMENTS}
    unreviewed = [row for row in labels(reviewed, tmp_path / "surer", 0.74)[1] if row["source"] == "engine"]
    assert unreviewed == []


def test_a_data_set_for_hugging_face_is_laid_out_by_its_rules(audited: Path, tmp_path: Path) -> None:
    list(export_labels(job(audited), tmp_path / "set", "hf", 0.0))
    head = (tmp_path / "set" / "README.md").read_text("utf-8").split("---\n")[1]
    card = yaml.safe_load(head)
    assert card["pretty_name"] == "papers"
    ((config,), (split,)) = card["configs"], card["configs"][0]["data_files"]
    assert (config["config_name"], split["split"]) == ("default", "train")
    (path,) = (tmp_path / "set").glob(split["path"])
    rows = pq.read_table(path).to_pylist()
    assert rows == labels(audited, tmp_path / "lines")[1]
    assert "- lease: Lets a thing for a rent" in (tmp_path / "set" / "README.md").read_text("utf-8")


def test_a_spreadsheet_has_the_same_rows(audited: Path, tmp_path: Path) -> None:
    list(export_labels(job(audited), tmp_path / "sheet", "csv", 0.0))
    with open(tmp_path / "sheet" / "labels.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{name: "" if value is None else str(value) for name, value in row.items()}
                    for row in labels(audited, tmp_path / "lines")[1]]


def test_what_cannot_be_exported_is_a_clear_error(audited: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="is not empty"):
        list(export_labels(job(audited), audited, "csv", 0.0))
    other = job(audited).model_copy(update={"checklist": job(audited).checklist[2:]})
    with pytest.raises(JobError, match="no question that is answered by a label"):
        list(export_labels(other, tmp_path / "none", "csv", 0.0))
    nowhere = job(audited).model_copy(update={"output": str(tmp_path / "nowhere")})
    with pytest.raises(JobError, match="run the job first"):
        list(export_labels(nowhere, tmp_path / "none", "csv", 0.0))


@pytest.mark.parametrize("since", ["lease", "loan"])
def test_probabilities_of_all_labels_are_tempered_together_unless_they_are_of_a_later_answer(
        tmp_path: Path, since: str) -> None:
    own = {"version": "v", "fingerprint": "f", "run_id": "r"}
    named = {"question": "kind", "question_fingerprint": asked_now(job(tmp_path))["kind"]}
    assets = [{**own, "asset": f"/{number:03}"} for number in range(40)]
    shares = [{"label": label, "probability": 0.9 if label == since else 0.1} for label in ("lease", "loan")]
    append(str(tmp_path / "out"), "assets", [
        {**row, **dict.fromkeys(("asked", "tried", "judged", "stamp"), ""), "status": "ok", "kind": "pdf", "bytes": 1,
         "rounds": 1, "shards": []} for row in assets], "assets")
    append(str(tmp_path / "out"), "answers", [
        {**row, **named, "level": "asset", "answer_type": "label", "status": "answered", "value": since,
         "confidence": 0.9, "probabilities": shares, "severity": "low", "engine": "e"} for row in assets], "answers")
    append(str(tmp_path / "out"), "reviews", [
        {**row, **named, "value": "lease" if number % 5 < 3 else "loan", "engine_value": "lease",
         "engine_confidence": 0.9, "reviewed_at": datetime.datetime.now(datetime.UTC)}
        for number, row in enumerate(assets)], "reviews")
    said, rows = labels(tmp_path, tmp_path / "labels")
    expected = 0.6 * 41 / 42 + 0.4 / 42
    assert [row["calibrated"] for row in rows] == pytest.approx([expected] * 40, abs=1e-6)
    assert rows[0]["probabilities"] == shares
    assert said[1].endswith(f"error 0.300 before and {abs(0.6 - expected):.3f} after")


def test_the_command_says_what_it_wrote_and_refuses_what_is_no_share(
        audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = tmp_path / "job.yaml", str(tmp_path / "labels")
    path.write_text(json.dumps({"name": "t", "inputs": ["in"], "output": str(audited / "out"), "checklist": CHECKLIST}))
    assert main(["labels", str(path), target, "--min-confidence", "0.71"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"0 labels in {target}"
    for share in ("1.5", "-0.1", "nan", "much"):
        with pytest.raises(SystemExit):
            main(["labels", str(path), target, "--min-confidence", share])
        assert f"'{share}' is no number between 0 and 1" in capsys.readouterr().err
