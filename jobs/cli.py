"""The command line. Exit status: 0 all answered, 1 some objects failed, 2 the job itself was wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from schemas.job import Job, JobError, load_job

FORMATS = {"export": ("parquet", "csv"), "labels": ("jsonl", "csv", "hf"), "review": ("csv", "label-studio")}
"""What is written to a folder, and how, first by default."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="canvass", description="Audit documents and videos with typed questions.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in (("plan", "what a run would read and ask; asks nothing and writes nothing"),
                       ("run", "run the job: goes on where it stopped, does only what is new or changed"),
                       ("retry", "ask again what failed in a way that may pass now, and nothing else"),
                       ("status", "what is done, failed, left"),
                       ("sql", "query the output tables: assets, transcripts, answers, events, scenes, "
                               "screen_texts, failures, requests, reviews, runs, shards"),
                       ("search", "find words and phrases in transcripts and answers"),
                       ("export", "write plain Parquet or CSV files of one consistent version"),
                       ("labels", "write the labels of objects and pages, calibrated by reviews"),
                       ("review", "write what a person should look at, for a spreadsheet or Label Studio"),
                       ("import-review", "take a person's corrections back, which then have the word"),
                       ("report", "write one HTML page that shows answers beside their evidence"),
                       ("compact", "join small files, remove what no table needs any more; safe beside a run")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("job", type=Path, help="the job file")
        if name in ("plan", "run", "retry"):
            command.add_argument("--limit", type=_positive, metavar="N", help="at most N objects")
        if name in ("plan", "run"):
            command.add_argument("--accept", action="store_true",
                                 help="ask again what an older Canvass read otherwise than this one would")
        if name == "sql":
            command.add_argument("query")
            command.add_argument("--json", action="store_true", help="print JSON lines")
        if name in FORMATS:
            command.add_argument("target", type=Path, help="an empty or new folder")
            command.add_argument("--format", choices=FORMATS[name], default=FORMATS[name][0])
        if name == "labels":
            command.add_argument("--min-confidence", type=_share, default=0.0, metavar="X",
                                 help="only labels at least so sure, calibrated where they are")
        if name == "import-review":
            command.add_argument("file", type=Path, help="the corrected CSV file, or an export of Label Studio as JSON")
            command.add_argument("--reviewer", metavar="NAME", help="who reviewed, for the table `reviews`")
        if name == "search":
            command.add_argument("query", help="words, \"a phrase\", a beginning*, AND, OR, NOT, NEAR(a b, 5)")
            command.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most N hits (20)")
            command.add_argument("--json", action="store_true", help="print JSON lines")
        if name == "report":
            command.add_argument("--out", type=Path, metavar="FILE",
                                 help="the file (default: report.html in a local output, else NAME-report.html here)")
            command.add_argument("--max-mb", type=_positive, default=50, metavar="N", help="size of the file at most: "
                                 "pictures of the surest and least severe are left out (default: 50)")
            command.add_argument("--serve", action="store_true", help="write no file: serve it to this machine alone, "
                                                                      "with all pictures, until Ctrl-C")
            command.add_argument("--open", action="store_true", help="open it in the browser")
        if name == "compact":
            command.add_argument("--keep-hours", type=_positive, default=7 * 24, metavar="H",
                                 help="hours for which readers may go on with an older version (default: a week)")
    options = parser.parse_args(arguments)
    try:
        job = load_job(options.job)
        return {"plan": _plan, "run": _run, "retry": _run, "status": _status, "sql": _sql, "export": _export,
                "compact": _compact, "report": _report, "search": _search, "labels": _labels, "review": _review,
                "import-review": _import_review}[options.command](job, options)
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
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1")
    return share


def _plan(job: Job, options: argparse.Namespace) -> int:
    from jobs.planning import forecast
    from jobs.running import Wish

    for line in forecast(job, Wish(options.limit, accept=options.accept)):
        print(line)
    return 0


def _run(job: Job, options: argparse.Namespace) -> int:
    from jobs import progress, running, summary

    retry = options.command == "retry"
    wish = running.Wish(options.limit, retry, not retry and options.accept)
    with running.prepare(job, wish) as prepared:
        with progress.shown() as show:
            ended = running.run(prepared, show)
        for line in summary.closing_lines(job, str(options.job), ended):
            print(line)
        if ended.interrupted:
            return INTERRUPTED
        counts = prepared.listing.outcomes(job.output)
    return 1 if ended.unfinished or counts.get("partial") or counts.get("quarantined") else 0


def _status(job: Job, options: argparse.Namespace) -> int:
    from jobs import running, summary

    with running.prepare(job, write=False) as prepared:
        for line in summary.status_lines(job, str(options.job), prepared):
            print(line)
    return 0


def _report(job: Job, options: argparse.Namespace) -> int:
    from jobs.report.command import report

    report(job, options.out, options.max_mb, options.serve, options.open)
    return 0


def _compact(job: Job, options: argparse.Namespace) -> int:
    from jobs.running import TROUBLE, output_error
    from pipeline.compacting import compact

    try:
        done = compact(job.output, options.keep_hours)
    except TROUBLE as error:
        raise output_error(job.output, error) from error
    for name, (before, after) in done.files.items():
        print(f"{name:<12} {before:>6} files, now {after}")
    print(f"Removed: {done.vacuumed} files of older versions, {done.shards} folded shards, {done.folds} records of "
          "folds")
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


def _review(job: Job, options: argparse.Namespace) -> int:
    from jobs.reviewing import export_queue

    print(f"{export_queue(job, options.target, options.format)} answers to review in {options.target}")
    print(f"Next, once they are corrected: canvass import-review {options.job} FILE")
    return 0


def _import_review(job: Job, options: argparse.Namespace) -> int:
    from jobs.reviewing import import_reviews, precision_lines

    done = import_reviews(job, options.file, options.reviewer)
    print(f"Imported: {done.reviews} reviews of {done.assets} objects")
    for reason, count in done.skipped.most_common():
        print(f"  {count:>5} left out: {reason}")
    for line in precision_lines(job):
        print(line)
    return 0


def _labels(job: Job, options: argparse.Namespace) -> int:
    from jobs.labels import export_labels

    for line in export_labels(job, options.target, options.format, options.min_confidence):
        print(line)
    return 0


def _search(job: Job, options: argparse.Namespace) -> int:
    from jobs.searching import print_hits

    print_hits(job.output, options.query, options.limit, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
