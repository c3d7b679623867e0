"""Which objects a job reads, and of what kind each is, told by its first bytes and never by its name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline import storage, stores
from pipeline.storage import StoredObject
from pipeline.stores import StorageError
from schemas.job import JobError

HEAD_BYTES = 1024
WILD = re.compile(r"[*?\[]")
BRACKET = re.compile(r"\[(!?+)([^/][^]/]*)\]")
VIDEO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
PHOTO_BRANDS = (b"heic", b"heix", b"mif1", b"avif")


@dataclass(frozen=True)
class Kind:
    """What an object is: `name` is pdf, image, video or unknown."""

    name: str
    media_type: str | None


UNKNOWN = Kind("unknown", None)


def sniff(head: bytes) -> Kind:
    """The kind of an object by its first 1,024 bytes."""
    for mark, media in ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"),
                        (b"II*\0", "image/tiff"), (b"MM\0*", "image/tiff"),
                        (b"II+\0", "image/tiff"), (b"MM\0+", "image/tiff")):
        if head.startswith(mark):
            return Kind("image", media)
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        return Kind("image", "image/webp") if head[8:12] == b"WEBP" else Kind("video", "video/x-msvideo")
    if head[4:8] in VIDEO_BOXES and head[8:12] not in PHOTO_BRANDS:
        return Kind("video", "video/quicktime" if head[8:12] in (b"qt  ", b"") else "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Kind("video", "video/webm" if b"webm" in head[:64] else "video/x-matroska")
    for first, step in ((0, 188), (4, 192)):
        if len(head) > first + 2 * step and all(head[first + n * step] == 0x47 for n in range(3)):
            return Kind("video", "video/mp2t")
    if b"%PDF-" in head[:HEAD_BYTES]:  # last: readers allow anything before it, and anything may quote it
        return Kind("pdf", "application/pdf")
    return UNKNOWN


def describe(head: bytes) -> str:
    """What bytes of no known kind look like, for an error message."""
    text = head.lstrip()[:64].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "it looks like HTML"
    if head[4:8] == b"ftyp":
        return "it looks like a HEIF or AVIF photo: save it as JPEG or PNG"
    if head.startswith(b"PK"):
        return "it looks like a ZIP or an office document"
    if head and all(byte >= 32 or byte in b"\t\r\n" for byte in head[:256]):
        return "it looks like plain text"
    return "its first bytes are of no kind that Canvass reads"


def list_inputs(inputs: Iterable[str], exclude: Iterable[str] = ()) -> Iterator[StoredObject]:
    """The objects that a job's inputs name, as they are listed; one that two inputs name comes twice.

    An input is an object, a folder (everything below it), or a glob with `*`, `?`, `[...]` inside a name and `**`
    over folders. An exclusion is a glob over whole addresses, and leaves out all
    below it. Raises JobError where an input or its bucket does not
    exist or cannot be listed, and where nothing is left.
    """
    refused = [glob_pattern(part) for pattern in exclude for part in (pattern, pattern.rstrip("/") + "/**")]
    found = kept = 0
    for pattern in inputs:
        before = found
        for item in _list_one(pattern):
            found += 1
            if not any(pattern.fullmatch(item.uri) for pattern in refused):
                kept += 1
                yield item
        if found == before:
            raise JobError(f"input {pattern}: nothing is there; check the path, the bucket and the pattern")
    if not kept:
        raise JobError(f"all {found} objects that the inputs name are excluded, or lie in the output")


def local_version(path: str) -> str:
    """The version of a local file by its content: a digest and the size. Raises StorageError."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            return f"{digest.hexdigest()}:{file.tell()}"
    except OSError as error:
        raise stores.as_storage_error(path, error) from error


def _list_one(pattern: str) -> Iterator[StoredObject]:
    try:
        if not pattern.endswith("/"):
            try:
                exact = storage.stat(pattern)
            except StorageError as error:
                if error.category == "permission" and not WILD.search(pattern):
                    raise
            else:
                if not stores.is_local(pattern) or os.path.isfile(pattern):
                    yield exact
                    return
        match = WILD.search(pattern)
        if match is None:
            yield from storage.list_prefix(pattern.rstrip("/") + "/")
            return
        glob = glob_pattern(pattern)
        prefix = pattern[: pattern.rindex("/", 0, match.start()) + 1]
        yield from (item for item in storage.list_prefix(prefix) if glob.fullmatch(item.uri))
    except StorageError as error:
        raise JobError(f"input {pattern}: {error}") from error


def glob_pattern(pattern: str) -> re.Pattern[str]:
    """A glob over whole addresses as a regular expression: `**/` spans folders, all else stays inside a name.

    `[abc]`, `[a-z]` and `[!a-z]` are one character; a bracket that nothing closes within the name stands for itself.
    """
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i) and (i == 0 or pattern[i - 1] == "/"):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        elif match := BRACKET.match(pattern, i):
            out, i = out + _one_of(match[2], negated=bool(match[1])), match.end()
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return re.compile(out, re.DOTALL)


def _one_of(characters: str, negated: bool) -> str:
    pairs = [(item[0], item[-1]) for item in re.findall(r".-.|.", characters, re.DOTALL)]
    inside = "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in pairs if first <= last)
    if negated:
        return f"[^/{inside}]"
    return f"(?!/)[{inside}]" if inside else "(?!)"
