"""What `canvass report` does: write the page or serve it, say what is in it, open it."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path

from jobs.report.build import MEGABYTE, default_path, write_report
from jobs.report.data import Gathered, gather
from jobs.report.serving import ADDRESS, server
from pipeline.stores import StorageError
from schemas.job import Job, JobError


def report(job: Job, target: Path | None, most: int, serve: bool, show: bool) -> None:
    """Write a report of at most `most` megabytes to `target`, or serve one until Ctrl-C; `show` opens a browser.

    Raises JobError where there are no tables, or they cannot be read, or the file cannot be written.
    """
    try:
        gathered = gather(job)
        if serve:
            _serve(gathered, job.output, show)
            return
        written = write_report(gathered, job.output, target or default_path(job), most)
    except StorageError as error:
        raise JobError(f"report: {error}") from error
    print(f"{written.path}: {len(gathered.findings):,} answers of {len(gathered.assets):,} objects, "
          f"{written.pictures:,} pictures, {written.size / MEGABYTE:.1f} MB")
    if written.left_out:
        print(f"{written.left_out:,} pictures were left out to stay under {most} MB, those of the least severe and "
              "surest answers: --max-mb allows more, --serve shows all")
    if show:
        webbrowser.open(written.path.resolve().as_uri())


def _serve(gathered: Gathered, output: str, show: bool) -> None:
    with server(gathered, output) as running:
        address = f"http://{ADDRESS}:{running.server_port}/"
        print(f"{address}      # Ctrl-C ends it", flush=True)
        if show:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            running.serve_forever()
