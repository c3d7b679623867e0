"""Puts a report into one HTML file that needs nothing else: its data compressed, its pictures as inert text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jobs.report.data import Gathered, Picture
from pipeline import storage, stores
from schemas.job import Job, JobError

MEGABYTE = 1_000_000
PER_CHUNK = 200
"""Findings, or assets, whose details are unpacked together when one of them is opened."""

SCRIPTS = ("dom.js", "data.js", "list.js", "picture.js", "timeline.js", "overview.js", "finding.js", "asset.js",
           "findings.js", "assets.js", "page.js")
"""The scripts of the page, in the order in which they use one another."""

SPARE = 16
"""Bytes by which the number of pictures that fit may lengthen the page, compressed as it is."""

PICTURES_HERE, PICTURES_SERVED = "data:", "'self' data:"
"""Where the page may take pictures from, in the words of its Content-Security-Policy."""


@dataclass(frozen=True)
class Written:
    """A report that was written: its size in bytes, the pictures in it, and those left out under the cap."""

    path: Path
    size: int
    pictures: int
    left_out: int


def default_path(job: Job) -> Path:
    """Where a report goes unless the user says: into a local output, beside the user for a remote one."""
    if stores.is_local(job.output):
        return Path(job.output) / "report.html"
    return Path(f"{job.name}-report.html")


def write_report(gathered: Gathered, output: str, target: Path, most: int) -> Written:
    """Write a report of at most `most` megabytes (of 1,000,000 bytes), in whose favour the last pictures are left out.

    The file appears when it is whole. Raises JobError where the texts alone are larger or it cannot be written, and
    StorageError where a picture cannot be read.
    """
    room = most * MEGABYTE
    details = list(_details(gathered))
    texts = sum(map(len, (*_page(gathered, len(gathered.pictures), []), *details)))
    if texts > room:
        raise JobError(f"report: its texts alone take {texts / MEGABYTE:.1f} MB: allow more than {most} MB by "
                       "--max-mb, or look at it by --serve")
    held = _fitting(gathered.pictures, room - texts - SPARE)
    size = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), 0o644)
                for piece in (*_page(gathered, held, details), *_pictures(output, gathered.pictures[:held])):
                    size += file.write(piece)
            os.replace(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise JobError(f"report: {target} cannot be written ({error.strerror}): name another file by --out") from error
    return Written(target, size, held, len(gathered.pictures) - held)


def served_page(gathered: Gathered) -> bytes:
    """The page for a server that has the pictures, each as `picture/` and its number."""
    return b"".join(_page(gathered, None, _details(gathered)))


def _page(gathered: Gathered, held: int | None, details: Iterable[bytes]) -> Iterator[bytes]:
    """The page with its data and without pictures: `held` of them follow in it; None where a server has them all."""
    sources = files("jobs.report") / "page"
    script = "\n".join(["'use strict';", *((sources / name).read_text("utf-8") for name in SCRIPTS)])
    style = (sources / "page.css").read_text("utf-8")
    index = {**gathered.index, "per_chunk": PER_CHUNK, "pictures": len(gathered.pictures), "held": held}
    before, after = (sources / "page.html").read_text("utf-8").split("{data}")
    policy = (f"default-src 'none'; img-src {PICTURES_SERVED if held is None else PICTURES_HERE}; "
              f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'")
    yield before.replace("{policy}", policy).replace("{style}", style).encode()
    yield _packed("index", index)
    yield from details
    yield after.replace("{script}", script).encode()


def _details(gathered: Gathered) -> Iterator[bytes]:
    for name, rows in (("findings", gathered.findings), ("assets", gathered.assets)):
        for start in range(0, len(rows), PER_CHUNK):
            yield _packed(f"{name}-{start // PER_CHUNK}", rows[start:start + PER_CHUNK])


def _hash(text: str) -> str:
    """What Content-Security-Policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _packed(name: str, value: Any) -> bytes:
    """A value as an inert element: base64 of gzip of JSON, in which no text can end the element."""
    data = gzip.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0)
    return _inert(name, "application/gzip", data)


def _inert(name: str, kind: str, data: bytes) -> bytes:
    return f'<script type="{kind}" id="{name}">'.encode() + base64.b64encode(data) + b"</script>\n"


def _fitting(pictures: Sequence[Picture], room: int) -> int:
    """How many of the first pictures fit into so many bytes."""
    for place, picture in enumerate(pictures):
        room -= len(_inert(f"picture-{place}", "image/jpeg", b"")) + 4 * -(-picture.size // 3)
        if room < 0:
            return place
    return len(pictures)


def _pictures(output: str, pictures: Sequence[Picture]) -> Iterator[bytes]:
    for place, picture in enumerate(pictures):
        yield _inert(f"picture-{place}", "image/jpeg", storage.read(stores.join(output, picture.path)))
