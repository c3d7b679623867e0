"""What a user reads at the end of a run and in `status`: outcomes, verdicts, failures by reason, the next step."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator

from jobs.running import Progress
from pipeline.tables import read_columns
from schemas.job import Job


def outcomes(job: Job, listed: Collection[str] | None = None) -> Counter[str]:
    """Number of assets by status; with `listed`, only of these: a file that is gone still has its row."""
    assets = read_columns(job.output, "assets", ["asset", "status"]).to_pylist()
    return Counter(row["status"] for row in assets if listed is None or row["asset"] in listed)


def closing_lines(job: Job, job_file: str, progress: Progress) -> Iterator[str]:
    """The closing summary of a run."""
    if progress.unfinished:
        yield f"{progress.unfinished} objects are not finished: run again."
    else:
        yield "Interrupted: what was answered is committed." if progress.interrupted else "Done."
    yield from table_lines(job)
    command = sys.argv[0] if "/" in sys.argv[0] and sys.argv[0].endswith("canvass") else "canvass"
    if progress.interrupted or progress.unfinished:
        yield f"Next: {command} run {job_file}      # goes on where it stopped"
    else:
        yield f'Next: {command} sql {job_file} "select question, value, verdict from answers where level = \'asset\'"'


def table_lines(job: Job) -> Iterator[str]:
    """What the output tables hold."""
    counts = outcomes(job)
    yield "Objects: " + (", ".join(f"{counts[name]} {name}" for name in ("ok", "partial", "quarantined")
                                   if counts[name]) or "none yet")
    answers = read_columns(job.output, "answers", ["level", "status", "verdict"]).to_pylist()
    own = [row for row in answers if row["level"] == "asset"]
    status, verdicts = Counter(row["status"] for row in own), Counter(row["verdict"] for row in own if row["verdict"])
    if own:
        yield "Answers: " + ", ".join(f"{count} {name}" for name, count in sorted(status.items()))
    if verdicts:
        yield "Checks:  " + ", ".join(f"{verdicts[name]} {name}" for name in ("pass", "fail", "unsure")
                                       if verdicts[name])
    failures = read_columns(job.output, "failures", ["asset", "phase", "category", "message"]).to_pylist()
    if failures:
        yield "Failures:"
        for (phase, category), count in Counter((row["phase"], row["category"]) for row in failures).most_common():
            example = next(row for row in failures if (row["phase"], row["category"]) == (phase, category))
            yield f"  {count:>5}  {phase}/{category}: {example['asset']!r}: {example['message']}"
    yield f"Tables:  {job.output}"
