"""The tiny checkpoint as tests use it: where it lies, loaded once, and its held-out pages."""

from __future__ import annotations

import functools
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_actors import prompts
from model_actors.diffusion_gemma import DiffusionGemma
from model_actors.engine import Pixels, Reply, Request, View
from schemas.checklist import Question

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the corpus lies beside the package

from infra.tiny_checkpoint import corpus  # noqa: E402

CHECKPOINT = str(ROOT / "infra" / "tiny_checkpoint" / "checkpoint")


@functools.cache
def model() -> DiffusionGemma:
    """The checkpoint in float32 on one core."""
    torch.set_num_threads(1)
    return DiffusionGemma(CHECKPOINT, None, "float32", "cpu")


def page(number: int, **held: Any) -> corpus.Page:
    """A page that the checkpoint was not trained on."""
    return corpus.page(corpus.HELD_OUT + 500_000 + number, **held)


def paper(number: int, **held: Any) -> corpus.Page:
    """One that has a kind, a total and the like."""
    return page(number, fields=True, **held)


def request(made: corpus.Page, *questions: Question, name: str = "r", transcribe: bool = False) -> Request:
    """A request about a page."""
    return Request(name, "page.pdf@1", (View(made.pixels, page=1),), questions, transcribe, "", corpus.BUDGET)


def prompt(made: corpus.Page, task: str = prompts.TRANSCRIBE) -> tuple[list[int], list[View]]:
    """The ids and views of a task about a page."""
    views = [View(made.pixels, page=1)]
    return prompts.prompt_ids(model().tokenizer, model().special, "", views, task), views


def as_form(asked: Request, reply: Reply) -> dict[str, Any]:
    """The JSON that the answers of a form were written as."""
    found: dict[str, Any] = {}
    for question, answer in zip(asked.questions, reply.answers, strict=True):
        if answer.value is None or question.answer.type in ("text", "date"):
            found[question.id] = answer.value
        elif question.answer.type == "money":
            found[question.id] = {"amount": json.loads(answer.value), "currency": answer.currency}
        else:
            found[question.id] = json.loads(answer.value)
    return found


SIGN_PIXELS = (1056, 576)
"""Width and height of a sign: a frame of budget 280."""


def sign(text: str, rng: random.Random) -> Pixels:
    """A frame of a video that says a word somewhere, of the kind and size that the checkpoint was trained on."""
    made = corpus.Page(text, np.zeros((0, 0, 3), np.uint8), (), {}, (), None, (192.0, 108.0), "helv", 11.0,
                       ((rng.uniform(8, 100), rng.uniform(20, 96)),), 0.1, 0.97)
    return corpus.draw(made, SIGN_PIXELS)
