"""What the benchmarks of the diffusion engine share: the tiny checkpoint, its held-out pages, writing in batches."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the corpus lies beside the package

from infra.tiny_checkpoint import corpus  # noqa: E402
from model_actors import prompts  # noqa: E402
from model_actors.denoising import Row, Sampler, noise_of, step  # noqa: E402
from model_actors.diffusion_gemma import DiffusionGemma, Prefix  # noqa: E402
from model_actors.engine import View  # noqa: E402

CHECKPOINT = ROOT / "infra" / "tiny_checkpoint" / "checkpoint"


def load(checkpoint: str) -> DiffusionGemma:
    """A checkpoint in float32 on one core of this machine."""
    torch.set_num_threads(1)
    return DiffusionGemma(checkpoint, None, "float32", "cpu")


def papers(count: int, first: int = 0) -> list[corpus.Page]:
    """Held-out papers: pages that have a kind, a total and the like."""
    return [corpus.page(corpus.HELD_OUT + first + number, fields=True) for number in range(count)]


def pages(count: int, first: int = 0) -> list[corpus.Page]:
    """Held-out pages of every kind."""
    return [corpus.page(corpus.HELD_OUT + first + number) for number in range(count)]


def ids_of(model: DiffusionGemma, page: corpus.Page, task: str) -> list[int]:
    """The prompt of a task about a page."""
    return prompts.prompt_ids(model.tokenizer, model.special, "", [View(page.pixels, page=1)], task)


@dataclass
class Writing:
    """A text under way over several canvases, and what it has taken."""

    prefix: Prefix
    row: Row
    ids: list[int] = field(default_factory=list)
    canvases: int = 1
    steps: int = 0
    done: bool = False


def write_all(model: DiffusionGemma, prompts_of: Sequence[Sequence[int]], views: Sequence[View], sampler: Sampler,
              batch: int, canvases: int = 4) -> tuple[list[Writing], int]:
    """Write the answers of many prompts, `batch` canvases at a time, as the engine does: rows leave and join.

    Returns them, and how many rows all forward passes had together.
    """
    waiting = list(zip(prompts_of, views, strict=True))[::-1]
    active: list[Writing] = []
    order: list[Writing] = []
    rows = 0
    while waiting or active:
        while waiting and len(active) < batch:
            ids, view = waiting.pop()
            prefix = model.prefix(ids, [view])
            noise = noise_of(sampler.seed, ids, "bench", model.device)
            order.append(Writing(prefix, Row(prefix, sampler, noise, model.canvas, model.vocabulary)))
            active.append(order[-1])
        step(model, [each.row for each in active])
        rows += len(active)
        for each in [each for each in active if each.row.finished]:
            _commit(model, each, canvases)
        active = [each for each in active if not each.done]
    return order, rows


def _commit(model: DiffusionGemma, each: Writing, canvases: int) -> None:
    settled, _, _ = each.row.committed()
    each.steps += each.row.step
    end = next((place for place, token in enumerate(settled) if token in model.ends), None)
    each.ids += settled if end is None else settled[:end]
    each.done = end is not None or each.canvases == canvases
    if not each.done:
        each.canvases += 1
        each.prefix = model.followed(each.prefix, settled)
        each.row = replace(each.row, prefix=each.prefix, step=0, finished=False, condition=None, history=[])


def text_of(model: DiffusionGemma, each: Writing) -> str:
    """What was written."""
    return str(model.tokenizer.decode(each.ids, skip_special_tokens=True))


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
