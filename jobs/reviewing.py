"""Takes a person's corrections back into the tables, and says from them how often the engine was right."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

from jobs.label_studio import read_annotations, write_tasks
from jobs.querying import connect, make_folder
from jobs.review_queue import Correction, asked_now, choices, queue, read_csv, write_csv
from jobs.running import TROUBLE, output_error
from model_actors.canvas import form_schema
from pipeline.fingerprints import of_questions
from pipeline.folding import Folder
from pipeline.lease import Lease, LeaseError
from pipeline.stores import StorageError
from schemas.answers import CURRENCY, InvalidValueError, columns, same
from schemas.checklist import ListOf, Question
from schemas.job import Job, JobError

SHOWN_ERRORS = 20
"""Wrong values that one message lists."""

ENGINES_OWN = """
select asset, version, question, question_fingerprint, value, currency, confidence, verdict, fingerprint, run_id
from answers
where (level = 'reviewed' or (level = 'asset' and source is distinct from 'human'))
  and asset in (select unnest($assets))
"""

PRECISION = """
with latest as (
    select * from reviews where list_contains($asked, question || ' ' || question_fingerprint)
        and fingerprint in (select fingerprint from assets)
    qualify row_number() over (partition by asset, version, question order by reviewed_at desc) = 1)
select question, count(*) as reviewed, count(engine_value) filter (value is not null) as answered,
       count(*) filter (engine_value = value and engine_currency is not distinct from currency) as "right"
from latest group by question order by question
"""
"""Of each question the newest reviews, of what an engine answered that results in the tables are of."""


@dataclass
class Imported:
    """What came of an import: reviews and the assets that they are of, and what was left out, by reason."""

    reviews: int = 0
    assets: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def export_queue(job: Job, target: Path, kind: str) -> int:
    """Write the review queue to an empty or new folder, as `csv` or for `label-studio`; the number of answers in it.

    Raises JobError where nothing was written yet, the folder holds files, or pictures cannot be read.
    """
    make_folder(target, "review")
    if kind == "csv":
        return write_csv(queue(job), target / "review.csv")
    try:
        return write_tasks(job.output, queue(job), target)
    except StorageError as error:
        raise output_error(job.output, error) from error


def import_reviews(job: Job, path: Path, reviewer: str | None) -> Imported:
    """Take the corrections of a file to the table `reviews`, and judge their assets again. Reads no input, no engine.

    Of an asset whose content has changed since, or a question that is asked otherwise now, nothing is taken. Raises
    JobError where a value is none of its question's type (then nothing at all is taken), the file is none that was
    exported, nothing was written yet, or a run is at work.
    """
    if not path.is_file():
        raise JobError(f"import-review: {path} is no file")
    read = read_annotations if path.suffix.casefold() == ".json" else read_csv
    corrections = list(read(path))
    engines = _engines_own(job, corrections)
    done, rows, wrong = Imported(), [], []
    seen: dict[tuple[str, str], str] = {}
    questions, asked = {question.id: question for question in job.checklist}, asked_now(job)
    for each in corrections:
        own = engines.get((each.asset, each.question))
        if reason := _not_taken(each, own, asked):
            done.skipped[reason] += 1
            continue
        assert own is not None  # else there is a reason
        if (place := seen.setdefault((each.asset, each.question), each.place)) != each.place:
            wrong.append(f"{path}: {each.place}: corrects the same answer as {place}: keep one of them")
        try:
            value = _valued(questions[each.question], each, own)
        except InvalidValueError as error:
            wrong.append(f"{path}: {each.place}: {error}")
            continue
        rows.append({
            **{name: own[name] for name in ("asset", "version", "question", "question_fingerprint", "fingerprint",
                                            "run_id")}, **value,
            "note": each.note, "reviewer": reviewer or each.reviewer, "engine_value": own["value"],
            "engine_currency": own["currency"], "engine_confidence": own["confidence"],
            "engine_verdict": own["verdict"]})
    if wrong:
        more = [f"and {len(wrong) - SHOWN_ERRORS} more"] if len(wrong) > SHOWN_ERRORS else []
        nothing = "nothing was imported: correct these and import again"
        raise JobError("\n".join([*wrong[:SHOWN_ERRORS], *more, nothing]))
    if rows:
        _commit(job, rows)
    done.reviews, done.assets = len(rows), len({row["asset"] for row in rows})
    return done


def _engines_own(job: Job, corrections: Sequence[Correction]) -> dict[tuple[str, str], dict[str, Any]]:
    """What the engine answered for the assets that are corrected, by asset and question."""
    found = connect(job.output).execute(ENGINES_OWN, {"assets": sorted({each.asset for each in corrections})})
    names = [column[0] for column in found.description]
    rows = (dict(zip(names, values, strict=True)) for values in found.fetchall())
    return {(row["asset"], row["question"]): row for row in rows}


def _not_taken(each: Correction, own: Mapping[str, Any] | None, asked: Mapping[str, str]) -> str | None:
    """Why a correction is not taken; None where it is."""
    if each.question not in asked:
        return f"question {each.question!r} is no longer in the checklist"
    if own is None:
        return "the tables hold no such answer"
    if own["version"] != each.version:
        return "the object's content has changed since: export the queue again"
    if not asked[each.question] == each.fingerprint == own["question_fingerprint"]:
        return f"question {each.question!r} is asked otherwise now: run the job, and export the queue again"
    return None


def _valued(question: Question, each: Correction, own: Mapping[str, Any]) -> dict[str, Any]:
    """Value and currency of a review; the engine's own text where it says the same, so that texts can be compared.

    Raises InvalidValueError.
    """
    if each.value is None:
        return {"value": None, "currency": None}
    value, currency = each.value, None
    if question.answer.type == "money":
        named = CURRENCY.search(value)
        currency = named[0] if named else own["currency"]
        if currency is None:
            raise InvalidValueError(f"{value!r} names no currency: write it like 1234.50 EUR")
        value = CURRENCY.sub("", value, count=1).strip()
    value = next((each for each in choices(question) if each.casefold() == value.casefold()), value)
    typed = columns(question, value, currency)
    if isinstance(question.answer, ListOf):
        _check_items(question, value)
    if own["value"] is not None and own["currency"] == currency and _equal(question, value, own["value"]):
        value = own["value"]
    return {"value": value, "currency": typed["currency"]}


def _check_items(question: Question, value: str) -> None:
    """Raises InvalidValueError where an item of a list is none of its type."""
    items = {question.id: json.loads(value)}
    validator = jsonschema.Draft202012Validator(form_schema([question]), format_checker=jsonschema.FormatChecker())
    wrong = jsonschema.exceptions.best_match(validator.iter_errors(items))
    if wrong is not None:
        raise InvalidValueError(f"an item of the list: {wrong.message}")


def _equal(question: Question, value: str, other: str) -> bool:
    if question.answer.type in ("list", "schema"):
        return bool(json.loads(value) == json.loads(other))
    return same(question, value, other)


def _commit(job: Job, rows: list[dict[str, Any]]) -> None:
    """Add reviews to the tables, while no run is at work."""
    lease = None
    try:
        lease = Lease(job.output, f"review-{uuid.uuid4().hex[:6]}")
        Folder(job.output, job.checklist, of_questions(job)).review(rows)
    except (*TROUBLE, LeaseError) as error:
        raise output_error(job.output, error) from error
    finally:
        if lease:
            with suppress(StorageError):  # it runs out by itself
                lease.release()


def precision(tables: Any, job: Job) -> list[dict[str, Any]]:
    """How often the engine was right, by question, as people's reviews have it, on a connection to the output tables
    (jobs.querying.connect): how many answers were reviewed, in how many of these it and they answered, and rightly.
    """
    asked = [" ".join(each) for each in asked_now(job).items()]
    found: list[dict[str, Any]] = tables.sql(PRECISION, params={"asked": asked}).to_arrow_table().to_pylist()
    return found


def precision_lines(job: Job) -> Iterator[str]:
    """How often the engine was right, as a reader is told; nothing where there are no reviews.

    `precision` is the share of what it answered. Raises JobError where no tables are.
    """
    rows = precision(connect(job.output), job)
    if rows:
        yield f"Reviews: {sum(row['reviewed'] for row in rows)} answers, by question:"
    for row in rows:
        share = f", precision {row['right'] / row['answered']:.0%}" if row["answered"] else ""
        yield (f"  {row['question']}: {row['reviewed']} reviewed, {row['answered']} of them answered, {row['right']} "
               f"rightly{share}")
