"""Help in training that the checkpoint does not keep: what stands in each soft token of an image, and where in the
text it begins. Told of that, a tiny encoder learns to read and to count in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from infra.tiny_checkpoint.corpus import Page, font_of
from model_actors.budgets import TOKEN_SIDE

MOST = 4
"""Characters told of one soft token."""

LAST_INDEX = 159
IGNORED = -100


def cells(page: Page, vocabulary: dict[str, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """For each soft token of a page: the index in its text of the first character whose middle stands there, and the
    ids of the characters there (the pad where there are fewer). Tokens beside all text have no index."""
    rows, columns = (side // TOKEN_SIDE for side in page.pixels.shape[:2])
    across, down = (side / length for side, length in zip(page.pixels.shape[1::-1], page.size, strict=True))
    starts = torch.full((rows, columns), IGNORED)
    contents = torch.zeros((rows, columns, MOST), dtype=torch.long)
    counts: dict[tuple[int, int], int] = {}
    index = 0
    for line, (left, baseline) in zip(page.text.split("\n"), page.places, strict=True):
        row = min(rows - 1, max(0, int((baseline - 0.33 * page.font_size) * down / TOKEN_SIDE)))
        for place, character in enumerate(line):
            before, after = (font_of(page.font).text_length(line[:end], fontsize=page.font_size)
                             for end in (place, place + 1))
            cell = row, min(columns - 1, int((left + (before + after) / 2) * across / TOKEN_SIDE))
            count = counts.get(cell, 0)
            if count == 0 and index <= LAST_INDEX:
                starts[cell] = index
            if count < MOST:
                contents[(*cell, count)] = vocabulary[character]
            counts[cell] = count + 1
            index += 1
        index += 1
    return starts.flatten(), contents.flatten(0, 1)


class Aid(nn.Module):
    """Two linear heads over the encoder's states at image tokens, fed by hooks on two of its layers."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        width, self.vocabulary = model.config.text_config.hidden_size, model.config.text_config.vocab_size
        self.index = nn.Linear(width, LAST_INDEX + 1)
        self.content = nn.Linear(width, MOST * self.vocabulary)
        self.states: dict[int, torch.Tensor] = {}
        for layer in (1, 2):
            model.model.encoder.language_model.layers[layer].register_forward_hook(self._keeper(layer))

    def _keeper(self, layer: int) -> Any:
        def keep(_module: Any, _given: Any, out: Any) -> None:
            self.states[layer] = out[0] if isinstance(out, tuple) else out
        return keep

    def loss(self, shown: torch.Tensor, told: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """The loss over the first rows of the batch, one for each page; `shown` marks image tokens."""
        starts = torch.stack([one[0] for one in told]).flatten()
        contents = torch.stack([one[1] for one in told]).flatten(0, 1)
        states = {layer: functional.rms_norm(state[: len(told)][shown[: len(told)]], state.shape[-1:])
                  for layer, state in self.states.items()}
        read = self.content(states[1]).view(-1, MOST, self.vocabulary).transpose(1, 2)
        weight = torch.where(contents == 0, 0.2, 1.0)
        content = (functional.cross_entropy(read, contents, reduction="none") * weight).sum() / weight.sum()
        return content + functional.cross_entropy(self.index(states[2]), starts, ignore_index=IGNORED)
