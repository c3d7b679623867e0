"""What the benchmarks of the diffusion engine share: the tiny checkpoint, its held-out pages, writing in batches."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the corpus lies beside the package

from infra.tiny_checkpoint import corpus  # noqa: E402
from model_actors import prompts  # noqa: E402
from model_actors.choosing import choose  # noqa: E402
from model_actors.diffusion_gemma import DiffusionGemma  # noqa: E402
from model_actors.engine import Reply, Request, View  # noqa: E402
from model_actors.transformers_engine import TransformersEngine  # noqa: E402
from schemas.job import Job  # noqa: E402

CHECKPOINT = ROOT / "infra" / "tiny_checkpoint" / "checkpoint"


def load(checkpoint: str) -> DiffusionGemma:
    """A checkpoint in float32 on one core of this machine."""
    torch.set_num_threads(1)
    return DiffusionGemma(checkpoint, None, "float32", "cpu")


def papers(count: int) -> list[corpus.Page]:
    """Held-out papers: pages that have a kind, a total and the like."""
    return [corpus.page(corpus.HELD_OUT + number, fields=True) for number in range(count)]


def pages(count: int) -> list[corpus.Page]:
    """Held-out pages of every kind."""
    return [corpus.page(corpus.HELD_OUT + number) for number in range(count)]


def ids_of(model: DiffusionGemma, page: corpus.Page, task: str) -> list[int]:
    """The prompt of a task about a page."""
    return prompts.prompt_ids(model.tokenizer, model.special, "", [View(page.pixels, page=1)], task)


def engine(checkpoint: str, **settings: Any) -> TransformersEngine:
    """The engine of a job, on one core."""
    job = Job.model_validate({"name": "bench", "inputs": ["/in"], "output": "/out", "transcribe": True, "engine": {
        "kind": "transformers", "model": checkpoint, "device": "cpu", **settings}})
    made = choose(job).build()
    assert isinstance(made, TransformersEngine)
    return made


def transcribed(asked: TransformersEngine, pages: Sequence[corpus.Page]) -> list[Reply]:
    """Transcripts of pages, all asked at once."""
    async def all_of_them() -> list[Reply]:
        return await asyncio.gather(*(asked.ask(Request(
            str(number), "a", (View(page.pixels, page=1),), (), True, "", corpus.BUDGET))
            for number, page in enumerate(pages)))

    return asyncio.run(all_of_them())


def character_accuracy(written: Sequence[str], true: Sequence[str]) -> float:
    """One minus the edit distance over the true length, over all texts together."""
    from rapidfuzz.distance import Levenshtein

    wrong = sum(Levenshtein.distance(*pair) for pair in zip(written, true, strict=True))
    return 1 - wrong / sum(map(len, true))


class Stopwatch:
    """CPU seconds of this process by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, name: str, work: Any) -> Any:
        """What `work()` returns."""
        started = time.process_time()
        result = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - started
        return result
