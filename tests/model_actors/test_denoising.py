"""The sampler against transformers' own, with the same noise; pins; what a row is alone and in company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import model, page, prompt

from model_actors.denoising import Row, Sampler, noise_of, step
from model_actors.diffusion_gemma import Prefix, patches_of

SETTINGS = Sampler(steps=12)


def finished(row: Row) -> Row:
    while not row.finished:
        step(model(), [row])
    return row


def row(prefix: Prefix, seed: int, sampler: Sampler = SETTINGS, width: int = 48) -> Row:
    return Row(prefix, sampler, torch.Generator().manual_seed(seed), width, model().vocabulary)


@pytest.mark.parametrize("sampler", [SETTINGS, Sampler(steps=5, entropy_bound=2.0, t_min=0.2, t_max=1.5),
                                     Sampler(steps=9, stability=2, confidence=0.5),
                                     Sampler(steps=9, stability=0, confidence=0.9)])  # fmt: skip
def test_a_canvas_is_what_transformers_makes_of_the_same_noise(sampler: Sampler) -> None:
    for seed in range(4):
        ids, views = prompt(page(seed, lines=1))
        torch.manual_seed(seed)
        patches, places = patches_of(views[0].pixels[None])
        tokens = torch.tensor([ids])
        stock = model().model.generate(
            tokens, pixel_values=torch.from_numpy(patches), image_position_ids=torch.from_numpy(places),
            mm_token_type_ids=(tokens == model().special.image).long(), max_new_tokens=48, disable_compile=True,
            max_denoising_steps=sampler.steps, t_min=sampler.t_min, t_max=sampler.t_max,
            sampler_config=type(model().model._prepare_generation_config(None)[0].sampler_config)(
                sampler.entropy_bound), stability_threshold=sampler.stability, confidence_threshold=sampler.confidence)
        own = finished(row(model().prefix(ids, views), seed, sampler))
        written = own.committed()[0]
        ended = next((place + 1 for place, token in enumerate(written) if token in model().ends), len(written))
        assert stock.sequences[0, len(ids) :].tolist() == written[:ended] + [model().special.pad] * (48 - ended)
        valid = sum(token != model().special.pad for token in written[:ended])
        assert own.step == round(valid / float(stock.tokens_per_forward[0]))


def test_a_row_becomes_the_same_whatever_rows_are_beside_it() -> None:
    prefixes = [model().prefix(*prompt(page(number))) for number in range(3)]
    alone = [finished(row(prefixes[seed % 3], seed, width=(48, 20, 33)[seed % 3])) for seed in range(6)]
    together = [row(prefixes[seed % 3], seed, width=(48, 20, 33)[seed % 3]) for seed in range(6)]
    waiting, active = together[::-1], []
    while waiting or active:
        while waiting and len(active) < 4:
            active.append(waiting.pop())
        step(model(), active)
        active = [each for each in active if not each.finished]
    for one, other in zip(alone, together, strict=True):
        assert one.step == other.step
        assert one.committed()[0] == other.committed()[0]
        assert np.allclose(one.committed()[1], other.committed()[1], atol=1e-4)


def test_pinned_ids_stand_through_every_step() -> None:
    pinned = torch.full((48,), -1)
    pinned[3:9] = torch.arange(30, 36)
    held = Row(model().prefix(*prompt(page(0))), SETTINGS, torch.Generator().manual_seed(1), 48, model().vocabulary,
               pinned)
    assert held.canvas[3:9].tolist() == [30, 31, 32, 33, 34, 35]
    while not held.finished:
        step(model(), [held])
        assert held.canvas[3:9].tolist() == held.argmax[3:9].tolist() == [30, 31, 32, 33, 34, 35]


def test_log_probabilities_are_those_of_the_last_step_at_temperature_one() -> None:
    one = finished(row(model().prefix(*prompt(page(2))), 0))
    ids, sure, _ = one.committed()
    expected = torch.log_softmax(one.raw, dim=-1)[torch.arange(48), torch.tensor(ids)]
    assert sure == expected.tolist()


def test_noise_depends_on_the_seed_the_prompt_and_the_purpose() -> None:
    def drawn(seed: int, ids: list[int], purpose: str) -> list[int]:
        found: list[int] = torch.randint(
            0, 1000, (8,), generator=noise_of(seed, ids, purpose, torch.device("cpu"))).tolist()
        return found

    assert drawn(0, [1, 2], "form") == drawn(0, [1, 2], "form")
    others = [drawn(1, [1, 2], "form"), drawn(0, [1, 3], "form"), drawn(0, [1, 2], "read"), drawn(0, [12], "form")]
    assert all(other != drawn(0, [1, 2], "form") for other in others)


def test_steps_are_at_most_those_allowed() -> None:
    prefix = model().prefix(*prompt(page(5)))
    never = replace(SETTINGS, confidence=1e-12)
    assert [finished(row(prefix, 0, replace(never, steps=most))).step for most in (1, 3, 7)] == [1, 3, 7]
