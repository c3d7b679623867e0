"""Our worker computes what transformers computes: one step to 0.001, and a whole generation token for token."""

from __future__ import annotations

import asyncio
from typing import Any

import engines_made
import parity
import pytest
import torch
from tiny_model import CHECKPOINT, model, page, prompt

from model_actors import prompts
from model_actors.denoising import Row, Sampler, step

STEPS = 8


@pytest.mark.parametrize("changes", [{}, {"scalars": True, "window": 96}, {"window": 300}], ids=[
    "the checkpoint as it is", "two scalars a layer, a window shorter than an image", "one shorter than a prompt"])
def test_labels_are_as_probable_as_under_transformers(changes: dict[str, Any]) -> None:
    with parity.checkpoint(**changes) as folder:
        found = parity.differences(folder, "canvass", parity.CASES)
    assert max(found) <= parity.TARGET


@pytest.mark.parametrize("images", ["sliding", "causal"])
def test_images_see_themselves_in_the_layers_that_are_said(images: str) -> None:
    with parity.checkpoint(window=96) as folder:
        found = parity.differences(folder, "canvass", [parity.Case(1, 280), parity.Case(3, 70)], images)
    assert max(found) <= parity.TARGET


def test_images_prefilled_causally_are_told_from_the_reference() -> None:
    """What the tests above would see if the stock worker ran in them."""
    assert max(parity.differences(CHECKPOINT, "stock", [parity.Case(1, 280)])) > 100 * parity.TARGET


def test_two_canvases_of_eight_steps_are_the_same_tokens_where_every_step_has_the_same_noise() -> None:
    ids, views = prompt(page(3))
    ours = asyncio.run(_under_vllm(ids, views))
    assert ours == _by_hand(ids, views)
    assert len(ours) == 2 * model().canvas


def _by_hand(ids: list[int], views: list[Any]) -> list[int]:
    noise = torch.Generator().manual_seed(5)
    prefix, found = model().prefix(ids, views), []
    sampler = Sampler(**{**model().sampler_defaults(), "steps": STEPS})
    for _ in range(2):
        row = Row(prefix, sampler, noise, model().canvas, model().vocabulary)
        while not row.finished:
            step(model(), [row])
        settled, _, _ = row.committed()
        found += settled
        prefix = model().followed(prefix, settled)
    return found


async def _under_vllm(ids: list[int], views: list[Any]) -> list[int]:
    from PIL import Image
    from vllm import SamplingParams

    made = engines_made.engine_of(options={"worker_cls": "noise_worker.NoiseWorker"})
    first = torch.randint(0, model().vocabulary, (1, model().canvas), generator=torch.Generator().manual_seed(5))
    params = SamplingParams(max_tokens=2 * model().canvas, ignore_eos=True, detokenize=False, extra_args={
        "noise": 5, "diffusion_seed_canvas": first[0].tolist(), "canvass_steps": STEPS})
    asked = {"prompt_token_ids": prompts.condensed(ids, model().special),
             "mm_processor_kwargs": {"max_soft_tokens": 70},
             "multi_modal_data": {"image": [Image.fromarray(view.pixels) for view in views]}}
    async for output in made._llm.generate(asked, params, "one"):
        found = output
    await made.close()
    return list(found.outputs[0].token_ids)
