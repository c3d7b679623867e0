"""Engines under real vLLM as the tests use them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from tiny_model import CHECKPOINT

from model_actors.vllm_engine import VllmEngine, start_of
from schemas.job import Job, VllmSpec

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parents[1] / "infra" / "bench")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))  # for its processes
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

T = TypeVar("T")


def job_of(**settings: Any) -> Job:
    """A job on the tiny checkpoint under vLLM."""
    context = settings.pop("context", 4096)
    return Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True, "context": context,
                               "engine": {"kind": "vllm", "model": CHECKPOINT, **settings}})


def engine_of(**settings: Any) -> VllmEngine:
    """An engine of such a job, started."""
    job = job_of(**settings)
    assert isinstance(job.engine, VllmSpec)
    return VllmEngine(start_of(job, job.engine)[0])


class OneLoop:
    """Runs coroutines on one event loop: vLLM's client belongs to that on which it was first used."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, awaited: Awaitable[T]) -> T:
        async def await_it() -> T:
            return await awaited

        return self._runner.run(await_it())

    def close(self) -> None:
        self._runner.close()
