"""DiffusionGemma through transformers, one step at a time: prompts to prefixes, and rows of canvases to logits.

A prefix is what the causal encoder leaves of a prompt: keys and values that every canvas after it attends to. Prefixes
are never changed, only followed: several canvases, reads and forms share one.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoTokenizer, DiffusionGemmaForBlockDiffusion, DynamicCache
from transformers.image_processing_utils import ImageProcessingMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import cached_file

from model_actors.budgets import TOKEN_SIDE
from model_actors.engine import EngineError, Pixels, View
from model_actors.prompts import SpecialTokens, special_tokens

PATCH = 16
"""Side in px of a patch; 3 x 3 of them are pooled to one soft token."""

IMAGES_AT_ONCE = 8
"""Images of one size that go through the vision tower together."""


SAMPLED_BYTES = 8 << 20
"""Bytes at either end of a file of weights by which it is told from another."""


class CheckpointError(Exception):
    """A model cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a checkpoint before its weights are read."""

    name: str
    revision: str | None
    canvas: int
    context: int
    weights: str
    thinks: bool


def look_up(name: str, revision: str | None = None) -> Checkpoint:
    """Read a checkpoint's configuration. Raises CheckpointError where it is no DiffusionGemma, or incomplete."""
    check_folder(name)
    try:
        config = AutoConfig.from_pretrained(name, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"model {name!r} cannot be opened ({_first_line(error)}); name a folder that holds a "
                              "checkpoint, or a model that this machine can reach") from None
    if config.model_type != "diffusion_gemma":
        raise CheckpointError(f"model {name!r} is a {config.model_type!r}, and 'kind: transformers' runs "
                              "DiffusionGemma alone: name one of its checkpoints")
    try:
        images, _ = ImageProcessingMixin.get_image_processor_dict(name, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"model {name!r} lacks its processor or tokenizer ({_first_line(error)}): copy the whole "
                              "checkpoint, with preprocessor_config.json and tokenizer.json") from None
    geometry = images.get("patch_size", PATCH) * images.get("pooling_kernel_size", 3)
    if geometry != TOKEN_SIDE:
        raise CheckpointError(f"model {name!r} sees {geometry} px to a soft token, and images are drawn for "
                              f"{TOKEN_SIDE}: use a checkpoint with patches of 16 px pooled 3 x 3")
    if tokenizer.chat_template is None or "<turn|>" not in tokenizer.get_vocab():
        raise CheckpointError(f"model {name!r} has no chat template with turns: use an instruction-tuned checkpoint")
    return Checkpoint(name, revision, int(config.canvas_length), int(config.text_config.max_position_embeddings),
                      getattr(config, "_commit_hash", None) or _weights_of(name), "<channel|>" in tokenizer.get_vocab())


def _weights_of(name: str) -> str:
    """A name for a checkpoint in a folder: of its settings, and the ends of its weights, which may be 50 GB."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted([*Path(name).glob("*.json"), *Path(name).glob("*.jinja")]):
        digest.update(file.name.encode() + file.read_bytes())
    for file in sorted(Path(name).glob("*.safetensors")):
        digest.update(f"{file.name} {file.stat().st_size}".encode())
        with file.open("rb") as opened:
            digest.update(opened.read(SAMPLED_BYTES))
            opened.seek(max(0, file.stat().st_size - SAMPLED_BYTES))
            digest.update(opened.read())
    return digest.hexdigest()


def check_folder(name: str) -> None:
    """Raise CheckpointError for a path at which there is no folder."""
    if name.startswith(("/", ".", "~")) and not Path(name).is_dir():
        raise CheckpointError(f"model {name!r} cannot be opened: there is no such folder")


def size_of_weights(name: str, revision: str | None) -> int:
    """Bytes of a checkpoint's weights, by its files or its index; 0 where neither is here."""
    if Path(name).is_dir():
        return sum(file.stat().st_size for file in Path(name).glob("*.safetensors"))
    try:
        index = cached_file(name, "model.safetensors.index.json", revision=revision)
        return int(json.loads(Path(index).read_text("utf-8"))["metadata"]["total_size"]) if index else 0
    except (OSError, KeyError):
        return 0


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class Prefix:
    """An encoded prompt: its cache, and how many ids it holds."""

    cache: DynamicCache
    length: int


class DiffusionGemma:
    """A loaded checkpoint."""

    def __init__(self, name: str, revision: str | None, dtype: str, device: str) -> None:
        try:
            self.model: Any = DiffusionGemmaForBlockDiffusion.from_pretrained(
                name, revision=revision, dtype=getattr(torch, dtype), attn_implementation="sdpa").to(device).eval()
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"model {name!r} cannot be loaded: {_first_line(error)}") from error
        self.tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision)
        self.device = torch.device(device)
        self.special: SpecialTokens = special_tokens(self.tokenizer, self.model.config)
        self.canvas = int(self.model.config.canvas_length)
        self.vocabulary = int(self.model.config.text_config.vocab_size)
        ends = self.model.generation_config.eos_token_id
        self.ends: frozenset[int] = frozenset(ends if isinstance(ends, list) else [ends])

    def sampler_defaults(self) -> dict[str, Any]:
        """The sampler's settings as the checkpoint's own generation_config.json has them, where it has them."""
        found = self.model.generation_config
        bound = found.sampler_config.entropy_bound if found.sampler_config is not None else None
        named = {"steps": found.max_denoising_steps, "entropy_bound": bound, "t_min": found.t_min, "t_max": found.t_max,
                 "stability": found.stability_threshold, "confidence": found.confidence_threshold}
        return {name: value for name, value in named.items() if value is not None}

    def prefix(self, ids: Sequence[int], views: Sequence[View]) -> Prefix:
        """Encode a prompt from its beginning, with the images that it holds."""
        images = self._image_features(views) if views else None
        kinds = torch.tensor([[int(token == self.special.image) for token in ids]], device=self.device)
        return self._encoded(Prefix(DynamicCache(config=self.model.config.get_text_config(decoder=True)), 0), ids,
                             mm_token_type_ids=kinds, mm_encoder_outputs=images)

    def followed(self, prefix: Prefix, ids: Sequence[int]) -> Prefix:
        """A prefix with more ids after it; the given one stays as it is."""
        cache = copy.copy(prefix.cache)
        cache.layers = [copy.copy(layer) for layer in prefix.cache.layers]  # tensors are replaced, never written to
        return self._encoded(Prefix(cache, prefix.length), ids)

    def _encoded(self, prefix: Prefix, ids: Sequence[int], **images: Any) -> Prefix:
        if not ids:
            return prefix
        end = prefix.length + len(ids)
        encoder = self.model.model.encoder
        tokens = torch.tensor([list(ids)], device=self.device)
        positions = torch.arange(prefix.length, end, device=self.device).unsqueeze(0)
        # made by hand: left to the encoder itself, images would be attended to causally
        masks = encoder.create_masks_for_generate(
            config=self.model.config, inputs_embeds=torch.empty((1, len(ids), 0), dtype=self.model.dtype,
                                                                device=self.device),
            attention_mask=torch.ones((1, end), dtype=torch.bool, device=self.device), past_key_values=prefix.cache,
            position_ids=positions, mm_token_type_ids=images.get("mm_token_type_ids"))
        with torch.inference_mode():
            encoder(input_ids=tokens, attention_mask=masks, position_ids=positions, past_key_values=prefix.cache,
                    mm_encoder_outputs=images.get("mm_encoder_outputs"))
        return Prefix(prefix.cache, end)

    def _image_features(self, views: Sequence[View]) -> dict[str, Any]:
        features = []
        for _, alike in itertools.groupby(views, key=lambda view: view.pixels.shape):
            same = list(alike)
            for start in range(0, len(same), IMAGES_AT_ONCE):
                patches, places = patches_of(np.stack([view.pixels for view in same[start : start + IMAGES_AT_ONCE]]))
                with torch.inference_mode():
                    found = self.model.model.encoder.get_image_features(
                        torch.from_numpy(patches).to(self.device, self.model.dtype),
                        torch.from_numpy(places).to(self.device))
                features.append(found.pooler_output.reshape(-1, found.pooler_output.shape[-1]))
        return {"image": BaseModelOutputWithPooling(pooler_output=torch.cat(features))}

    def logits(self, prefixes: Sequence[Prefix], canvases: Sequence[torch.Tensor],
               conditions: Sequence[torch.Tensor | None]) -> list[torch.Tensor]:
        """Float32 logits [width, vocabulary] of each canvas after its prefix, all in one forward pass.

        `conditions` are the processed logits of each canvas's step before, in the model's own type, if there was one.
        """
        widths = [len(canvas) for canvas in canvases]
        width = max(widths)
        ids = torch.full((len(canvases), width), self.special.pad, device=self.device)
        before = None
        if any(condition is not None for condition in conditions):
            before = torch.zeros((len(canvases), width, self.vocabulary), dtype=self.model.dtype, device=self.device)
        for row, (canvas, condition) in enumerate(zip(canvases, conditions, strict=True)):
            ids[row, : len(canvas)] = canvas
            if before is not None and condition is not None:
                before[row, : len(canvas)] = condition
        had = torch.tensor([condition is not None for condition in conditions], device=self.device)
        starts = torch.tensor([prefix.length for prefix in prefixes], device=self.device)
        cache = _Together(prefixes)
        masks = cache.masks(widths, width, self.model.config.get_text_config().layer_types, self.device)
        with torch.inference_mode():
            found = self.model(decoder_input_ids=ids, past_key_values=cache, self_conditioning_logits=before,
                               self_conditioning_mask=had, decoder_attention_mask=masks,
                               decoder_position_ids=starts[:, None] + torch.arange(width, device=self.device)[None])
        return [rows[:count] for rows, count in zip(found.logits, widths, strict=True)]


class _Layer:
    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        self.keys, self.values = keys, values


class _Together:
    """The caches of several prefixes side by side, padded at their ends; what the decoder reads of a cache."""

    is_compileable = False

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        self.lengths = [[layer.keys.shape[-2] for layer in prefix.cache.layers] for prefix in prefixes]
        self.layers = []
        for columns in zip(*(prefix.cache.layers for prefix in prefixes), strict=True):
            longest = max(layer.keys.shape[-2] for layer in columns)
            self.layers.append(_Layer(*(
                torch.cat([torch.nn.functional.pad(part, (0, 0, 0, longest - part.shape[-2])) for part in parts])
                for parts in ([layer.keys for layer in columns], [layer.values for layer in columns]))))

    def masks(self, widths: Sequence[int], width: int, kinds: Sequence[str], device: torch.device) \
            -> dict[str, torch.Tensor | None]:
        """Which keys each row may attend to, by kind of layer: its own prefix and its own canvas, no padding."""
        masks: dict[str, torch.Tensor | None] = {}
        own = torch.tensor(widths, device=device)[:, None] > torch.arange(width, device=device)[None]
        for number, kind in enumerate(kinds):
            if kind in masks:
                continue
            longest = self.layers[number].keys.shape[-2]
            lengths = torch.tensor([row[number] for row in self.lengths], device=device)
            seen = torch.cat([lengths[:, None] > torch.arange(longest, device=device)[None], own], dim=1)
            masks[kind] = None if bool(seen.all()) else seen[:, None, None, :].expand(-1, 1, width, -1)
        return masks


def patches_of(images: Pixels) -> tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Patches [images, patches, 768] in 0..1 and their places (x, y) for uint8 images [images, height, width, 3].

    As transformers' Gemma 4 image processor makes them of an image that needs no resizing.
    """
    count, height, width, _ = images.shape
    rows, columns = height // PATCH, width // PATCH
    cut = images.reshape(count, rows, PATCH, columns, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    patches = cut.reshape(count, rows * columns, PATCH * PATCH * 3).astype(np.float32) / np.float32(255)
    y, x = np.divmod(np.arange(rows * columns), columns)
    return patches, np.broadcast_to(np.stack([x, y], axis=1), (count, rows * columns, 2)).copy()

