"""How long it takes, and in how much memory, to drop what is done: 10 million of 11 million chunks.

Each chunk is a one-page object of its own, which is the hardest case: the listing, `assets` and the ledger have a row
for each. The tables are written in files of 500,000 rows, as a compaction leaves them, with a shard for every 64
objects. Measured is what a run does before it plans: the listing goes into its database, the ledger is read, the two
are joined, and the last tenth is handed out. Making up the listed objects is not: a generator stands for the store, and
the time that it takes by itself is subtracted. Three sizes are measured, each in a process of its own; that of 100
million is extrapolated from them by a line through the last two, which is said so. The floor, in the same process, is
to read the same columns of the tables and nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

ROWS = 500_000
"""Rows of one file."""

GROUP = 1 << 16
"""Rows of one row group at most, as a compaction writes them."""

SHARD = 64
"""Objects of one shard."""

TARGET_SECONDS, TARGET_MB = 60, 2_000


def main() -> None:
    """Write tables of each size, drop what is done, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 100,000 chunks")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]))))
        return
    sizes = [10_000, 30_000, 100_000] if options.quick else [1_000_000, 3_000_000, 10_000_000]
    found = []
    for done in sizes:
        with tempfile.TemporaryDirectory(prefix="canvass-bench-") as folder:
            write_tables(folder, done)
            measured = subprocess.run([sys.executable, __file__, "--measure", folder, str(done)], check=True,
                                      capture_output=True, text=True)
        figures = json.loads(measured.stdout.splitlines()[-1])
        found.append(figures)
        print(f"{done:,} done of {done * 11 // 10:,}: {figures['seconds']:.1f} s ({figures['ratio']:.2f} of the "
              f"floor), peak {figures['peak_mb']:.0f} MB", flush=True)
    further = {name: extrapolated(sizes, [each[name] for each in found], sizes[-1] * 10)
               for name in ("seconds", "peak_mb")}
    print(f"{sizes[-1] * 10:,} done, extrapolated: {further['seconds']:.0f} s, peak {further['peak_mb']:.0f} MB")
    print(json.dumps({"sizes": sizes, "measured": found, "extrapolated": further, "ratio": found[-1]["ratio"],
                      "target_seconds": TARGET_SECONDS, "target_mb": TARGET_MB}))


def extrapolated(sizes: list[int], values: list[float], size: int) -> float:
    """The line through the last two values, at another size."""
    slope = (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])
    return round(values[-1] + slope * (size - sizes[-1]), 1)


def names_of() -> Any:
    """The names of a job that transcribes and asks three questions."""
    from model_actors.choosing import choose
    from pipeline.fingerprints import of_job
    from schemas.job import Job

    questions = [{"id": f"q{number}", "ask": f"Question {number}?", "answer": "text"} for number in range(3)]
    job = Job.model_validate({"name": "bench", "inputs": ["s3://bucket/"], "output": "/out", "transcribe": True,
                              "checklist": questions})
    return of_job(job, choose(job))


def address(number: int) -> str:
    """The address of an object."""
    return f"s3://documents-of-the-archive/{number % 997:03}/scans/{number:09}.tiff"


def write_tables(output: str, done: int) -> None:
    """The tables `assets` and `shards` of a job of which so many objects are done."""
    import datetime

    from deltalake import CommitProperties

    from pipeline.fingerprints import asked_text
    from pipeline.fold import ORDER
    from pipeline.tables import Staged, create_table
    from schemas.records import TABLES

    names, now = names_of(), datetime.datetime.now(datetime.UTC)
    common = {"fingerprint": names.engine, "asked": asked_text(names.documents), "tried": names.tried, "run_id": "r",
              "kind": "image", "media_type": "image/tiff", "bytes": 100_000, "units": 1, "units_failed": 0,
              "repaired": False}
    constant = {"assets": {**common, "status": "ok", "judged": names.judged, "coverage": 1.0, "rounds": 1,
                           "finished_at": now},
                "shards": {**common, "part": 0, "parts": 1, "plan": "p", "round": 1, "attempt": 1, "published_at": now,
                           "replaces": []}}
    for name in ORDER:
        create_table(output, name)
    for start in range(0, done, ROWS):
        numbers = range(start, min(start + ROWS, done))
        shards = [f"{number // SHARD:032x}" for number in numbers]
        tags = [_tag(number) for number in numbers]
        varying = {"asset": [address(number) for number in numbers], "version": tags, "stamp": tags,
                   "shard_id": shards, "shards": [[each] for each in shards]}
        for name, values in constant.items():
            columns = [pa.array(varying[field.name], field.type) if field.name in varying
                       else pa.array([values.get(field.name)] * len(numbers), field.type) for field in TABLES[name]]
            staged = Staged(output, name)
            staged.write(pa.Table.from_arrays(columns, schema=TABLES[name]).to_batches(max_chunksize=GROUP))
            staged.close()
            staged.commit(create_table(output, name), CommitProperties(), ())


def _tag(number: int) -> str:
    return f"{number:032x}:100000"


def listed(count: int) -> Iterator[Any]:
    """The objects of a listing."""
    from pipeline.storage import StoredObject

    for number in range(count):
        yield StoredObject(address(number), _tag(number), 100_000)


def measure(output: str, done: int) -> dict[str, float]:
    """Seconds and peak megabytes of dropping, and how often as long it took as reading the same columns."""
    import duckdb

    from pipeline.folding import Folder
    from pipeline.resuming import Listing
    from pipeline.tables import dataset

    names = names_of()
    started = time.monotonic()
    columns = {"assets": ["asset", "version", "stamp", "fingerprint", "asked", "judged", "tried", "status", "rounds"],
               "shards": ["shard_id"]}
    for name, wanted in columns.items():
        for batch in dataset(output, name).to_batches(columns=wanted):
            del batch
    floor = time.monotonic() - started
    started = time.monotonic()
    for _ in listed(done * 11 // 10):
        pass
    made_up = time.monotonic() - started
    started = time.monotonic() + made_up
    with Listing(listed(done * 11 // 10), repeats=False) as listing:
        into_database = time.monotonic() - started
        Folder(output, (), names)
        left = listing.left(output, names)
        seconds = time.monotonic() - started
        if len(left.errands) != done // 10 or left.counts["done"] != done:
            sys.exit(f"the wrong ones were dropped: {left.counts} with duckdb {duckdb.__version__}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"done": done, "seconds": round(seconds, 2), "listing_seconds": round(into_database, 2),
            "made_up_seconds": round(made_up, 2), "floor_seconds": round(floor, 2),
            "ratio": round(seconds / floor, 2), "peak_mb": round(peak, 1)}


if __name__ == "__main__":
    main()
