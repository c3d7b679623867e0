"""How stores are reached: addresses, credentials, errors, and patience with what may pass.

A URI is an absolute local path or `scheme://bucket/key`. Credentials for s3:// come the usual AWS ways (environment,
profile, instance role), the endpoint from AWS_ENDPOINT_URL; the other stores read their own environment variables.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import tenacity

if TYPE_CHECKING:
    from obstore.store import ObjectStore

DENIED = ("AccessDenied", "ACCESS_DENIED", "SignatureDoesNotMatch", "InvalidAccessKeyId", "403 Forbidden")
"""What stores say where they refuse, in errors that have no type of their own for it."""


REMOTE = ("AWS Error", "Generic S3 error", "Generic GCS error", "Generic MicrosoftAzure error")
"""What the libraries say that reach a store by themselves, where it failed."""


class StorageError(Exception):
    """A store refused or failed; `category` says how: missing, permission, unsupported, conflict or storage.

    `passing` is set where the same may succeed another time: the store is busy, or a connection broke.
    """

    def __init__(self, category: str, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.category, self.passing = category, passing


def may_pass(error: BaseException) -> bool:
    """Whether what failed for this reason may succeed another time, also in a library that reached the store itself."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    if isinstance(error, StorageError):
        return error.passing
    if isinstance(error, CommitFailedError):
        return True
    said = str(error)
    return isinstance(error, DeltaError | OSError) and any(mark in said for mark in REMOTE) and not any(
        mark in said for mark in DENIED)


patiently = tenacity.retry(retry=tenacity.retry_if_exception(may_pass), stop=tenacity.stop_after_attempt(10),
                           wait=tenacity.wait_random_exponential(multiplier=0.2, max=10), reraise=True)
"""Makes a function that may be called again try so, with longer and longer waits that differ between callers."""


def is_local(uri: str) -> bool:
    """Whether a URI is a path on this machine."""
    return "://" not in uri


def join(uri: str, *names: str) -> str:
    """A URI below another one."""
    return "/".join([uri.rstrip("/"), *names])


def endpoint_url() -> str | None:
    """Where the environment says that s3:// is served, if it says so."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@functools.lru_cache(maxsize=32)
def bucket_of(scheme: str, bucket: str) -> ObjectStore:
    """The store that serves a bucket."""
    from obstore.store import S3Store, from_url

    url = f"{scheme}://{bucket}"
    if scheme != "s3":
        return from_url(url)
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = boto3.Session()
    options: dict[str, Any] = {"region": session.region_name or "us-east-1"}
    endpoint = endpoint_url()
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
        return bucket_of(scheme, bucket), key
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
    endpoint = endpoint_url()
    if endpoint:
        options["AWS_ENDPOINT_URL"] = endpoint
    credentials = session.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key or "", "AWS_SECRET_ACCESS_KEY": frozen.secret_key or ""}
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options


def as_storage_error(uri: str, error: Exception) -> StorageError:
    """An exception of the system or of a library as ours."""
    from obstore.exceptions import NotFoundError, PermissionDeniedError, UnauthenticatedError

    text = str(error).partition("\n\nDebug source")[0]
    if isinstance(error, (FileNotFoundError, NotFoundError)) or "NoSuchBucket" in text:
        return StorageError("missing", f"{uri}: does not exist")
    denied = (PermissionError, PermissionDeniedError, UnauthenticatedError)
    if isinstance(error, denied) or any(mark in text for mark in DENIED):
        return StorageError("permission", f"{uri}: access denied: {text}")
    if "501 Not Implemented" in text:
        return StorageError("unsupported", f"{uri}: {text}")
    return StorageError("storage", f"{uri}: {text}", passing=not is_local(uri))
