"""An engine that dies is started again and nothing is lost but what kills it; one that cannot start says why, once."""

from __future__ import annotations

import asyncio
import functools
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pymupdf
import pytest
from engines_made import engine_of
from tiny_model import CHECKPOINT, corpus, paper, request

from model_actors.engine import Reply, Request, RequestError
from model_actors.restarting import Restarting
from pipeline.tables import dataset

Outcomes = list[Reply | BaseException]


def asked(count: int) -> list[Request]:
    return [request(paper(number), corpus.PAID, corpus.NAME, name=str(number), transcribe=True)
            for number in range(count)]


async def outcomes(engine: Restarting, requests: Sequence[Request], *, kill_after: float | None = None) -> Outcomes:
    under_way = asyncio.gather(*(engine.ask(each) for each in requests), return_exceptions=True)
    if kill_after is not None:
        await asyncio.sleep(kill_after)
        cores = [child for child in psutil.Process().children(recursive=True) if "EngineCore" in child.name()
                 or "EngineCore" in " ".join(child.cmdline())]
        max(cores, key=psutil.Process.create_time).kill()  # other tests' engines may be up
    found = await under_way
    await engine.close()
    return found


def test_requests_under_way_when_the_engine_is_killed_are_answered_once_each() -> None:
    engine = Restarting(engine_of)
    found = asyncio.run(outcomes(engine, asked(12), kill_after=1.0))
    assert [type(each) for each in found] == [Reply] * 12
    for reply in found:
        assert isinstance(reply, Reply)
        assert [answer.question for answer in reply.answers] == ["paid", "name"]
        assert len(reply.transcripts) == 1


def test_the_request_that_kills_the_engine_fails_alone() -> None:
    engine = Restarting(functools.partial(engine_of, options={"worker_cls": "poison_worker.PoisonedWorker"}))
    requests = asked(6)
    requests[3] = replace(requests[3], instructions="~")
    found = asyncio.run(outcomes(engine, requests))
    assert [isinstance(each, Reply) for each in found] == [True, True, True, False, True, True]
    assert isinstance(found[3], RequestError)
    assert "the engine died of it each time" in str(found[3])


def run_job(folder: Path, engine: dict[str, Any], poisoned: int | None = None) -> subprocess.CompletedProcess[str]:
    """A job over three papers; one of them may hold the token that kills a PoisonedWorker, in its text layer."""
    import yaml

    (folder / "in").mkdir()
    for number in range(3):
        path = folder / "in" / f"{number}.pdf"
        corpus.save_pdf(paper(number), path)
        if number == poisoned:
            with pymupdf.open(path) as document:
                document[0].insert_text((20, 20), "~", fontsize=8)
                document.saveIncr()
    job = {"name": "t", "inputs": ["in/"], "output": "out", "transcribe": True, "context": 4096,
           "engine": {"kind": "vllm", "model": CHECKPOINT, **engine}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    return subprocess.run([Path(sys.executable).with_name("canvass"), "run", folder / "job.yaml"], capture_output=True,
                          text=True)


def test_a_job_loses_the_page_that_kills_its_engine_and_nothing_else(tmp_path: Path) -> None:
    done = run_job(tmp_path, {"options": {"worker_cls": "poison_worker.PoisonedWorker"}}, poisoned=1)
    assert done.returncode == 1, done.stdout + done.stderr
    tables = {name: dataset(str(tmp_path / "out"), name).to_table().to_pylist()
              for name in ("assets", "transcripts", "failures")}
    assert {Path(row["asset"]).stem: row["status"] for row in tables["assets"]} == {
        "0": "ok", "1": "partial", "2": "ok"}
    assert sorted(Path(row["asset"]).stem for row in tables["transcripts"]) == ["0", "2"]
    [failure] = tables["failures"]
    assert (Path(failure["asset"]).stem, failure["page"], failure["phase"]) == ("1", 1, "ask")
    assert "the engine died of it each time" in failure["message"]


@pytest.mark.parametrize(("engine", "reason"), [
    ({"options": {"max_num_batched_tokens": 8}}, "max_num_batched_tokens"),
    ({"options": {"no_such_option": 1}}, "no_such_option")])
def test_an_engine_that_cannot_start_ends_the_job_with_the_reason(tmp_path: Path, engine: dict[str, Any], reason: str) \
        -> None:
    done = run_job(tmp_path, engine)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("vLLM cannot start") == 1
    assert reason in done.stderr


def test_a_machine_without_the_memory_ends_the_job_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) \
        -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "100000")
    done = run_job(tmp_path, {})
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("vLLM cannot start") == 1
    assert "less than requested memory" in done.stderr


def test_missing_weights_end_the_job_with_the_reason(tmp_path: Path) -> None:
    shutil.copytree(CHECKPOINT, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    done = run_job(tmp_path, {"model": "model"})
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("vLLM cannot start") == 1
    assert "Cannot find any model weights" in done.stderr
