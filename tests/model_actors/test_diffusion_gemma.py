"""A checkpoint step by step, against transformers itself: what is refused, patches, prefixes, rows side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CHECKPOINT, model, page, prompt
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

from model_actors.budgets import BUDGETS, image_size
from model_actors.diffusion_gemma import CheckpointError, look_up, patches_of
from model_actors.engine import View


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHECKPOINT, tmp_path / "copy"))


def edited(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_checkpoint_tells_its_canvas_and_context() -> None:
    found = look_up(CHECKPOINT)
    assert (found.canvas, found.context) == (48, 8192)
    assert found.weights == look_up(CHECKPOINT).weights


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="is a 'llama', and 'kind: transformers' runs DiffusionGemma alone: name"):
        look_up(str(tmp_path))


def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing. cannot be opened: there is no such folder"):
        look_up(str(tmp_path / "nothing"))


@pytest.mark.parametrize("name", ["preprocessor_config.json", "tokenizer.json"])
def test_a_checkpoint_without_its_processor_is_refused(copied: Path, name: str) -> None:
    for lost in {name, "processor_config.json"}:
        (copied / lost).unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match=r"lacks its processor or tokenizer .*: copy the whole checkpoint"):
        look_up(str(copied))


def test_another_patch_geometry_is_refused(copied: Path) -> None:
    (copied / "processor_config.json").unlink()
    edited(copied / "preprocessor_config.json", patch_size=8)
    with pytest.raises(CheckpointError, match="sees 24 px to a soft token, and images are drawn for 48: use a"):
        look_up(str(copied))


def test_a_checkpoint_without_a_chat_template_is_refused(copied: Path) -> None:
    (copied / "chat_template.jinja").unlink()
    with pytest.raises(CheckpointError, match="has no chat template with turns: use an instruction-tuned checkpoint"):
        look_up(str(copied))


def test_other_weights_have_another_name(copied: Path) -> None:
    weights = copied / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-100] ^= 1
    weights.write_bytes(changed)
    assert look_up(str(copied)).weights != look_up(CHECKPOINT).weights


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("shape", [(595, 842), (1920, 1080), (100, 100), (3000, 100)])
def test_an_image_of_a_budget_becomes_the_patches_that_the_real_processor_makes(
        budget: int, shape: tuple[int, int]) -> None:
    width, height = image_size(*shape, budget)
    image = np.random.default_rng(budget).integers(0, 256, (height, width, 3), np.uint8)
    real = Gemma4ImageProcessorPil.from_pretrained(CHECKPOINT)([image], max_soft_tokens=budget, return_tensors="np")
    patches, places = patches_of(image[None])
    count = patches.shape[1]
    assert count // 9 == real["num_soft_tokens_per_image"][0]
    assert (real["pixel_values"][0, :count] == patches[0]).all()
    assert (real["image_position_ids"][0, :count] == places[0]).all()
    assert (real["image_position_ids"][0, count:] == -1).all()


def logits(prefix: object) -> torch.Tensor:
    canvas = torch.arange(20, 20 + model().canvas)
    return model().logits([prefix], [canvas], [None])[0]  # type: ignore[list-item]


def test_a_prompt_encoded_in_pieces_is_the_same_and_the_pieces_stay_as_they_were() -> None:
    ids, views = prompt(page(1))
    whole = model().prefix(ids, views)
    start = model().prefix(ids[:-10], views)
    before = logits(start)
    joined = model().followed(start, ids[-10:])
    assert joined.length == whole.length == len(ids)
    assert torch.allclose(logits(joined), logits(whole), atol=1e-4)
    assert torch.equal(logits(start), before)


def test_rows_side_by_side_have_the_logits_that_each_has_alone() -> None:
    prefixes, canvases, conditions = [], [], []
    noise = torch.Generator().manual_seed(0)
    for number, width in enumerate((48, 12, 30, 48)):
        ids, views = prompt(page(number), "Is it paid?" * (number + 1))
        prefixes.append(model().prefix(ids, views))
        canvases.append(torch.randint(0, model().vocabulary, (width,), generator=noise))
        conditions.append(torch.randn((width, model().vocabulary), generator=noise) if number % 2 else None)
    together = model().logits(prefixes, canvases, conditions)
    for prefix, canvas, condition, found in zip(prefixes, canvases, conditions, together, strict=True):
        alone = model().logits([prefix], [canvas], [condition])[0]
        assert found.shape == (len(canvas), model().vocabulary)
        assert torch.allclose(found, alone, atol=1e-4)


def test_frames_of_several_sizes_are_encoded_each_as_alone() -> None:
    views = [View(page(number, size=size).pixels, time_s=float(number))
             for number, size in enumerate([(200, 150), (200, 150), (150, 200), (200, 150)])]
    together = model()._image_features(views)["image"].pooler_output
    alone = torch.cat([model()._image_features([view])["image"].pooler_output for view in views])
    assert torch.allclose(together, alone, atol=1e-5)


def test_images_are_attended_to_in_both_directions() -> None:
    """A change in the last rows of an image reaches the keys of its first soft token, which causal order forbids."""
    made = page(3)
    ids, views = prompt(made)
    changed = made.pixels.copy()
    changed[-48:] = 0
    first = ids.index(model().special.image)
    kept, other = (model().prefix(ids, [View(pixels, page=1)]).cache.layers[-1].keys[0, :, first]
                   for pixels in (views[0].pixels, changed))
    assert not torch.allclose(kept, other, atol=1e-5)
