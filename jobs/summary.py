"""What a user reads at the end of a run and in `status`: outcomes, verdicts, failures by reason, the next step."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from jobs.querying import connect
from jobs.reviewing import precision_lines
from jobs.running import Prepared, Progress
from pipeline.publishing import list_published
from pipeline.tables import distinct
from schemas.job import Job, JobError

LEFT = (("new", "new"), ("changed", "changed"), ("engine", "read by another engine"),
        ("questions", "with questions that are new, changed, or now apply"),
        ("tried", "failed, to be tried in another way"), ("judged", "to be judged again, without asking"))
"""What is to be done with objects, as a reader is told."""


def command() -> str:
    """The command as the user typed it, so that it can be typed again."""
    return sys.argv[0] if "/" in sys.argv[0] and sys.argv[0].endswith("canvass") else "canvass"


def closing_lines(job: Job, job_file: str, progress: Progress) -> Iterator[str]:
    """The closing summary of a run."""
    if progress.unfinished:
        yield f"{progress.unfinished} objects are not finished: run again."
    else:
        yield "Interrupted: what was answered is committed." if progress.interrupted else "Done."
    yield from table_lines(job)
    if progress.interrupted or progress.unfinished:
        yield f"Next: {command()} run {job_file}      # goes on where it stopped"
    else:
        yield f"Next: {command()} report {job_file}      # each answer beside the page or frame that it rests on"


def status_lines(job: Job, job_file: str, prepared: Prepared) -> Iterator[str]:
    """What of the inputs is done and what is left, and what the tables hold."""
    counts = prepared.left.counts
    left = len(prepared.left.errands) + len(prepared.left.judge)
    yield f"Inputs:  {counts['done']} done, {left} left"
    for name, said in LEFT:
        if counts.get(name):
            yield f"  {counts[name]:>7} {said}"
    if counts["missing"]:
        yield f"  {counts['missing']:>7} no longer among the inputs; their answers are kept"
    if prepared.newer:
        yield ("An older Canvass read these as this one would not. They stand, and new ones go beside them, until "
               "`run --accept` asks all again.")
    try:
        yield from _unfinished_lines(job)
        yield from table_lines(job)
        yield from precision_lines(job)
    except JobError:  # nothing was written yet
        yield f"Tables:  {job.output} (none yet)"
    if left:
        yield f"Next: {command()} run {job_file}"
    elif counts["may_pass"]:
        yield f"Next: {command()} retry {job_file}      # {counts['may_pass']} failed in a way that may pass now"


def _unfinished_lines(job: Job) -> Iterator[str]:
    """What the last run left behind that did not come to its end. Raises JobError where there are no tables."""
    last = connect(job.output).execute("select status from runs order by started_at desc limit 1").fetchall()
    if last and last[0][0] != "finished":
        yield f"Last run: {last[0][0]}"
    folded = distinct(job.output, "shards", "shard_id")
    waiting = sum(shard.shard_id not in folded for shard in list_published(job.output))
    if waiting:
        yield f"  {waiting:>7} shards are published and not in the tables yet: the next run takes them up"


def table_lines(job: Job) -> Iterator[str]:
    """What the output tables hold. Raises JobError where there are none."""
    tables = connect(job.output)

    def counts(query: str, order: tuple[str, ...] = ()) -> str:
        found = dict(tables.execute(query).fetchall())
        return ", ".join(f"{found[name]} {name}" for name in order or sorted(found) if found.get(name))

    objects = counts("select status, count(*) from assets group by status", ("ok", "partial", "quarantined"))
    yield f"Objects: {objects or 'none yet'}"
    if answers := counts("select status, count(*) from answers where level = 'asset' group by status"):
        yield f"Answers: {answers}"
    if checks := counts("select verdict, count(*) from answers where level = 'asset' and verdict is not null "
                        "group by verdict", ("pass", "fail", "unsure")):
        yield f"Checks:  {checks}"
    failures = tables.execute(  # what was asked in two rounds has failed in both
        "select phase, category, count(distinct (asset, page, time_s, message)) as n, arg_min(asset, asset), "
        "arg_min(message, asset) from failures group by phase, category order by n desc, phase, category").fetchall()
    if failures:
        yield "Failures:"
    for phase, category, count, asset, message in failures:
        yield f"  {count:>5}  {phase}/{category}: {asset!r}: {message}"
    yield f"Tables:  {job.output}"
