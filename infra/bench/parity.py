"""How far label log-probabilities under vLLM are from transformers': our worker, and the stock one beside it.

The same prompt ids, the same seed canvas, one denoising step, float32, on real vLLM on the CPU (`make test-vllm` sets
its environment up; run this with .venv-vllm/bin/python). Prompts have 0, 1 and 3 images at several budgets; the
variants are a checkpoint whose encoder and decoder scale their layers differently, and sliding windows shorter than a
prompt and than a single image.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
import torch

from infra.tiny_checkpoint import corpus
from model_actors import prompts
from model_actors.budgets import image_size
from model_actors.diffusion_gemma import DiffusionGemma
from model_actors.engine import View

TARGET = 0.001
BUDGETS = (70, 140, 280, 560, 1120)
TASK = "1. Is it paid? A = yes, B = no"
WORKERS = {"canvass": "model_actors.vllm_worker.Worker", "stock": "auto"}
VARIANTS = {"as released": {}, "two scalars": {"scalars": True}, "window 96": {"window": 96},
            "window 300": {"window": 300}}


@dataclass(frozen=True)
class Case:
    """A prompt: how many images it holds, and at which budget."""

    images: int
    budget: int


CASES = (Case(0, 70), *(Case(1, budget) for budget in BUDGETS), Case(3, 70), Case(3, 280))


def main() -> None:
    """Compare both workers over all variants, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the checkpoint as it is, two prompts")
    options = parser.parse_args()
    cases = CASES[1:3] if options.quick else CASES
    figures: dict[str, Any] = {"target": TARGET}
    for variant, changes in list(VARIANTS.items())[: 1 if options.quick else None]:
        with checkpoint(**changes) as folder:
            for worker in WORKERS:
                found = differences(folder, worker, cases)
                figures[f"{variant}, {worker}"] = round(max(found), 6)
                print(f"{variant}, {worker} worker: " + ", ".join(
                    f"{case.images} x {case.budget}: {difference:.2g}" for case, difference in zip(
                        cases, found, strict=True)), flush=True)
    print(json.dumps(figures))


@contextmanager
def checkpoint(scalars: bool = False, window: int | None = None, longest: int | None = None) -> Iterator[str]:
    """The tiny checkpoint, or a copy of it that was changed in these respects."""
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory(prefix="canvass-parity-") as temporary:
        folder = Path(temporary) / "checkpoint"
        shutil.copytree(tiny.CHECKPOINT, folder)
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["sliding_window"] = window or config["text_config"]["sliding_window"]
        config["text_config"]["max_position_embeddings"] = longest or config["text_config"]["max_position_embeddings"]
        (folder / "config.json").write_text(json.dumps(config))
        if scalars:
            weights = load_file(folder / "model.safetensors")
            generator = torch.Generator().manual_seed(1)
            for layer in range(config["text_config"]["num_hidden_layers"]):
                for part in ("encoder.language_model", "decoder"):
                    weights[f"model.{part}.layers.{layer}.layer_scalar"] = (
                        0.8 + 0.4 * torch.rand(1, generator=generator)).to(torch.bfloat16)
            save_file(weights, folder / "model.safetensors", {"format": "pt"})
        yield str(folder)


def differences(folder: str, worker: str, cases: Sequence[Case], images: str = "reference") -> list[float]:
    """The largest difference of log-probabilities of 20 labels at any place of a canvas, for each case.

    `images` is the worker's setting; the reference then lets images see themselves where that says.
    """
    reference = DiffusionGemma(folder, None, "float32", "cpu")
    _see_images(reference, images)
    prompted = [_prompt(reference, case) for case in cases]
    generator = torch.Generator().manual_seed(1)
    seeds = [torch.randint(0, reference.vocabulary, (reference.canvas,), generator=generator) for _ in cases]
    labels = list(range(20, 40))
    asked = [(ids, views, case.budget, seed)
             for (ids, views), case, seed in zip(prompted, cases, seeds, strict=True)]
    found = under_vllm(folder, worker, reference, asked, labels, images)
    largest = []
    for (ids, views), seed, ours in zip(prompted, seeds, found, strict=True):
        with torch.inference_mode():
            raw = reference.logits([reference.prefix(ids, views)], [seed], [None])[0]
        largest.append(float((torch.log_softmax(raw, dim=-1)[:, labels] - ours).abs().max()))
    return largest


def _see_images(reference: DiffusionGemma, images: str) -> None:
    """Let the reference prefill images causally in all layers, or in all but the sliding ones."""
    encoder = reference.model.model.encoder
    masks = encoder.create_masks_for_generate

    def changed(**options: Any) -> dict[str, Any]:
        types = options["mm_token_type_ids"]
        causal = masks(**{**options, "mm_token_type_ids": None if types is None else torch.zeros_like(types)})
        kept = {"sliding_attention": masks(**options)["sliding_attention"]} if images == "sliding" else {}
        return {**causal, **kept}

    if images != "reference":
        encoder.create_masks_for_generate = changed


def _prompt(reference: DiffusionGemma, case: Case) -> tuple[list[int], list[View]]:
    import numpy as np
    from PIL import Image

    size = image_size(210, 297, case.budget)
    pages = [corpus.page(corpus.HELD_OUT + number).pixels for number in range(case.images)]
    views = [View(np.asarray(Image.fromarray(page).resize(size)), page=number) for number, page in enumerate(pages, 1)]
    return prompts.prompt_ids(reference.tokenizer, reference.special, "", views, TASK), views


Asked = tuple[list[int], list[View], int, torch.Tensor]


def under_vllm(folder: str, worker: str, reference: DiffusionGemma, asked: Sequence[Asked], labels: list[int],
               images: str) -> list[torch.Tensor]:
    """Log-probabilities [width, labels] of each prompt's seed canvas after one step under vLLM."""
    from PIL import Image
    from vllm import LLM, SamplingParams

    model = LLM(folder, dtype="float32", enforce_eager=True, max_model_len=8192, max_num_seqs=16,
                limit_mm_per_prompt={"image": 4, "video": 0}, mm_processor_kwargs={"max_soft_tokens": 1120},
                mm_processor_cache_gb=0, disable_chunked_mm_input=True, worker_cls=WORKERS[worker],
                hf_overrides={"vision_config": {"dtype": "float32"}}, disable_log_stats=True,
                diffusion_config={"canvas_length": reference.canvas},
                additional_config={"canvass": {"images": images, "budgets": []}})
    found = []
    for ids, views, budget, seed in asked:
        prompt: Any = {"prompt_token_ids": prompts.condensed(ids, reference.special),
                       "mm_processor_kwargs": {"max_soft_tokens": budget}}
        if views:
            prompt["multi_modal_data"] = {"image": [Image.fromarray(view.pixels) for view in views]}
        [output] = model.generate([prompt], SamplingParams(
            max_tokens=reference.canvas, logprob_token_ids=labels, detokenize=False, extra_args={
                "diffusion_seed_canvas": seed.tolist(), "diffusion_max_steps": 1, "diffusion_read_only": True}),
            use_tqdm=False)
        assert list(output.prompt_token_ids) == ids
        found.append(torch.tensor([[row[label].logprob for label in labels] for row in output.outputs[0].logprobs]))
    model.llm_engine.engine_core.shutdown()
    return found


if __name__ == "__main__":
    sys.exit(main())
