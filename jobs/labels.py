"""The labels of objects and pages as a data set: of questions answered by a label, or by yes or no.

Reviews tell how sure the engine may be: where a question has enough of them, its confidences are calibrated.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.calibration import Sample, calibration_error, fit, tempered
from jobs.querying import connect, make_folder
from jobs.review_queue import asked_now, choices, type_text
from pipeline.row_groups import RowGroupWriter
from schemas.checklist import Label, Question
from schemas.job import Job, JobError
from schemas.records import PROBABILITY

MIN_REVIEWS = 30
"""Reviews of a question's answers below which no temperature is fitted: a few tell little but their own chance."""

READ_ROWS = 4096
"""Labels that are held at a time."""

LABELS = pa.schema([
    ("asset", pa.string()), ("version", pa.string()), ("page", pa.int32()), ("question", pa.string()),
    ("label", pa.string()), ("confidence", pa.float64()), ("calibrated", pa.float64()),
    ("probabilities", pa.list_(PROBABILITY)), ("source", pa.string()), ("engine", pa.string())])
"""A label of an object, or of a `page` of it. `calibrated` is its confidence in the light of reviews, null without."""

PARQUET = "data/train-00000-of-00001.parquet"
"""Where Hugging Face's `datasets` looks for it (https://huggingface.co/docs/datasets/repository_structure)."""

FOUND = """
select asset, version, page, question, value as label, confidence, probabilities, coalesce(source, 'engine') as source,
       engine
from answers where level in ('asset', 'page') and status = 'answered'
  and list_contains($asked, question || ' ' || question_fingerprint)
order by asset, question, page nulls first
"""

REVIEWED = """
with own as (
    select * from answers where level = 'reviewed' or (level = 'asset' and source is distinct from 'human'))
select reviews.question, reviews.value, engine_value, engine_confidence,
       case when own.value = engine_value then own.probabilities end
from reviews left join own using (asset, version, question, question_fingerprint, fingerprint)
where reviews.value is not null and engine_value is not null and engine_confidence is not null
  and list_contains($asked, reviews.question || ' ' || question_fingerprint)
  and fingerprint in (select fingerprint from assets)
qualify row_number() over (partition by asset, version, reviews.question order by reviewed_at desc) = 1
"""
"""The newest review of each answer that the present engine gave, with the probabilities that it gave, unless it has
answered otherwise since.
"""


@dataclass(frozen=True)
class Calibration:
    """What the reviews of a question tell: a temperature, None where they are too few, and errors without and with."""

    reviews: int
    temperature: float | None = None
    before: float | None = None
    after: float | None = None

    def __str__(self) -> str:
        if self.temperature is None:
            return f"uncalibrated: {self.reviews} reviewed, {MIN_REVIEWS} are needed"
        return (f"temperature {self.temperature:.3g} from {self.reviews} reviews, expected calibration error "
                f"{self.before:.3f} before and {self.after:.3f} after")


def export_labels(job: Job, target: Path, kind: str, min_confidence: float) -> Iterator[str]:
    """Write the labels to an empty or new folder, as `jsonl`, `csv` or a data set for `hf`; lines on what is in it.

    Left out are labels that are less sure than `min_confidence`: by the calibrated confidence where there is one, and
    one without any counts as 0. Raises JobError where the checklist asks for no labels, nothing was written yet, or the
    folder holds files.
    """
    questions = {question.id: question for question in job.checklist if question.answer.type in ("label", "yes/no")}
    if not questions:
        raise JobError("labels: the checklist has no question that is answered by a label, or by yes or no")
    make_folder(target, "labels")
    asked = [f"{name} {fingerprint}" for name, fingerprint in asked_now(job).items() if name in questions]
    found = calibrations(job.output, asked, questions)
    counts: Counter[str] = Counter()

    def sure_rows() -> Iterator[dict[str, Any]]:
        for row in _labels(job.output, asked, found):
            sure = row["confidence"] if row["calibrated"] is None else row["calibrated"]
            if (sure or 0.0) >= min_confidence:
                counts[row["question"]] += 1
                yield row

    {"jsonl": _write_jsonl, "csv": _write_csv, "hf": _write_hf}[kind](target, sure_rows())
    if kind == "hf":
        (target / "README.md").write_text(_card(job.name, questions, counts, found), encoding="utf-8")
    yield f"{counts.total()} labels in {target}"
    for name in questions:
        yield f"  {name}: {counts[name]} labels, {found[name]}"


def calibrations(output: str, asked: list[str], questions: Mapping[str, Question]) -> dict[str, Calibration]:
    """The calibration of each question; `asked` are ids with fingerprints. Raises JobError where no tables are."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    for name, value, chosen, sure, shares in connect(output).execute(REVIEWED, {"asked": asked}).fetchall():
        samples[name].append(_sample(questions[name], value, chosen, sure, shares))
    return {name: _calibration(samples[name]) for name in questions}


def _calibration(samples: list[Sample]) -> Calibration:
    if len(samples) < MIN_REVIEWS:
        return Calibration(len(samples))
    temperature = fit(samples)
    return Calibration(len(samples), temperature, calibration_error(samples, 1.0),
                       calibration_error(samples, temperature))


def _sample(question: Question, value: str, chosen: str, sure: float, shares: list[dict[str, Any]] | None) -> Sample:
    """A review as a sample; without the probabilities of all labels, of two: the one chosen, and any other."""
    if shares is None:
        return Sample((sure, 1 - sure), 0, int(value != chosen))
    by_label = {each["label"]: each["probability"] for each in shares}
    labels = choices(question)
    return Sample(tuple(by_label[label] for label in labels), labels.index(chosen), labels.index(value))


def _labels(output: str, asked: list[str], found: Mapping[str, Calibration]) -> Iterator[dict[str, Any]]:
    rows = connect(output).execute(FOUND, {"asked": asked})
    names = [column[0] for column in rows.description]
    while some := rows.fetchmany(READ_ROWS):
        for values in some:
            row = dict(zip(names, values, strict=True))
            row["calibrated"] = _calibrated(row, found[row["question"]].temperature)
            yield {name: row[name] for name in LABELS.names}


def _calibrated(row: Mapping[str, Any], temperature: float | None) -> float | None:
    if row["source"] == "human" or temperature is None or row["confidence"] is None:
        return None
    if row["probabilities"] is None:
        return tempered((row["confidence"], 1 - row["confidence"]), temperature)[0]
    labels = [each["label"] for each in row["probabilities"]]
    return tempered([each["probability"] for each in row["probabilities"]], temperature)[labels.index(row["label"])]


def _write_jsonl(target: Path, rows: Iterator[dict[str, Any]]) -> None:
    with open(target / "labels.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_csv(target: Path, rows: Iterator[dict[str, Any]]) -> None:
    with open(target / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, LABELS.names)
        writer.writeheader()
        writer.writerows(row | {"probabilities": row["probabilities"] and json.dumps(
            row["probabilities"], ensure_ascii=False)} for row in rows)


def _write_hf(target: Path, rows: Iterator[dict[str, Any]]) -> None:
    (target / PARQUET).parent.mkdir()
    writer = RowGroupWriter(target / PARQUET, LABELS)
    while some := list(itertools.islice(rows, READ_ROWS)):
        writer.write([pa.RecordBatch.from_pylist(some, LABELS)])
    writer.close()


def _card(name: str, questions: Mapping[str, Question], counts: Mapping[str, int],
          found: Mapping[str, Calibration]) -> str:
    """The data set's card, whose head tells `datasets` where the rows are."""
    lines = ["---", f"pretty_name: {json.dumps(name)}", "configs:", "- config_name: default", "  data_files:",
             "  - split: train", "    path: data/train-*.parquet", "---", "", f"# Labels of {name}", "",
             "Made by Canvass. One row a label of an object, or of a page of it.", ""]
    for question in questions.values():
        lines += [f"## {question.id}", "", question.ask, "", f"- {type_text(question)}",
                  f"- {counts[question.id]} labels, {found[question.id]}"]
        if isinstance(question.answer, Label):
            lines += [f"- {label}: {text}" for label, text in question.answer.descriptions.items()]
        lines.append("")
    return "\n".join(lines)
