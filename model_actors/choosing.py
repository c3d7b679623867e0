"""Which engine a job's `engine` names, and what can be known of it without starting it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model_actors.engine import Engine, Limits
from schemas.job import EngineSpec


@dataclass(frozen=True)
class EngineChoice:
    """An engine before it is started.

    `identity` goes into the fingerprint: whatever changes what the engine would answer. `build` is called once in
    each actor. `shards_at_once` are worked on by one actor, so that the next ones render while one is asked.
    """

    name: str
    limits: Limits
    identity: Mapping[str, Any]
    build: Callable[[], Engine]
    shards_at_once: int = 2


def choose(spec: EngineSpec) -> EngineChoice:
    """The engine that a job names."""
    assert spec.kind == "embedded"  # the only kind that the job file knows so far
    from model_actors import embedded_engine

    return EngineChoice(embedded_engine.NAME, embedded_engine.LIMITS, embedded_engine.IDENTITY,
                        embedded_engine.EmbeddedEngine)
