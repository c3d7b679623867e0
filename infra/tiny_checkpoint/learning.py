"""The loss of block diffusion for a batch, and the optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import functional
from transformers import DynamicCache

from infra.tiny_checkpoint.examples import Batch

ENCODER_SHARE = 0.5
PAD_WEIGHT = 0.1
NOISE_SHARE = 0.4
"""Share of canvases that are nothing but noise: from them the model learns where each character stands."""


def corrupted(batch: Batch, rate: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Canvases with ids at random places replaced by random ones, a rate for each row.

    Most reads hold every id but those at their slots, which are random: that is how they are asked.
    """
    random_ids = torch.randint(vocabulary, batch.clean.shape)
    hit = torch.rand(batch.clean.shape) < rate[:, None]
    held = batch.pinned & (torch.rand(len(rate)) < 0.7)
    hit = torch.where(held[:, None], batch.open, hit)
    return torch.where(hit, random_ids, batch.clean)


def encode(model: Any, ids: torch.Tensor, pixels: torch.Tensor, places: torch.Tensor, images: torch.Tensor
           ) -> tuple[Any, torch.Tensor]:
    """The cache and last hidden states of sequences, with images that attend to themselves both ways.

    `images` names the image of each run of image tokens, in the order of the sequences.
    """
    encoder = model.model.encoder
    features = encoder.get_image_features(pixels, places, return_dict=True).pooler_output
    features = features.view(len(pixels), -1, features.shape[-1])[images].flatten(0, 1)
    shown = ids == model.config.image_token_id
    embeds = encoder.get_input_embeddings()(ids)
    embeds = embeds.masked_scatter(shown[..., None], features.to(embeds.dtype))
    cache = DynamicCache()
    positions = torch.arange(ids.shape[1])[None]
    masks = encoder.create_masks_for_generate(
        config=model.config.text_config, inputs_embeds=embeds, attention_mask=None, past_key_values=cache,
        position_ids=positions, mm_token_type_ids=shown.long())
    out = encoder(inputs_embeds=embeds, attention_mask=masks, past_key_values=cache, position_ids=positions)
    return cache, out.last_hidden_state


def loss_of(model: Any, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of a batch: the canvas denoised without and then with self-conditioning, and the next token."""
    vocabulary = model.config.text_config.vocab_size
    cache, hidden = encode(model, batch.ids, batch.pixels, batch.positions, batch.images)
    length, width = batch.ids.shape[1], batch.clean.shape[1]
    before = torch.arange(length)[None] < batch.starts[:, None]
    inside = torch.arange(width)[None] < batch.widths[:, None]
    mask = torch.cat([before, inside], dim=1)[:, None, None].expand(-1, 1, width, -1)
    places = batch.starts[:, None] + torch.arange(width)[None]
    rate = torch.where(torch.rand(len(batch.ids)) < NOISE_SHARE, 1.0, torch.rand(len(batch.ids)) ** 0.5)
    weight = inside * torch.where(batch.clean == 0, PAD_WEIGHT, 1.0)
    weight = torch.where(batch.pinned[:, None], batch.open * 1.0, weight)
    weight = torch.where(batch.pinned[:, None], weight * 4, weight)
    logits, losses = None, []
    for share in (torch.ones(()), torch.where(torch.rand(len(rate)) < 0.5, 1.0, torch.rand(len(rate)))):
        logits = model(
            past_key_values=cache, decoder_input_ids=corrupted(batch, rate * share, vocabulary),
            decoder_position_ids=places, decoder_attention_mask={"full_attention": mask, "sliding_attention": mask},
            self_conditioning_logits=None if logits is None else logits.detach()).logits
        each = functional.cross_entropy(logits.transpose(1, 2), batch.clean, reduction="none")
        losses.append((each * weight).sum() / weight.sum())
    told = encoder_loss(model, batch, hidden)
    loss = (losses[0] + losses[1]) / 2 + ENCODER_SHARE * told
    return loss, {"first": losses[0].item(), "second": losses[1].item(), "encoder": told.item()}


def encoder_loss(model: Any, batch: Batch, hidden: torch.Tensor) -> torch.Tensor:
    """The encoder's next-token loss over the answers, of a read over its letters alone."""
    index = torch.arange(batch.ids.shape[1] - 1)[None]
    ends = (batch.ids != 0).flip(1).int().argmax(1)
    answer = (index >= batch.lengths[:, None] - 1) & (index < batch.ids.shape[1] - 1 - ends[:, None])
    slots = torch.zeros_like(batch.ids, dtype=torch.bool)
    for row in batch.pinned.nonzero()[:, 0].tolist():
        slots[row, batch.lengths[row] + batch.open[row].nonzero()[:, 0]] = True
    answer = torch.where(batch.pinned[:, None], slots[:, 1:], answer)
    logits = model.lm_head(hidden[:, :-1][answer])
    cap = model.final_logit_softcapping
    return functional.cross_entropy(torch.tanh(logits / cap) * cap, batch.ids[:, 1:][answer])


class Muon(torch.optim.Optimizer):
    """Muon for matrices and stacks of them: momentum, made orthogonal by a few Newton-Schulz steps."""

    def __init__(self, weights: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.01):
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                held = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                held.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(held, group["momentum"]))
                scale = max(1.0, weight.shape[-2] / weight.shape[-1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest thing to an orthogonal matrix that five Newton-Schulz steps give."""
    x = matrix / (matrix.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    turned = x.shape[-2] > x.shape[-1]
    x = x.mT if turned else x
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if turned else x


def optimizers(model: Any) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, Adam for embeddings, norms and scales."""
    muon: list[torch.nn.Parameter] = []
    adam: list[torch.nn.Parameter] = []
    tables = ("embed_tokens", "lm_head", "position_embedding")
    for name, weight in model.named_parameters():
        matrix = weight.ndim >= 2 and not any(part in name for part in tables)
        (muon if matrix else adam).append(weight)
    return [Muon(muon, lr=0.02), torch.optim.AdamW(adam, lr=4e-3, betas=(0.9, 0.98), weight_decay=0.0)]
