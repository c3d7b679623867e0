"""What a person should look at: answers that are unsure, that their page does not bear out, or that fail severely.

As a spreadsheet both ways: one row an answer, with empty columns for the correction.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.querying import connect
from pipeline.fingerprints import question_fingerprint
from schemas.answers import DECIMAL
from schemas.checklist import Label, Question
from schemas.job import Job, JobError

CANNOT_TELL = "?"
"""What a person writes who cannot tell the answer either."""

NOT_BORNE_OUT = {"contradicted": "contradicted: the page's own words say otherwise",
                 "absent": "absent: it does not stand on the page"}
"""What is said of an answer that its page does not bear out, by its grounding."""

READ_ROWS = 256
"""Answers that are held at a time."""

FORMULA = re.compile(r"(?:^|(?<=;))(?=[=+\-@\t\r\n＝＋－＠])")
"""Where in a cell something begins that spreadsheets compute: also behind a semicolon, at which some of them part cells
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

MAX_CELL = 30_000
"""Characters of a cell: spreadsheets hold up to 32,767, and break the rows of longer ones."""

COLUMNS = ("asset", "version", "question", "question_fingerprint", "asked", "type", "severity", "value", "confidence",
           "verdict", "why", "page", "second", "quote", "correct_value", "note")
NEEDED = ("asset", "version", "question", "question_fingerprint", "correct_value")

QUEUE = """
select answers.asset, answers.version, question, question_fingerprint, value, currency, answers.status, confidence,
       verdict, severity, grounding, answers.reason, evidence, engine
from answers join assets using (asset)
where level = 'asset' and source is distinct from 'human' and missing_since is null
  and list_contains($asked, question || ' ' || question_fingerprint)
  and (answers.status in ('unsure', 'failed') or verdict = 'unsure' or grounding in ('contradicted', 'absent')
       or (verdict = 'fail' and severity = 'high'))
order by case severity when 'high' then 1 when 'medium' then 2 else 3 end, coalesce(confidence, 0), asset, question
"""
"""The queue: the severest first, and of one severity the least sure. Objects that are gone cannot be looked at."""


@dataclass(frozen=True)
class Doubt:
    """An answer to be reviewed: its row of `answers`, its question, and why it is in the queue."""

    question: Question
    row: dict[str, Any]
    why: str

    @property
    def value(self) -> str | None:
        """The engine's answer as a person writes it: an amount with its currency."""
        parts = [self.row["value"], self.row["currency"]]
        return " ".join(filter(None, parts)) if self.row["value"] is not None else None

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """The pieces of evidence, best first."""
        return self.row["evidence"] or []


@dataclass(frozen=True)
class Correction:
    """What a person says of an answer, as it is written; `value` is None where they cannot tell. `place` is where it is
    written.
    """

    place: str
    asset: str
    version: str
    question: str
    fingerprint: str
    value: str | None
    note: str | None
    reviewer: str | None = None


def asked_now(job: Job) -> dict[str, str]:
    """The fingerprints of a job's questions as they are asked now, by id."""
    return {question.id: question_fingerprint(question) for question in job.checklist}


def queue(job: Job) -> Iterator[Doubt]:
    """The answers to be reviewed, the severest first and of these the least sure. Raises JobError where no tables are.

    What was asked otherwise than the checklist has it now waits for the next run.
    """
    questions = {question.id: question for question in job.checklist}
    found = connect(job.output).execute(QUEUE, {"asked": [" ".join(each) for each in asked_now(job).items()]})
    names = [column[0] for column in found.description]
    while rows := found.fetchmany(READ_ROWS):
        for values in rows:
            row = dict(zip(names, values, strict=True))
            yield Doubt(questions[row["question"]], row, _why(questions[row["question"]], row))


def _why(question: Question, row: dict[str, Any]) -> str:
    reasons = []
    if row["status"] in ("unsure", "failed"):
        reasons.append(": ".join(filter(None, (row["status"], row["reason"]))))
    elif row["verdict"] == "unsure":
        reasons.append("too doubtful to decide the check")
    if row["grounding"] in NOT_BORNE_OUT:
        reasons.append(NOT_BORNE_OUT[row["grounding"]])
    if row["verdict"] == "fail":
        reasons.append(f"fails a check of {row['severity']} severity: {question.expect} is expected")
    return "; ".join(reasons)


def choices(question: Question) -> tuple[str, ...]:
    """The values that a question's answer is one of; none where it is not one of few."""
    if isinstance(question.answer, Label):
        return question.answer.labels
    return ("yes", "no") if question.answer.type in ("yes/no", "event") else ()


def type_text(question: Question) -> str:
    """The type of a question's answer, with what there is to choose from."""
    return ": ".join(filter(None, (question.answer.type, ", ".join(choices(question)))))


def write_csv(doubts: Iterable[Doubt], path: Path) -> int:
    """Write the queue as CSV, in UTF-8 with the mark by which spreadsheets know it; the number of rows."""
    count = 0
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for doubt in doubts:
            first = doubt.evidence[0] if doubt.evidence else {}
            writer.writerow({name: _cell(value) for name, value in {
                **{name: doubt.row[name] for name in ("asset", "version", "question", "question_fingerprint",
                                                      "severity", "confidence", "verdict")},
                "asked": doubt.question.ask, "type": type_text(doubt.question), "value": doubt.value, "why": doubt.why,
                "page": first.get("page"), "second": first.get("time_s"), "quote": first.get("quote")}.items()})
            count += 1
    return count


def _cell(value: Any) -> Any:
    """A text of a length that spreadsheets hold, in which none finds a formula: documents are not trusted."""
    is_text = isinstance(value, str) and not DECIMAL.fullmatch(value)
    return FORMULA.sub("'", value[:MAX_CELL]) if is_text else value


def read_csv(path: Path) -> Iterator[Correction]:
    """The corrections of a CSV file, whose rows are numbered from 1, the head; those without any are left out.

    A semicolon will do for a comma, as some spreadsheets write it. Raises JobError where the file is no such.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
            if lacking := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
                raise JobError(f"{path}: has no column {', '.join(lacking)}: hand in what `canvass review` has written")
            for number, row in enumerate(reader, 2):
                if any(row[name] is None for name in NEEDED):
                    raise JobError(f"{path}: row {number} has fewer cells than the head")
                value, note = ((row.get(name) or "").strip() for name in ("correct_value", "note"))
                if value:
                    yield Correction(f"row {number}, column correct_value", row["asset"], row["version"],
                                     row["question"], row["question_fingerprint"],
                                     None if value == CANNOT_TELL else _as_meant(value), note or None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise JobError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error


def _as_meant(value: str) -> str:
    """A value without the apostrophe that keeps a spreadsheet from computing it."""
    return value[1:] if value[:1] == "'" and FORMULA.match(value[1:]) else value
