"""Storage that fails one request in ten: what is written is there once, whole, and known to be there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bad_inputs
import pytest
from faulty_s3 import FAULTS, FaultyS3, faulty_s3
from pipelines import Runner
from s3_server import S3Server

from pipeline import claiming, storage, stores
from pipeline.lease import Lease
from pipeline.stores import StorageError
from pipeline.tables import append, dataset
from schemas.job import JobError

BODY = bytes(range(256)) * 400
RUN = {"job": "j", "status": "finished", "started_at": 0, "finished_at": 0, "fingerprint": "f", "questions": "{}",
       "versions": "{}", "assets": 1, "shards": 1, "failures": 0}


@pytest.fixture
def proxied(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """A proxy that storage goes through, without faults yet."""
    with faulty_s3(s3.endpoint, seed=1) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        stores.bucket_of.cache_clear()
        yield proxy
    stores.bucket_of.cache_clear()


def test_writes_reads_and_listings_pass_through_every_fault(s3: S3Server, proxied: FaultyS3) -> None:
    bucket = s3.fresh_bucket()
    proxied.share = 0.1
    uris = [f"s3://{bucket}/{number:03}" for number in range(60)]
    for number, uri in enumerate(uris):
        storage.put_if_absent(uri, bytes([number]) + BODY)  # False, where its own reply was lost
    assert sorted(item.uri for item in storage.list_prefix(f"s3://{bucket}/")) == uris
    for number, uri in enumerate(uris):
        assert storage.read(uri) == bytes([number]) + BODY
        assert storage.stat(uri).size == len(BODY) + 1
        with storage.open_ranges(uri, 10_000) as file:
            file.seek(95_000)
            assert file.read(20) == (bytes([number]) + BODY)[95_000:95_020]
    proxied.share = 0.0
    for number, uri in enumerate(uris):
        assert s3.client.get_object(Bucket=bucket, Key=uri[-3:])["Body"].read() == bytes([number]) + BODY
    assert set(proxied.counts) == set(FAULTS)


def test_a_table_gets_every_commit_once(s3: S3Server, proxied: FaultyS3) -> None:
    output = f"s3://{s3.fresh_bucket()}/out"
    proxied.share = 0.1
    for number in range(12):
        append(output, "runs", [{**RUN, "run_id": f"r{number}"}], f"r{number}")
    proxied.share = 0.0
    assert sorted(row["run_id"] for row in dataset(output, "runs").to_table().to_pylist()) == sorted(
        f"r{number}" for number in range(12))


def test_a_lease_is_its_holders_though_the_reply_to_its_write_was_lost(
        s3: S3Server, proxied: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    output = f"s3://{s3.fresh_bucket()}/out"
    monkeypatch.setattr("faulty_s3.FAULTS", ("unheard",))
    proxied.share = 0.3
    for number in range(5):
        lease = Lease(output, f"run {number}")
        lease.check()
        lease.release()
    assert proxied.counts["unheard"] > 3


def test_a_store_that_refuses_conditional_writes_is_refused(s3: S3Server, proxied: FaultyS3) -> None:
    proxied.conditions = "refused"
    with pytest.raises(StorageError, match=r"this store refuses conditional writes.*use another"):
        claiming.claim(f"s3://{s3.fresh_bucket()}/out", single_writer=True)


def test_a_store_that_overlooks_conditions_is_refused_unless_there_is_one_writer(
        s3: S3Server, proxied: FaultyS3, run: Runner, tmp_path: Path) -> None:
    proxied.conditions = "overlooked"
    with pytest.raises(StorageError, match=r"writes over objects that it is told not to.*single_writer: true"):
        claiming.claim(f"s3://{s3.fresh_bucket()}/out")
    (tmp_path / "in").mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "a.pdf", 2)
    settings = {"output": f"s3://{s3.fresh_bucket()}/out", "single_writer": True, "limits": {"seconds": 62}}
    tables = run(tmp_path, **settings)
    assert [len(tables[name]) for name in ("assets", "transcripts", "shards")] == [1, 2, 1]
    assert run(tmp_path, **settings) == tables


def test_a_bucket_that_turns_read_only_ends_the_run_and_leaves_what_was_committed(
        s3: S3Server, proxied: FaultyS3, run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "a.pdf", 2)
    settings = {"output": f"s3://{s3.fresh_bucket()}/out", "limits": {"seconds": 63}}
    tables = run(tmp_path, **settings)
    bad_inputs.text_pdf(tmp_path / "in" / "b.pdf", 2)
    proxied.read_only = True
    with pytest.raises(JobError, match=r"output s3://.*/out: s3://.*_canvass.json: access denied"):
        run(tmp_path, **settings)
    assert {name: dataset(settings["output"], name).to_table().to_pylist() for name in ("assets", "transcripts")} == {
        name: tables[name] for name in ("assets", "transcripts")}
    proxied.read_only = False
    assert len(run(tmp_path, **settings)["assets"]) == 2
