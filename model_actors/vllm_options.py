"""vLLM's engine arguments, derived from a job, a checkpoint and the hardware; known before anything is started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from model_actors.budgets import BUDGETS
from schemas.job import VllmSpec

WORKER = "model_actors.vllm_worker.Worker"

MEMORY_SHARE = 0.9
"""Share of a GPU's memory that vLLM may take; its own default."""

FEWEST, MOST = 16, 64
"""Requests denoised together: fewer leave a GPU idle, and vLLM resets 128 or more to 8 for this model."""

LOGITS_SHARE = 0.25
"""Share of what weights leave of a GPU that the logits of canvases may take; keys and values get the rest."""

LOGITS_BYTES = 10
"""Of each logit of a canvas: in bfloat16 and in float32 (read in vLLM 0.32), and a copy for a form that is held."""

PREFILL_TOKENS = 8192
"""Prompt tokens of one step besides the canvases under way: vLLM's own default for one engine."""

GIB = 1 << 30


@dataclass(frozen=True)
class Hardware:
    """What an engine runs on. `memory` of one GPU in bytes, `capability` its compute capability; 0 on a CPU."""

    name: str
    memory: int = 0
    capability: int = 0


@dataclass(frozen=True)
class Model:
    """What is known of a checkpoint: its canvas is 0 where it does not diffuse; `weights` in bytes, as loaded."""

    canvas: int
    vocabulary: int
    weights: int


def this_hardware() -> Hardware:
    """The hardware of this machine."""
    if not torch.cuda.is_available():
        return Hardware("CPU")
    found = torch.cuda.get_device_properties(0)
    return Hardware(found.name, found.total_memory, found.major)


def derive(spec: VllmSpec, context: int, images: int, model: Model, hardware: Hardware, shared: bool) -> dict[str, Any]:
    """Engine arguments. `shared` where several requests are about the same pictures."""
    seats = _seats(spec, model, hardware)
    options: dict[str, Any] = {
        "max_model_len": context,
        "max_num_seqs": seats,
        "max_num_batched_tokens": PREFILL_TOKENS + seats * model.canvas,
        "gpu_memory_utilization": MEMORY_SHARE,
        "tensor_parallel_size": spec.tensor_parallel,
        "dtype": spec.dtype,
        "quantization": spec.quantization,
        "limit_mm_per_prompt": {"image": images, "video": 0},
        "mm_processor_kwargs": {"max_soft_tokens": max(BUDGETS)},
        "mm_processor_cache_gb": 4 if shared else 0,
        "disable_chunked_mm_input": True,  # an image sees the whole of itself only where it is prefilled at once
        "enable_prefix_caching": True,
    }
    if hardware.memory == 0:
        options |= {"dtype": "float32" if spec.dtype == "auto" else spec.dtype, "enforce_eager": True}
        del options["gpu_memory_utilization"]
    if model.canvas:
        options["diffusion_config"] = {"canvas_length": model.canvas}
        if options["dtype"] != "auto":  # the vision tower would keep the checkpoint's own
            options["hf_overrides"] = {"vision_config": {"dtype": options["dtype"]}}
        if hardware.memory:
            options["attention_config"] = {"backend": "TRITON_ATTN"}
        if spec.worker == "canvass":
            options["worker_cls"] = WORKER
            options["additional_config"] = {"canvass": {"images": spec.images, "budgets": list(BUDGETS)}}
            if hardware.memory:  # a captured graph of the whole would leave out what follows the attention of a layer
                options["compilation_config"] = {"cudagraph_mode": "PIECEWISE"}
    else:
        options["mm_processor_kwargs"] = None
    for name, value in spec.options.items():
        inner = options.get(name)
        options[name] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
    return options


def _seats(spec: VllmSpec, model: Model, hardware: Hardware) -> int:
    """Requests denoised together: as many as the logits of their canvases leave room for."""
    if not hardware.memory or not model.canvas:
        return FEWEST if not hardware.memory else MOST
    left = hardware.memory * MEMORY_SHARE - model.weights / spec.tensor_parallel
    seats = math.floor(left * LOGITS_SHARE / (model.canvas * model.vocabulary * LOGITS_BYTES))
    return max(FEWEST, min(MOST, seats - seats % 8))


def advice(spec: VllmSpec, model: Model, hardware: Hardware) -> str | None:
    """Which quantised checkpoint would serve better on this GPU, if any would."""
    if not hardware.memory or spec.quantization or not model.canvas:
        return None
    kind = {9: "an FP8", 10: "an NVFP4", 12: "an NVFP4"}.get(hardware.capability)
    if kind is None or model.weights < 0.25 * hardware.memory:
        return None
    return (f"{hardware.name} computes in that type natively: {kind} checkpoint of this model takes less of its "
            f"{hardware.memory / GIB:.0f} GiB than {model.weights / GIB:.0f} GiB of weights")


def shown(options: Mapping[str, Any]) -> str:
    """The options as a plan prints them."""
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items()) if value is not None)
