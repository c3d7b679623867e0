"""Objects in storage: local paths, and s3://, gs:// and az:// through obstore, behind the same few functions.

A URI is an absolute local path or `scheme://bucket/key`. Credentials for s3:// come the usual AWS ways (environment,
profile, instance role), the endpoint from AWS_ENDPOINT_URL; the other stores read their own environment variables.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from obstore.store import ObjectStore

READ_BLOCK = 1 << 20
"""Bytes fetched at once from a remote object that is read by ranges."""

DENIED = ("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "403 Forbidden")
"""What stores say where they refuse, in errors that have no type of their own for it."""


class StorageError(Exception):
    """A store refused or failed; `category` says how: missing, permission or storage."""

    def __init__(self, category: str, message: str) -> None:
        super().__init__(message)
        self.category = category


@dataclass(frozen=True)
class StoredObject:
    """One object as a listing shows it; `version` changes when its content does."""

    uri: str
    version: str
    size: int


def is_local(uri: str) -> bool:
    """Whether a URI is a path on this machine."""
    return "://" not in uri


def join(uri: str, *names: str) -> str:
    """A URI below another one."""
    return "/".join([uri.rstrip("/"), *names])


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@functools.lru_cache(maxsize=32)
def _bucket(scheme: str, bucket: str) -> ObjectStore:
    from obstore.store import S3Store, from_url

    url = f"{scheme}://{bucket}"
    if scheme != "s3":
        return from_url(url)
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = boto3.Session()
    options: dict[str, Any] = {"region": session.region_name or "us-east-1"}
    endpoint = _endpoint()
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if session.get_credentials() is None:
        return S3Store(bucket, skip_signature=True, client_options={"allow_http": True}, **options)
    provider = Boto3CredentialProvider(session)
    return S3Store(bucket, credential_provider=provider, client_options={"allow_http": True}, **options)


def split(uri: str) -> tuple[str, str, str]:
    """Scheme, bucket and key of a remote URI."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "gs", "az"):
        raise StorageError("missing", f"{uri}: unknown kind of storage {scheme!r}: use a path, s3, gs or az")
    return scheme, bucket, key


def remote(uri: str) -> tuple[ObjectStore, str]:
    """The store and the key of a remote object. Raises StorageError for a scheme that nobody serves."""
    scheme, bucket, key = split(uri)
    if not key:
        raise StorageError("missing", f"{uri}: names a bucket, not an object")
    try:
        return _bucket(scheme, bucket), key
    except Exception as error:  # the store's constructor raises its own and the SDK's exceptions
        raise StorageError("permission", f"{uri}: storage cannot be set up: {error}") from error


def delta_options(uri: str) -> dict[str, str]:
    """Storage options with which `deltalake` reaches the same store that this module reaches."""
    if not uri.startswith("s3://"):
        return {}
    import boto3

    session = boto3.Session()
    options = {"AWS_REGION": session.region_name or "us-east-1", "AWS_ALLOW_HTTP": "true",
               "aws_conditional_put": "etag"}
    endpoint = _endpoint()
    if endpoint:
        options["AWS_ENDPOINT_URL"] = endpoint
    credentials = session.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key or "", "AWS_SECRET_ACCESS_KEY": frozen.secret_key or ""}
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options


def _storage_error(uri: str, error: Exception) -> StorageError:
    from obstore.exceptions import NotFoundError, PermissionDeniedError, UnauthenticatedError

    text = str(error).partition("\n\nDebug source")[0]
    if isinstance(error, (FileNotFoundError, NotFoundError)) or "NoSuchBucket" in text:
        return StorageError("missing", f"{uri}: does not exist")
    denied = (PermissionError, PermissionDeniedError, UnauthenticatedError)
    if isinstance(error, denied) or any(mark in text for mark in DENIED):
        return StorageError("permission", f"{uri}: access denied: {text}")
    return StorageError("storage", f"{uri}: {text}")


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
        raise _storage_error(uri, error) from error


def _list_folder(uri: str) -> Iterator[StoredObject]:
    def refuse(error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise _storage_error(uri, error) from error

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
                    s3={"addressing_style": "path" if _endpoint() else "auto"})
    region = session.region_name or "us-east-1"
    client = session.client("s3", region_name=region, endpoint_url=_endpoint(), config=config)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            if not item["Key"].endswith("/"):
                yield item["Key"], {"e_tag": item["ETag"], "size": item["Size"]}


def _list_store(scheme: str, bucket: str, prefix: str) -> Iterator[tuple[str, Any]]:
    import obstore

    folder_key = prefix.rsplit("/", 1)[0] + "/" if "/" in prefix else ""
    for page in obstore.list(_bucket(scheme, bucket), prefix=folder_key or None):
        yield from ((meta["path"], meta) for meta in page if meta["path"].startswith(prefix))


def _stored(uri: str, meta: Any) -> StoredObject:
    tag = (meta.get("e_tag") or meta["last_modified"].isoformat()).strip('"')
    return StoredObject(uri, f"{tag}:{meta['size']}", meta["size"])


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
        raise _storage_error(uri, error) from error


def read_head(uri: str, count: int) -> bytes:
    """The first `count` bytes, or fewer where the object is smaller. Raises StorageError."""
    try:
        with open_ranges(uri, count) as file:
            return file.read(count)
    except StorageError:
        raise
    except Exception as error:
        raise _storage_error(uri, error) from error


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

        def fetch(start: int, end: int) -> bytes:
            return bytes(obstore.get_range(store, key, start=start, end=end))

        return cast("IO[bytes]", RangeReader(fetch, size, block))
    except StorageError:
        raise
    except Exception as error:
        raise _storage_error(uri, error) from error


def download(uri: str, target: Path) -> None:
    """Copy an object to a local file, streaming. Raises StorageError."""
    import obstore

    store, key = remote(uri)
    try:
        with open(target, "wb") as file:
            for piece in obstore.get(store, key).stream():
                file.write(piece)
    except Exception as error:
        raise _storage_error(uri, error) from error


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
        raise _storage_error(uri, error) from error


def put_if_absent(uri: str, data: bytes) -> bool:
    """Write an object that does not exist yet, atomically; False where somebody else already had. Raises StorageError.

    Remote stores get a conditional PUT (`If-None-Match: *`); a disk gets a temporary file, fsync and `link`.
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
        raise _storage_error(uri, error) from error


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
