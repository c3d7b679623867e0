"""Storage: the same few functions on disk and on a real S3 server."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bad_inputs import odd_names
from boto3.s3.transfer import TransferConfig
from s3_server import S3Server

from pipeline import storage, stores
from pipeline.storage import StoredObject
from pipeline.stores import StorageError

WRITERS = 16
BODY = bytes(range(256)) * 5000


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder on disk, or a fresh bucket."""
    if request.param == "disk":
        return str(tmp_path / "place")
    server: S3Server = request.getfixturevalue("s3")
    return f"s3://{server.fresh_bucket()}"


def category(call: Callable[[], object]) -> str:
    with pytest.raises(StorageError) as error:
        call()
    assert "Debug source" not in str(error.value)
    return error.value.category


def names(uri: str) -> list[str]:
    return sorted(item.uri for item in storage.list_prefix(uri))


def test_what_was_put_is_listed_and_read_back(place: str) -> None:
    uri = stores.join(place, "a", "b.bin")
    assert storage.put_if_absent(uri, BODY) is True
    listed = list(storage.list_prefix(place + "/"))
    assert [(item.uri, item.size) for item in listed] == [(uri, len(BODY))]
    assert listed == [storage.stat(uri)]
    assert storage.read(uri) == BODY
    assert storage.read_head(uri, 1000) == BODY[:1000]
    assert storage.read_head(uri, len(BODY) + 1000) == BODY
    with storage.open_ranges(uri, 100_000) as file:
        assert (file.seek(-700, os.SEEK_END), file.read(200), file.tell()) == (len(BODY) - 700, BODY[-700:-500],
                                                                               len(BODY) - 500)
        assert (file.seek(99_990), file.read(20), file.seek(0), file.read()) == (99_990, BODY[99_990:100_010], 0, BODY)


def test_an_empty_object_is_an_object(place: str) -> None:
    uri = stores.join(place, "empty")
    assert storage.put_if_absent(uri, b"") is True
    assert storage.put_if_absent(uri, b"more") is False
    assert (storage.read(uri), storage.read_head(uri, 10), storage.stat(uri).size) == (b"", b"", 0)


def test_one_of_many_writers_wins_and_his_bytes_stay(place: str) -> None:
    uri = stores.join(place, "shards", "one.parquet")
    start = threading.Barrier(WRITERS)

    def write(number: int) -> bool:
        start.wait()
        return storage.put_if_absent(uri, bytes([number]) * 10_000)

    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(write, range(WRITERS)))
    assert won.count(True) == 1
    assert storage.read(uri) == bytes([won.index(True)]) * 10_000
    assert names(place + "/") == [uri]


def test_version_changes_with_the_content(place: str, tmp_path: Path) -> None:
    uris = [stores.join(place, name) for name in ("a", "b")]
    for uri, body in zip(uris, (b"first", b"other"), strict=True):
        storage.put_if_absent(uri, body)
    if stores.is_local(place):
        os.utime(uris[1], ns=(0, 1))
    first, other = (storage.stat(uri) for uri in uris)
    assert first.size == other.size
    assert first.version != other.version
    assert storage.stat(uris[0]) == first


def test_missing_objects_are_missing(place: str) -> None:
    storage.put_if_absent(stores.join(place, "there"), b"x")
    uri = stores.join(place, "not", "there")
    for call in (storage.stat, storage.read, storage.open_ranges, lambda uri: storage.read_head(uri, 10)):
        assert category(lambda call=call: call(uri)) == "missing"  # type: ignore[misc]
    assert names(uri + "/") == []


def test_a_listing_below_a_folder_leaves_its_neighbours_out(place: str) -> None:
    uris = [stores.join(place, name) for name in ("in/a", "in/sub/deep/b", "inside", "in2/c", "other/in/d")]
    for uri in uris:
        storage.put_if_absent(uri, b"x")
    assert names(stores.join(place, "in") + "/") == uris[:2]
    assert names(place + "/") == sorted(uris)


def test_a_listing_of_odd_names_is_complete_and_each_can_be_read(place: str) -> None:
    remote = not stores.is_local(place)
    written = [name for name in odd_names() if not (remote and ("\n" in name or "\\" in name))]
    uris = [stores.join(place, "in", name) for name in written]
    for uri in uris:
        assert storage.put_if_absent(uri, uri.encode()) is True
    listed = {item.uri: item for item in storage.list_prefix(stores.join(place, "in") + "/")}
    assert sorted(listed) == sorted(uris)
    for uri in uris:
        assert storage.read(uri) == uri.encode()
        assert storage.stat(uri) == listed[uri]


def test_more_keys_than_one_page_of_a_listing_holds(s3: S3Server) -> None:
    bucket = s3.fresh_bucket()
    keys = [f"many/{number:04}" for number in range(1_050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.client.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))
    assert names(f"s3://{bucket}/many/") == [f"s3://{bucket}/{key}" for key in keys]
    assert names(f"s3://{bucket}/many/10") == [f"s3://{bucket}/{key}" for key in keys if key.startswith("many/10")]


def test_an_object_uploaded_in_parts_is_read_by_ranges_and_whole(s3: S3Server, tmp_path: Path) -> None:
    bucket, body = s3.fresh_bucket(), os.urandom(12 << 20)
    (tmp_path / "large").write_bytes(body)
    parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.client.upload_file(str(tmp_path / "large"), bucket, "large", Config=parts)
    uri = f"s3://{bucket}/large"
    found = storage.stat(uri)
    assert (found.size, found.version.partition("-")[2]) == (len(body), f"3:{len(body)}")
    assert [item.version for item in storage.list_prefix(f"s3://{bucket}/")] == [found.version]
    with storage.open_ranges(uri) as file:
        file.seek((5 << 20) - 100)
        assert file.read(200) == body[(5 << 20) - 100 : (5 << 20) + 100]
    storage.download(uri, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == body


def test_a_key_that_cannot_be_read_hides_no_other_and_fails_alone(s3: S3Server) -> None:
    bucket = s3.fresh_bucket()
    for key in ("in/good", "in/new\nline", "in/sub/"):
        s3.client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert names(f"s3://{bucket}/in/") == [f"s3://{bucket}/in/good", f"s3://{bucket}/in/new\nline"]
    assert category(lambda: storage.read(f"s3://{bucket}/in/new\nline")) == "storage"
    assert storage.read(f"s3://{bucket}/in/good") == b""


def test_download_copies_every_byte(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.fresh_bucket()
    body = os.urandom(9 << 20)
    s3.client.put_object(Bucket=bucket, Key="big", Body=body)
    storage.download(f"s3://{bucket}/big", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == body
    assert category(lambda: storage.download(f"s3://{bucket}/none", tmp_path / "none")) == "missing"


@pytest.mark.parametrize("call", [
    storage.stat, storage.read, storage.open_ranges, lambda uri: list(storage.list_prefix(uri)),
    lambda uri: storage.put_if_absent(uri, b"x"),
])
def test_a_missing_bucket_is_missing(s3: S3Server, call: Callable[[str], object]) -> None:
    assert category(lambda: call("s3://no-such-bucket/key")) == "missing"


def test_a_bucket_is_no_object(s3: S3Server) -> None:
    bucket = s3.fresh_bucket()
    for uri in (f"s3://{bucket}", f"s3://{bucket}/"):
        assert category(lambda uri=uri: storage.stat(uri)) == "missing"  # type: ignore[misc]
        assert category(lambda uri=uri: storage.put_if_absent(uri, b"x")) == "missing"  # type: ignore[misc]


@pytest.mark.parametrize(("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "nobody")])
def test_a_wrong_key_is_refused(s3: S3Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    bucket = s3.fresh_bucket()
    s3.client.put_object(Bucket=bucket, Key="key", Body=b"x")
    monkeypatch.setenv(name, value)
    uri = f"s3://{bucket}/key"
    for call in (storage.stat, storage.read, storage.open_ranges, lambda uri: list(storage.list_prefix(uri)),
                 lambda uri: storage.put_if_absent(uri, b"x")):
        assert category(lambda call=call: call(uri)) == "permission"  # type: ignore[misc]


@pytest.mark.parametrize("uri", ["ftp://host/x", "http://host/x", "file:///x", "S3://bucket/x"])
def test_a_storage_that_nobody_serves_is_named(uri: str) -> None:
    with pytest.raises(StorageError, match="unknown kind of storage") as error:
        storage.stat(uri)
    assert error.value.category == "missing"


def test_the_number_403_in_a_name_is_no_refusal(tmp_path: Path) -> None:
    loop = tmp_path / "invoice-403.pdf"
    loop.symlink_to(loop)
    assert category(lambda: storage.read(str(loop))) == "storage"


def test_a_commit_on_disk_is_synced_before_it_shows_and_leaves_no_temporary_file(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "deep" / "er" / "one"
    order: list[str] = []
    for name in ("fsync", "link"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (order.append(name), real(*args))[1])
    assert storage.put_if_absent(str(target), b"first") is True
    assert order == ["fsync", "link", "fsync"]
    assert storage.put_if_absent(str(target), b"second") is False
    assert target.read_bytes() == b"first"
    assert os.listdir(target.parent) == ["one"]


def test_a_failed_commit_on_disk_leaves_no_temporary_file(tmp_path: Path) -> None:
    assert category(lambda: storage.put_if_absent(str(tmp_path / ("x" * 300)), b"x")) == "storage"
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_listed_is_an_error_and_no_empty_one(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert category(lambda: list(storage.list_prefix(str(loop)))) == "storage"
    assert list(storage.list_prefix(str(tmp_path / "none"))) == []


def test_what_is_no_readable_file_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    listed = sorted(storage.list_prefix(str(tmp_path)), key=lambda item: item.uri)
    assert listed == [StoredObject(str(tmp_path / name), "missing", 0) for name in ("link", "pipe")]
    assert category(lambda: storage.read_head(str(tmp_path / "pipe"), 10)) == "storage"
    assert category(lambda: storage.read_head(str(tmp_path / "link"), 10)) == "missing"


def test_names_that_are_not_utf8_are_listed_apart(tmp_path: Path) -> None:
    for name in (b"caf\xe9.pdf", b"caf\xe8.pdf"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    listed = [item.uri for item in storage.list_prefix(str(tmp_path))]
    assert len(set(listed)) == 2
    assert all(uri.encode().startswith(os.fsencode(tmp_path)) for uri in listed)


@pytest.mark.parametrize(("uri", "names_below", "joined"), [
    ("/out", ("a",), "/out/a"), ("/out/", ("a", "b"), "/out/a/b"), ("s3://b", ("a",), "s3://b/a"),
    ("s3://b/p/", ("a",), "s3://b/p/a"),
])
def test_join(uri: str, names_below: tuple[str, ...], joined: str) -> None:
    assert stores.join(uri, *names_below) == joined


@pytest.mark.parametrize(("said", "passes"), [
    ("AWS Error SLOW_DOWN during PutObject operation: Reduce your request rate", True),
    ("AWS Error NETWORK_CONNECTION during CreateMultipartUpload operation: curlCode: 56", True),
    ("AWS Error ACCESS_DENIED during CreateMultipartUpload operation: Access Denied", False)])
def test_a_library_that_was_refused_is_not_tried_again(said: str, passes: bool) -> None:
    error = OSError(f"When initiating multiple part upload for key 'a' in bucket 'b': {said}")
    assert stores.may_pass(error) is passes
    assert stores.as_storage_error("s3://b/a", error).category == ("storage" if passes else "permission")
