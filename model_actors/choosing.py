"""Which engine a job's `engine` names, and what can be known of it without starting it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model_actors import prompts
from model_actors.engine import Engine, Limits
from model_actors.tasks import REPLIES_VERSION, check_questions
from schemas.job import Job, JobError, OpenAISpec, TransformersSpec, VllmSpec

PROMPTED = {"template": prompts.TEMPLATE, "replies": REPLIES_VERSION}
"""The edition of every engine that is asked by a prompt."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine before it is started.

    `identity` and `edition` go into the fingerprint: whatever changes what the engine would answer, by the job file
    and by the version of Canvass. `build` is called once in each actor. `shards_at_once` are worked on by one actor, so
    that the next ones render while one is asked; each actor has `gpus`, and there are `workers`, or as many as there is
    room for. `said` is what a plan says of it.
    """

    name: str
    limits: Limits
    identity: Mapping[str, Any]
    edition: Mapping[str, Any]
    build: Callable[[], Engine]
    shards_at_once: int = 2
    gpus: int = 0
    workers: int | None = None
    said: tuple[str, ...] = ()


def choose(job: Job) -> EngineChoice:
    """The engine that a job names. Raises JobError where it cannot be used, or cannot be asked the job's questions."""
    spec = job.engine
    if isinstance(spec, TransformersSpec):
        try:
            from model_actors import transformers_engine
        except ImportError as error:
            raise JobError(f"engine: 'kind: transformers' needs {error.name}: pip install 'canvass-audit[transformers]'"
                           ) from None
        _refuse_ocr(job)
        limits, identity = transformers_engine.choice(spec)
        check_questions(job.instructions, job.checklist)
        return EngineChoice(transformers_engine.NAME, limits, identity, PROMPTED,
                            functools.partial(_transformers, spec, limits),
                            gpus=int(transformers_engine.device_of(spec) == "cuda"), workers=spec.workers)
    if isinstance(spec, VllmSpec):
        return _choose_vllm(job, spec)
    if isinstance(spec, OpenAISpec):
        return _choose_openai(job, spec)
    from model_actors import embedded_engine

    return EngineChoice(embedded_engine.NAME, embedded_engine.LIMITS, {}, embedded_engine.IDENTITY,
                        embedded_engine.EmbeddedEngine, workers=spec.workers)


def _choose_vllm(job: Job, spec: VllmSpec) -> EngineChoice:
    try:
        from model_actors import vllm_engine
    except ImportError as error:
        raise JobError(f"engine: 'kind: vllm' needs {error.name}: pip install 'canvass-audit[vllm]'") from None
    _refuse_ocr(job)
    start, identity = vllm_engine.start_of(job, spec)
    check_questions(job.instructions, job.checklist, canvases=bool(start.canvas))
    gpus = spec.tensor_parallel if vllm_engine.runs_on_gpus() else 0
    return EngineChoice(vllm_engine.NAME, start.limits, identity, PROMPTED, functools.partial(_vllm, start),
                        shards_at_once=4, gpus=gpus, workers=spec.workers or (None if gpus else 1),
                        said=tuple(vllm_engine.said_of(start)))


def _choose_openai(job: Job, spec: OpenAISpec) -> EngineChoice:
    try:
        from model_actors import openai_engine
    except ImportError as error:
        raise JobError(f"engine: 'kind: openai' needs {error.name}: pip install 'canvass-audit[openai]'") from None
    _refuse_ocr(job)
    check_questions(job.instructions, job.checklist, canvases=False)
    limits, identity = openai_engine.choice(spec)
    build = functools.partial(openai_engine.OpenAIEngine, spec, limits)
    return EngineChoice(openai_engine.NAME, limits, identity, PROMPTED, build, shards_at_once=4, workers=spec.workers)


def _refuse_ocr(job: Job) -> None:
    if job.page_text == "ocr":
        raise JobError("page_text: 'ocr' is for the embedded engine: use 'layer' or 'none'")


def _vllm(start: Any) -> Engine:
    from model_actors.restarting import Restarting
    from model_actors.vllm_engine import VllmEngine

    return Restarting(functools.partial(VllmEngine, start))


def _transformers(spec: TransformersSpec, limits: Limits) -> Engine:
    from model_actors.transformers_engine import TransformersEngine

    return TransformersEngine(spec, limits)
