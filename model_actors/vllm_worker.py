"""The worker in which vLLM runs DiffusionGemma as its reference implementation does, on a GPU or a CPU.

Named to vLLM as `worker_cls`; it runs in the engine's own process. What each part mends is said where it stands; all of
it was read and run against vLLM 0.32, and any other version is refused: it reaches into what vLLM keeps to itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import vllm
from vllm.config import CUDAGraphMode, VllmConfig, get_layers_from_vllm_config
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.models import diffusion_gemma as stock
from vllm.model_executor.models.gemma4 import Gemma4DecoderLayer
from vllm.platforms import current_platform

from model_actors.budgets import image_size
from model_actors.constrained import Holders, token_bytes
from model_actors.vllm_attention import BACKENDS, ReferenceAttention
from model_actors.vllm_options import LOGITS_BYTES
from model_actors.vllm_sampler import Sampler

if current_platform.is_cpu():
    from vllm.v1.worker.cpu_worker import CPUWorker as Stock
else:  # importing the other one would change how torch works with a GPU
    from vllm.v1.worker.gpu_worker import Worker as Stock

KNOWN_VERSIONS = ("0.32",)
"""Versions of vLLM, by their first two numbers, that this worker was checked against."""

TILE_COPIES = 3
"""Float32 copies of one canvas's logits that the sampler makes at least (vLLM 0.32, DiffusionSampler)."""


class UnknownVersionError(Exception):
    """This vLLM is not one that the worker knows."""


def check_version() -> None:
    """Raise UnknownVersionError for a vLLM that this worker was not checked against."""
    if ".".join(vllm.__version__.split(".")[:2]) not in KNOWN_VERSIONS:
        raise UnknownVersionError(f"vLLM {vllm.__version__} is not known to Canvass's worker, which was checked "
                                  f"against {', '.join(KNOWN_VERSIONS)}: install one of these, or say 'worker: stock'")


class Worker(Stock):  # type: ignore[misc]
    """The stock worker of this device, for DiffusionGemma; other models run as they always do.

    Settings come in `additional_config["canvass"]`: `images` (reference, sliding, causal), `budgets` to warm up with.
    """

    def __init__(self, vllm_config: VllmConfig, *args: Any, **kwargs: Any) -> None:
        check_version()
        self._settings: dict[str, Any] = vllm_config.additional_config["canvass"]
        self._diffuses = bool(vllm_config.model_config.is_diffusion)
        super().__init__(vllm_config, *args, **kwargs)

    def load_model(self, **kwargs: Any) -> None:
        """Load the model with our state, and tell the scalars of its encoder from those of its decoder."""
        if not self._diffuses:
            super().load_model(**kwargs)
            return
        model = stock.DiffusionGemmaForConditionalGeneration
        model.get_model_state_cls = staticmethod(lambda: State)
        scalars = Scalars()
        load = model.load_weights

        @functools.wraps(load)
        def load_weights(self: Any, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
            return load(self, scalars.noting(weights))  # type: ignore[no-any-return]

        model.load_weights = load_weights
        try:
            super().load_model(**kwargs)
        finally:
            model.load_weights = load
        state = self.model_runner.model_state
        state.scalars = scalars.apply(self.model_runner.model, state.max_num_tokens, self.device)

    def determine_available_memory(self) -> int:
        """What is left for keys and values, less what decoding takes, which the start-up profile does not see.

        It never computes logits of canvases: 384 MiB a request at a vocabulary of 262,144.
        """
        found: int = super().determine_available_memory()
        if not self._diffuses or current_platform.is_cpu():
            return found
        canvas = self.vllm_config.diffusion_config.canvas_length * self.model_config.get_vocab_size()
        reserved = canvas * (LOGITS_BYTES * self.scheduler_config.max_num_seqs + 4 * TILE_COPIES)
        if reserved >= found:
            raise ValueError(f"{found >> 20:,} MiB are left for keys and values, and the logits of "
                             f"{self.scheduler_config.max_num_seqs} canvases take {reserved >> 20:,} MiB: lower "
                             "max_num_seqs, or spread the model over more GPUs (tensor_parallel)")
        return int(found - reserved)

    def compile_or_warm_up_model(self) -> Any:
        """Warm up as always, then with an image of each budget: the first real one would pay for it."""
        found = super().compile_or_warm_up_model()
        if self._diffuses and self.model_runner.model_state.supports_mm_inputs:
            for budget in self._settings["budgets"]:
                width, height = image_size(210, 297, budget)
                self._see(width, height)
        return found

    def _see(self, width: int, height: int) -> None:
        from model_actors.diffusion_gemma import patches_of

        pixels = torch.zeros((1, height, width, 3), dtype=torch.uint8).numpy()
        patches, places = (torch.from_numpy(each).to(self.device) for each in patches_of(pixels))
        with torch.inference_mode():
            self.model_runner.model.embed_multimodal(pixel_values=patches.to(self.model_config.dtype),
                                                     pixel_position_ids=places)

    def take_telemetry(self, request: str) -> tuple[int, int, float] | None:
        """Forward passes, denoising steps and entropies of a request, by the name that the engine's caller gave."""
        state = self.model_runner.model_state
        live = {name.rpartition("-")[0]: slot for name, slot in state._req_id_to_index.items()}
        slot = live.get(request)
        return state.sampler.telemetry(request, slot)  # type: ignore[no-any-return]

    def set_sampler(self, settings: dict[str, float]) -> None:
        """Change the sampler from the next step on: t_min, t_max, entropy_bound, confidence_threshold."""
        for name, value in settings.items():
            if name not in ("t_min", "t_max", "entropy_bound", "confidence_threshold"):
                raise ValueError(f"{name!r} is no setting of the sampler that can change while it runs")
            setattr(self.model_runner.sampler, name, value)


class State(stock.DiffusionGemmaModelState):  # type: ignore[misc]
    """The stock state of DiffusionGemma, with the reference's attention and our sampler."""

    scalars: PhasedScalars | None = None

    def __init__(self, vllm_config: VllmConfig, *args: Any, **kwargs: Any) -> None:
        super().__init__(vllm_config, *args, **kwargs)
        self._images = vllm_config.additional_config["canvass"]["images"]
        self._attention: ReferenceAttention | None = None

    def custom_sampler(self, sampler: Any) -> tuple[Any, Any]:
        """Our sampler, made of the stock one."""
        from transformers import AutoTokenizer

        made, rejection = super().custom_sampler(sampler)
        tokenizer = AutoTokenizer.from_pretrained(self.model_config.tokenizer,
                                                  revision=self.model_config.tokenizer_revision)
        known = token_bytes(tokenizer)[: self.model_config.get_vocab_size()]
        written = known + [None] * (self.model_config.get_vocab_size() - len(known))
        end, pad = tokenizer.get_vocab()["<turn|>"], tokenizer.pad_token_id
        self.sampler = Sampler(made, Holders(written, end, pad), end, pad)
        return self.sampler, rejection

    def add_request(self, req_index: int, new_req_data: Any) -> None:
        """Tell the sampler what a request has written already: one that was preempted comes again, with its text."""
        super().add_request(req_index, new_req_data)
        prompt = new_req_data.prompt_token_ids or []
        self.sampler.resume(req_index, new_req_data.req_id.rpartition("-")[0],
                            list(new_req_data.prefill_token_ids or prompt)[len(prompt):])

    def remove_request(self, req_id: str) -> None:
        """Keep what was counted of a request."""
        slot = self._req_id_to_index.get(req_id)
        if slot is not None:
            self.sampler.forget(req_id.rpartition("-")[0], slot)
        super().remove_request(req_id)

    def prepare_inputs(self, input_batch: Any, req_states: Any) -> dict[str, Any]:
        """As the stock one; says of each token whether the encoder or the decoder sees it, where that matters."""
        if self.scalars is not None:
            phase = self.diffusion_states.is_encoder_phase[input_batch.idx_mapping[: input_batch.num_reqs]]
            lengths = torch.from_numpy(input_batch.num_scheduled_tokens).to(phase.device, non_blocking=True)
            self.scalars.set_phase(torch.repeat_interleave(phase, lengths, output_size=input_batch.num_tokens))
        return super().prepare_inputs(input_batch, req_states)  # type: ignore[no-any-return]

    def _apply_self_conditioning(self, decode_slots_np: Any, decode_idx_np: Any, query_start_loc_np: Any,
                                 inputs_embeds: torch.Tensor, sc_embeds: torch.Tensor) -> None:
        """Condition canvases on their step before, all in one call; but none that is being committed.

        The stock one calls once a request, and passes committed canvases through the decoder's norm, which the
        reference's encoder does not have.
        """
        starts, ends = query_start_loc_np[decode_idx_np], query_start_loc_np[decode_idx_np + 1]
        rows = np.repeat(np.arange(len(starts)), ends - starts)
        places = np.concatenate([np.arange(end - start) for start, end in zip(starts, ends, strict=True)])
        slots, places, tokens = (torch.from_numpy(each.astype(np.int64)).to(inputs_embeds.device, non_blocking=True)
                                 for each in (decode_slots_np[rows], places, starts[rows] + places))
        embeds = inputs_embeds[tokens]
        conditioned = self.model.self_conditioning(embeds, sc_embeds[slots, places].to(embeds.dtype))
        committing = self.diffusion_states.is_encoder_phase[slots][:, None]
        inputs_embeds[tokens] = torch.where(committing, embeds, conditioned)

    def prepare_attn(self, input_batch: Any, cudagraph_mode: Any, block_tables: Any, slot_mappings: Any,
                     attn_groups: Any, kv_cache_config: Any, for_capture: bool = False, ubatch_idx: int = 0) \
            -> dict[str, Any]:
        """The stock metadata, replaced where the reference attends otherwise."""
        found: dict[str, Any] = super().prepare_attn(input_batch, cudagraph_mode, block_tables, slot_mappings,
                                                     attn_groups, kv_cache_config, for_capture, ubatch_idx)
        if cudagraph_mode == CUDAGraphMode.FULL:
            raise ValueError("whole graphs leave out what follows a layer's attention: keep 'cudagraph_mode: "
                             "PIECEWISE', or say 'worker: stock'")
        if for_capture:
            return found
        if self._attention is None:
            layers = get_layers_from_vllm_config(self.vllm_config, Attention)
            for layer in layers.values():
                if layer.attn_backend.get_name() not in BACKENDS:
                    raise ValueError(f"the reference's attention runs on {' and '.join(BACKENDS)}, not on "
                                     f"{layer.attn_backend.get_name()}: say 'options: {{attention_config: {{backend: "
                                     "TRITON_ATTN}}}}', or 'worker: stock'")
            self._attention = ReferenceAttention(layers, self._images)
        return self._attention.plan(found, self, input_batch, block_tables, slot_mappings, attn_groups,
                                    kv_cache_config)


class Scalars:
    """Notes each layer's scalar for the encoder and for the decoder while weights are loaded.

    Stock vLLM keeps one for both, whichever comes last; a checkpoint has both, and they may differ.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[int, torch.Tensor]] = {"encoder": {}, "decoder": {}}

    def noting(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterable[tuple[str, torch.Tensor]]:
        """The weights as they are."""
        for name, weight in weights:
            if name.endswith(".layer_scalar"):
                part = "encoder" if ".encoder." in name else "decoder"
                self._found[part][int(name.split(".")[-2])] = weight.detach().clone()
            yield name, weight

    def apply(self, model: Any, tokens: int, device: torch.device) -> PhasedScalars | None:
        """Give every layer both of its scalars where any pair differs; None where one is as good as two.

        Raises ValueError for a checkpoint that lacks some.
        """
        encoder, decoder = self._found["encoder"], self._found["decoder"]
        if not encoder or not decoder:  # a checkpoint may keep one set where both are tied
            return None
        layers = {number: layer for number, layer in enumerate(model.model.layers)
                  if isinstance(layer, Gemma4DecoderLayer)}
        missing = sorted(set(layers) - (set(encoder) & set(decoder)))
        if missing:
            raise ValueError(f"the checkpoint lacks the layer_scalar of layers {missing} for its encoder or decoder")
        if all(torch.equal(encoder[number], decoder[number]) for number in layers):
            return None
        phased = PhasedScalars(tokens, device)
        for number, layer in layers.items():
            layer.__class__ = _PhasedLayer
            layer.phased = phased
            layer.register_buffer("both", torch.stack([decoder[number], encoder[number]]).flatten().to(
                layer.layer_scalar))
            layer.layer_scalar.fill_(1)
        return phased


class PhasedScalars:
    """Which tokens of a step the encoder sees: 1, or 0 for the decoder's."""

    def __init__(self, tokens: int, device: torch.device) -> None:
        self.phase = torch.zeros(tokens, dtype=torch.long, device=device)

    def set_phase(self, encoder: torch.Tensor) -> None:
        """Set it for the first tokens."""
        self.phase[: len(encoder)].copy_(encoder)


class _PhasedLayer(Gemma4DecoderLayer):  # type: ignore[misc]
    """A layer whose output is scaled by the scalar of each token's phase; its own is 1."""

    def forward(self, positions: torch.Tensor, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        found, residual = super().forward(positions, hidden_states, *args, **kwargs)
        return found * self.both[self.phased.phase[: found.shape[0]]][:, None], residual
