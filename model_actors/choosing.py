"""Which engine a job's `engine` names, and what can be known of it without starting it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model_actors.engine import Engine, Limits
from schemas.job import Job, JobError, TransformersSpec


@dataclass(frozen=True)
class EngineChoice:
    """An engine before it is started.

    `identity` goes into the fingerprint: whatever changes what the engine would answer. `build` is called once in
    each actor. `shards_at_once` are worked on by one actor, so that the next ones render while one is asked;
    each actor has `gpus`.
    """

    name: str
    limits: Limits
    identity: Mapping[str, Any]
    build: Callable[[], Engine]
    shards_at_once: int = 2
    gpus: int = 0


def choose(job: Job) -> EngineChoice:
    """The engine that a job names. Raises JobError where it cannot be used, or cannot be asked the job's questions."""
    spec = job.engine
    if isinstance(spec, TransformersSpec):
        try:
            from model_actors import transformers_engine
        except ImportError as error:
            raise JobError(f"engine: 'kind: transformers' needs {error.name}: pip install 'canvass-audit[transformers]'"
                           ) from None
        if job.page_text == "ocr":
            raise JobError("page_text: 'ocr' is for the embedded engine: use 'layer' or 'none'")
        limits, identity = transformers_engine.choice(spec)
        transformers_engine.check_questions(job.instructions, job.checklist)
        return EngineChoice(transformers_engine.NAME, limits, identity, functools.partial(_transformers, spec, limits),
                            gpus=int(transformers_engine.device_of(spec) == "cuda"))
    from model_actors import embedded_engine

    return EngineChoice(embedded_engine.NAME, embedded_engine.LIMITS, embedded_engine.IDENTITY,
                        embedded_engine.EmbeddedEngine)


def _transformers(spec: TransformersSpec, limits: Limits) -> Engine:
    from model_actors.transformers_engine import TransformersEngine

    return TransformersEngine(spec, limits)
