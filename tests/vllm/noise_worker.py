"""Our worker with the noise of every step supplied: drawn as transformers draws it, from a seed in the request."""

from __future__ import annotations

from typing import Any

import torch
from vllm.model_executor.models import diffusion_gemma as stock

from model_actors import vllm_worker
from model_actors.vllm_sampler import Sampler


class NoisySampler(Sampler):
    """For one request at a time, whose `extra_args` hold `noise`: the seed from which its first canvas was drawn."""

    noise: torch.Generator
    committing = False

    def add_request(self, req_idx: int, sampling_params: Any) -> None:
        super().add_request(req_idx, sampling_params)
        self.noise = torch.Generator().manual_seed(sampling_params.extra_args["noise"])
        torch.randint(0, self.vocab_size, (1, self.canvas_length), generator=self.noise)  # the seed canvas was this

    def __call__(self, logits: torch.Tensor, input_batch: Any, draft_logits: Any = None) -> Any:
        if input_batch.num_draft_tokens == 0:
            return super().__call__(logits, input_batch, draft_logits)
        self.committing = bool(self.diffusion_states.is_encoder_phase[int(input_batch.idx_mapping_np[0])])
        kept = stock.sample_row_stats_reference, stock.torch
        stock.sample_row_stats_reference, stock.torch = self._statistics, _Torch(self.noise)
        try:
            return super().__call__(logits, input_batch, draft_logits)
        finally:
            stock.sample_row_stats_reference, stock.torch = kept

    def _statistics(self, logits: torch.Tensor, temps: torch.Tensor, width: int, dtype: Any) -> Any:
        scores = logits / temps[0]
        entropy = torch.distributions.Categorical(logits=scores).entropy()
        chances = torch.softmax(scores, dim=-1, dtype=torch.float32)
        sampled = scores.argmax(dim=-1)
        if not self.committing:
            sampled = torch.multinomial(chances, 1, generator=self.noise)[:, 0]
        return scores.argmax(dim=-1), sampled, entropy, chances


class _Torch:
    """torch, but for `randint`, which draws from the noise supplied."""

    def __init__(self, noise: torch.Generator) -> None:
        self._noise = noise

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def randint(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.randint(*args, generator=self._noise, **kwargs)


class NoiseWorker(vllm_worker.Worker):
    def load_model(self, **kwargs: Any) -> None:
        vllm_worker.Sampler = NoisySampler  # type: ignore[misc]
        super().load_model(**kwargs)
