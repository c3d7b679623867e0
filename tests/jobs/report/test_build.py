"""The file that a report is: one page that holds everything, inert, under its cap, whole or not there."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from report_rows import evidence, picture, write
from s3_server import S3Server

from jobs.report import build
from jobs.report.build import SCRIPTS, default_path, write_report
from jobs.report.data import Gathered, Picture, gather
from pipeline import storage
from schemas.job import Job, JobError

HOSTILE = "</script><script>alert(1)</script><!--"


def job_of(output: str) -> Job:
    return Job.model_validate({"name": "made", "inputs": ["/in"], "transcribe": True, "output": output})


def gathered_of(output: str, *assets: str) -> Gathered:
    """An answer of each asset, surer from one to the next, whose page's picture was kept."""
    for place, asset in enumerate(assets):
        picture(output, asset, "v", 1, colour=(0, 0, 50 * place))
    write(output, "assets", [{"asset": asset, "version": "v", "status": "ok", "kind": "pdf"} for asset in assets])
    write(output, "answers", [
        {"asset": asset, "version": "v", "question": "q", "level": "asset", "status": "answered", "value": HOSTILE,
         "confidence": place / 10, "evidence": [evidence(1, quote=HOSTILE)]} for place, asset in enumerate(assets)])
    return gather(job_of(output))


def inert(page: str) -> dict[str, bytes]:
    """What the inert elements of a page hold, by their id."""
    return {name: base64.b64decode(text, validate=True)
            for name, text in re.findall(r'<script type="[a-z/]+" id="([a-z0-9-]+)">([^<]*)</script>', page)}


def unpacked(data: bytes) -> Any:
    return json.loads(gzip.decompress(data))


def test_a_file_holds_its_data_and_its_pictures_to_the_letter(tmp_path: Path) -> None:
    gathered = gathered_of(str(tmp_path), "/a", "/b")
    written = write_report(gathered, str(tmp_path), tmp_path / "new" / "report.html", 50)
    held = inert(written.path.read_text("utf-8"))
    assert (written.size, written.pictures, written.left_out) == (written.path.stat().st_size, 2, 0)
    assert sorted(held) == ["assets-0", "findings-0", "index", "picture-0", "picture-1"]
    assert unpacked(held["findings-0"]) == gathered.findings
    assert unpacked(held["assets-0"]) == gathered.assets
    assert unpacked(held["index"]) == {**gathered.index, "per_chunk": 200, "pictures": 2, "held": 2}
    assert held["picture-1"] == (tmp_path / gathered.pictures[1].path).read_bytes()


def test_no_text_of_a_document_stands_in_the_page_and_only_its_own_script_may_run(tmp_path: Path) -> None:
    page = write_report(gathered_of(str(tmp_path), HOSTILE), str(tmp_path), tmp_path / "r.html", 50).path.read_text()
    assert "alert(1)" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    name = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{name}';" in policy
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_under_a_cap_the_pictures_of_the_surest_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = gathered_of(str(tmp_path), "/doubted", "/sure", "/surest")
    whole = write_report(gathered, str(tmp_path), tmp_path / "whole.html", 50).size
    one = len(base64.b64encode((tmp_path / gathered.pictures[2].path).read_bytes()))
    monkeypatch.setattr("jobs.report.build.MEGABYTE", whole - one)
    written = write_report(gathered, str(tmp_path), tmp_path / "report.html", 1)
    assert (written.pictures, written.left_out) == (2, 1)
    assert written.size <= whole - one
    held = inert(written.path.read_text("utf-8"))
    assert held["picture-0"] == (tmp_path / gathered.pictures[0].path).read_bytes()
    assert "picture-2" not in held
    assert unpacked(held["index"])["held"] == 2


def test_a_report_whose_pictures_just_fit_stays_under_its_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Gathered({"job": "made"}, [], [], [Picture("x.jpg", 3)] * 12_345)
    (tmp_path / "x.jpg").write_bytes(b"jpg")
    texts = sum(map(len, build._page(whole, 12_345, [])))
    cap = texts + sum(len(build._inert(f"picture-{place}", "image/jpeg", b"jpg")) for place in range(6_001))
    monkeypatch.setattr("jobs.report.build.MEGABYTE", cap)
    written = write_report(whole, str(tmp_path), tmp_path / "report.html", 1)
    assert written.pictures in (6_000, 6_001)
    assert written.size <= cap


def test_texts_that_alone_are_over_the_cap_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.report.build.MEGABYTE", 1000)
    with pytest.raises(JobError, match=r"its texts alone take .* MB: allow more than 1 MB by --max-mb"):
        write_report(gathered_of(str(tmp_path), "/a"), str(tmp_path), tmp_path / "report.html", 1)
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    gathered = gathered_of(str(tmp_path / "out"), "/a")
    for target in (tmp_path / "folder", tmp_path / "file" / "report.html"):
        with pytest.raises(JobError, match="cannot be written"):
            write_report(gathered, str(tmp_path / "out"), target, 50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "out"]
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_report_of_an_output_on_s3_holds_its_pictures_and_lies_here(tmp_path: Path, s3: S3Server) -> None:
    output = f"s3://{s3.fresh_bucket()}/audits/made"
    gathered = gathered_of(output, "/a")
    held = inert(write_report(gathered, output, tmp_path / "report.html", 50).path.read_text("utf-8"))
    assert held["picture-0"] == storage.read(f"{output}/{gathered.pictures[0].path}")
    assert default_path(job_of(output)) == Path("made-report.html")


def test_a_report_lies_in_a_local_output_unless_the_user_says(tmp_path: Path) -> None:
    assert default_path(job_of(str(tmp_path))) == tmp_path / "report.html"


def test_every_script_of_the_page_is_in_it() -> None:
    folder = Path(__file__).resolve().parents[3] / "jobs" / "report" / "page"
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    assert [path.name for path in folder.iterdir() if len(path.read_text("utf-8").splitlines()) > 400] == []
