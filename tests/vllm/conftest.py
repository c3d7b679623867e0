"""What the tests on real vLLM share. They run in an environment of their own: `make test-vllm`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from engines_made import OneLoop, engine_of

from model_actors.vllm_engine import VllmEngine


@pytest.fixture(scope="session")
def loop() -> Iterator[OneLoop]:
    made = OneLoop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def engine(loop: OneLoop) -> Iterator[VllmEngine]:
    """The tiny checkpoint with our worker."""
    made = engine_of()
    yield made
    loop(made.close())
