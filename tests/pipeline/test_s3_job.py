"""A whole job from s3:// to s3://, on a real server."""

from __future__ import annotations

from pathlib import Path

import bad_inputs
import duckdb
import polars as pl
from pipelines import Runner
from s3_server import S3Server

from jobs.querying import connect, export

CHECKLIST = [{"id": "due", "ask": "When is it due?", "answer": "date", "look_for": ["Due date"]}]


def upload(s3: S3Server, bucket: str, folder: Path) -> None:
    for path in folder.iterdir():
        s3.client.upload_file(str(path), bucket, f"docs/{path.name}")


def test_objects_in_a_bucket_are_answered_into_tables_in_a_bucket(s3: S3Server, run: Runner, tmp_path: Path) -> None:
    bucket = s3.fresh_bucket()
    bad_inputs.text_pdf(tmp_path / "two pages.pdf", 2)
    bad_inputs.text_image(tmp_path / "scän.png", ["Due date: 3 May 2026"], (700, 280))
    bad_inputs.video(tmp_path / "film.mp4", 3)
    bad_inputs.wrong_content(tmp_path / "page.pdf")
    upload(s3, bucket, tmp_path)
    settings = {"inputs": [f"s3://{bucket}/docs/**"], "output": f"s3://{bucket}/out", "checklist": CHECKLIST,
                "limits": {"seconds": 61}}  # helpers of its own, that know where the server is
    tables = run(tmp_path, **settings)
    assert {row["asset"].rpartition("/")[2]: row["status"] for row in tables["assets"]} == {
        "two pages.pdf": "ok", "scän.png": "ok", "film.mp4": "ok", "page.pdf": "quarantined"}
    assert [(row["value"], row["asset"]) for row in tables["answers"]
            if row["level"] == "asset" and row["status"] == "answered"] == [
        ("2026-05-03", f"s3://{bucket}/docs/scän.png")]

    upload(s3, bucket, tmp_path)  # the same bytes, at another time
    again = run(tmp_path, **settings)
    assert {name: len(rows) for name, rows in again.items()} == {name: len(rows) for name, rows in tables.items()}

    bad_inputs.text_image(tmp_path / "scän.png", ["Due date: 4 May 2026"], (700, 280))
    upload(s3, bucket, tmp_path)
    output = settings["output"]
    run(tmp_path, **settings)
    query = "select value from answers where level = 'asset' and question = 'due' and status = 'answered'"
    assert connect(str(output)).sql(query).fetchall() == [("2026-05-04",)]
    counts = export(str(output), tmp_path / "files", "parquet")
    assert counts["assets"] == 4
    assert duckdb.sql(f"select count(*) from '{tmp_path}/files/assets.parquet'").fetchall() == [(4,)]
    options = {"aws_endpoint_url": s3.endpoint, "aws_allow_http": "true", "aws_region": "us-east-1"}
    assert pl.scan_delta(f"{output}/assets", storage_options=options).collect().height == 4
