"""Row-steps computed over row-steps needed when many texts are denoised at batch 16, beside transformers' own batches.

A row of a batch needs as many denoising steps as it takes alone. transformers computes every row until the slowest of
its batch is finished; here a finished row leaves at once and the next one joins.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tiny
import torch

from model_actors import prompts
from model_actors.diffusion_gemma import DiffusionGemma, Prefix, patches_of

TARGET = 1.15
BATCH = 16


def main() -> None:
    """Write the transcripts of held-out pages both ways, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(tiny.CHECKPOINT))
    parser.add_argument("--quick", action="store_true", help="32 pages")
    options = parser.parse_args()
    pages = tiny.pages(2 * BATCH if options.quick else 8 * BATCH)
    engine = tiny.engine(options.checkpoint, batch=BATCH)
    model = engine._model
    ids = [tiny.ids_of(model, page, prompts.TRANSCRIBE) for page in pages]
    computed = 0
    forward = model.logits

    def counted(prefixes: Sequence[Prefix], *others: Any) -> Any:
        nonlocal computed
        computed += len(prefixes)
        return forward(prefixes, *others)

    model.logits = counted  # type: ignore[method-assign]
    watch = tiny.Stopwatch()
    replies = watch.time("ours", lambda: tiny.transcribed(engine, pages))
    model.logits = forward  # type: ignore[method-assign]
    needed = sum(reply.usage.steps or 0 for reply in replies)
    stock = [watch.time("stock", lambda at=at: _stock(model, ids[at : at + BATCH], pages[at : at + BATCH]))
             for at in range(0, len(pages), BATCH)]
    figures = {"ratio": round(computed / needed, 3), "target": TARGET, "batch": BATCH, "texts": len(pages),
               "steps_a_text": round(needed / len(pages), 2),
               "stock_ratio": round(sum(one for one, _ in stock) / sum(other for _, other in stock), 3),
               "cpu_s_a_text": round(watch.seconds["ours"] / len(pages), 4),
               "stock_cpu_s_a_text": round(watch.seconds["stock"] / len(pages), 4)}
    print(f"row-steps computed / needed: {figures['ratio']} (target: at most {TARGET}), "
          f"transformers' own batches {figures['stock_ratio']}")
    print(json.dumps(figures, sort_keys=True))


def _stock(model: DiffusionGemma, ids: list[list[int]], pages: list[Any]) -> tuple[int, int]:
    """Row-steps computed and needed by `generate` on one batch, counted in its own denoising step."""
    longest = max(map(len, ids))
    padded = torch.tensor([[model.special.pad] * (longest - len(each)) + each for each in ids])
    seen = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in ids])
    most = max(page.pixels.shape[0] * page.pixels.shape[1] // 256 for page in pages)
    patches = np.zeros((len(pages), most, 768), np.float32)
    places = np.full((len(pages), most, 2), -1)
    for row, page in enumerate(pages):
        values, where = patches_of(page.pixels[None])
        patches[row, : values.shape[1]], places[row, : values.shape[1]] = values[0], where[0]
    computed = 0
    own = model.model._denoising_step

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal computed
        computed += len(ids)
        return own(*args, **named)

    model.model._denoising_step = counted
    try:
        torch.manual_seed(0)
        found = model.model.generate(
            padded, attention_mask=seen, pixel_values=torch.from_numpy(patches),
            image_position_ids=torch.from_numpy(places), mm_token_type_ids=(padded == model.special.image).long(),
            max_new_tokens=4 * model.canvas, disable_compile=True)
    finally:
        model.model._denoising_step = own
    tokens = (found.sequences[:, longest:] != model.special.pad).sum(dim=1)
    return computed, round(float((tokens / found.tokens_per_forward).sum()))


if __name__ == "__main__":
    main()
