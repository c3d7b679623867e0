"""The command line. Exit status: 0 all answered, 1 some objects failed, 2 the job itself was wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from schemas.job import Job, JobError, load_job

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="canvass", description="Audit documents and videos with typed questions.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in (("plan", "what a run would read and ask; asks nothing and writes nothing"),
                       ("run", "run the job: goes on where it stopped, does only what is new or changed"),
                       ("status", "what is done, failed, left"),
                       ("sql", "query the output tables: " + ", ".join(("assets", "transcripts", "answers", "events",
                                                                       "failures", "requests", "runs", "shards"))),
                       ("export", "write plain Parquet or CSV files of one consistent version")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("job", type=Path, help="the job file")
        if name in ("plan", "run"):
            command.add_argument("--limit", type=_positive, metavar="N", help="at most N objects")
        if name == "sql":
            command.add_argument("query")
            command.add_argument("--json", action="store_true", help="print JSON lines")
        if name == "export":
            command.add_argument("target", type=Path, help="an empty or new folder")
            command.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    options = parser.parse_args(arguments)
    try:
        job = load_job(options.job)
        return {"plan": _plan, "run": _run, "status": _status, "sql": _sql, "export": _export}[options.command](
            job, options)
    except JobError as error:
        print(f"canvass: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("canvass: interrupted", file=sys.stderr)
        return INTERRUPTED


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _plan(job: Job, options: argparse.Namespace) -> int:
    from jobs.planning import forecast

    for line in forecast(job, options.limit):
        print(line)
    return 0


def _run(job: Job, options: argparse.Namespace) -> int:
    from jobs import progress, running, summary

    prepared = running.prepare(job, options.limit)
    with progress.shown() as show:
        ended = running.run(prepared, show)
    for line in summary.closing_lines(job, str(options.job), ended):
        print(line)
    if ended.interrupted:
        return INTERRUPTED
    if ended.unfinished:
        return 1
    counts = summary.outcomes(job, prepared.listed)
    return 1 if counts["partial"] or counts["quarantined"] else 0


def _status(job: Job, options: argparse.Namespace) -> int:
    from jobs import running, summary

    prepared = running.prepare(job, None, write=False)
    print(f"Inputs:  {prepared.done} done, {len(prepared.todo)} new, changed or not finished")
    for line in summary.table_lines(job):
        print(line)
    if prepared.todo:
        print(f"Next: canvass run {options.job}")
    return 0


def _sql(job: Job, options: argparse.Namespace) -> int:
    from jobs.querying import print_query

    print_query(job.output, options.query, options.json)
    return 0


def _export(job: Job, options: argparse.Namespace) -> int:
    from jobs.querying import export

    counts: Counter[str] = Counter(export(job.output, options.target, options.format))
    for name, count in counts.items():
        print(f"{count:>9} rows  {options.target / name}.{options.format}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
