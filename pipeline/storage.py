"""Objects in storage: local paths, and s3://, gs:// and az:// through obstore, behind the same few functions."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from pipeline.stores import StorageError, as_storage_error, bucket_of, endpoint_url, is_local, patiently, remote, split

READ_BLOCK = 1 << 20
"""Bytes fetched at once from a remote object that is read by ranges."""

@dataclass(frozen=True)
class StoredObject:
    """One object as a listing shows it; `version` changes when its content does."""

    uri: str
    version: str
    size: int


def list_prefix(uri: str) -> Iterator[StoredObject]:
    """Every object below a folder or key prefix, in no promised order. Raises StorageError."""
    if is_local(uri):
        yield from _list_folder(uri)
        return
    scheme, bucket, key = split(uri)
    try:
        for name, meta in _list_s3(bucket, key) if scheme == "s3" else _list_store(scheme, bucket, key):
            yield _stored(f"{scheme}://{bucket}/{name}", meta)
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


def _list_folder(uri: str) -> Iterator[StoredObject]:
    def refuse(error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise as_storage_error(uri, error) from error

    walked: set[str] = set()
    for folder, folders, names in os.walk(uri, onerror=refuse, followlinks=True):
        if os.path.realpath(folder) in walked:
            folders.clear()  # a link back to a folder that was walked already
            continue
        walked.add(os.path.realpath(folder))
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name).encode("utf-8", "backslashreplace").decode()
            try:
                found = stat(path) if os.path.isfile(path) else None
            except StorageError:
                found = None
            if found:
                yield found
            else:  # a broken link, or a name that is not UTF-8: reading it will fail and say so
                yield StoredObject(path, "missing", 0)


def _list_s3(bucket: str, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """By boto3: obstore gives up a listing for one key with `//` or a newline, and shows marks of folders as files."""
    import boto3
    from botocore import UNSIGNED  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    session = boto3.Session()
    config = Config(signature_version=None if session.get_credentials() else UNSIGNED,
                    retries={"mode": "standard", "max_attempts": 10},
                    s3={"addressing_style": "path" if endpoint_url() else "auto"})
    region = session.region_name or "us-east-1"
    client = session.client("s3", region_name=region, endpoint_url=endpoint_url(), config=config)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            if not item["Key"].endswith("/"):
                yield item["Key"], {"e_tag": item["ETag"], "size": item["Size"]}


def _list_store(scheme: str, bucket: str, prefix: str) -> Iterator[tuple[str, Any]]:
    import obstore

    folder_key = prefix.rsplit("/", 1)[0] + "/" if "/" in prefix else ""
    for page in obstore.list(bucket_of(scheme, bucket), prefix=folder_key or None):
        yield from ((meta["path"], meta) for meta in page if meta["path"].startswith(prefix))


def _stored(uri: str, meta: Any) -> StoredObject:
    tag = (meta.get("e_tag") or meta["last_modified"].isoformat()).strip('"')
    return StoredObject(uri, f"{tag}:{meta['size']}", meta["size"])


@patiently
def stat(uri: str) -> StoredObject:
    """One object by its address. Raises StorageError where it is missing or hidden."""
    try:
        if is_local(uri):
            status = os.stat(uri)
            return StoredObject(uri, f"{status.st_mtime_ns}:{status.st_size}", status.st_size)
        import obstore

        store, key = remote(uri)
        return _stored(uri, obstore.head(store, key))
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def read_head(uri: str, count: int) -> bytes:
    """The first `count` bytes, or fewer where the object is smaller. Raises StorageError."""
    try:
        with open_ranges(uri, count) as file:
            return file.read(count)
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def open_ranges(uri: str, block: int = READ_BLOCK) -> IO[bytes]:
    """A seekable reader that fetches a remote object in blocks, never whole. Raises StorageError."""
    try:
        if is_local(uri):
            if os.path.exists(uri) and not os.path.isfile(uri):  # to open a pipe would wait for whoever writes to it
                raise StorageError("storage", f"{uri}: is not a file")
            return open(uri, "rb")
        import obstore

        from pipeline.range_reader import RangeReader

        store, key = remote(uri)
        size = obstore.head(store, key)["size"]

        @patiently
        def fetch(start: int, end: int) -> bytes:
            try:
                return bytes(obstore.get_range(store, key, start=start, end=end))
            except Exception as error:
                raise as_storage_error(uri, error) from error

        return cast("IO[bytes]", RangeReader(fetch, size, block))
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def download(uri: str, target: Path) -> None:
    """Copy an object to a local file, streaming. Raises StorageError."""
    import obstore

    store, key = remote(uri)
    try:
        with open(target, "wb") as file:
            for piece in obstore.get(store, key).stream():
                file.write(piece)
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def read(uri: str) -> bytes:
    """A whole small object. Raises StorageError."""
    try:
        if is_local(uri):
            return Path(uri).read_bytes()
        import obstore

        store, key = remote(uri)
        return bytes(obstore.get(store, key).bytes())
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def read_tagged(uri: str) -> tuple[bytes, str]:
    """A whole small object, and the tag that `replace` takes. Raises StorageError."""
    try:
        if is_local(uri):
            data = Path(uri).read_bytes()
            return data, hashlib.sha256(data).hexdigest()
        import obstore

        store, key = remote(uri)
        found = obstore.get(store, key)
        tag = found.meta["e_tag"]
        return bytes(found.bytes()), tag or ""
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def replace(uri: str, data: bytes, tag: str) -> str | None:
    """Write over an object that still has this tag; its new tag, or None where it has changed. Raises StorageError.

    A conditional PUT (`If-Match`); on a disk a rename, which two writers at the very same moment may both get through.
    """
    try:
        if is_local(uri):
            if read_tagged(uri)[1] != tag:
                return None
            handle, temporary = tempfile.mkstemp(dir=Path(uri).parent, prefix=".", suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, uri)
            return hashlib.sha256(data).hexdigest()
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store, key = remote(uri)
        with suppress(AlreadyExistsError, PreconditionError):
            obstore.put(store, key, data, mode={"e_tag": tag})
        found, now = read_tagged(uri)
        return now if found == data else None  # what was written may be ours though its reply was lost
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def put_if_absent(uri: str, data: bytes) -> bool:
    """Write an object that does not exist yet, atomically; False where somebody already had. Raises StorageError.

    Remote stores get a conditional PUT (`If-None-Match: *`); a disk gets a temporary file, fsync and `link`. False may
    also be said of a write of one's own whose reply was lost.
    """
    try:
        if is_local(uri):
            return _link_if_absent(Path(uri), data)
        import obstore
        from obstore.exceptions import AlreadyExistsError

        store, key = remote(uri)
        try:
            obstore.put(store, key, data, mode="create")
        except AlreadyExistsError:
            return False
        return True
    except StorageError:
        raise
    except Exception as error:
        raise as_storage_error(uri, error) from error


@patiently
def delete(uri: str) -> None:
    """Remove an object, if it is there. Raises StorageError."""
    try:
        if is_local(uri):
            Path(uri).unlink(missing_ok=True)
            return
        import obstore

        store, key = remote(uri)
        obstore.delete(store, key)
    except StorageError:
        raise
    except Exception as error:
        if (found := as_storage_error(uri, error)).category != "missing":
            raise found from error


def _link_if_absent(path: Path, data: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # as every other file of the tables
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True
    finally:
        os.unlink(temporary)
