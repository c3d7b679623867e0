"""vLLM's diffusion sampler with what it lacks: forms held to their automata, schedules by request, and telemetry.

Read and run: vLLM 0.32.0. The stock step stays as it is; what goes into it and what it left behind is mended:

- a form's logits are replaced by the marginals of valid canvases before the step, and the canvas that it settles on by
  the most probable valid one after it, as `constrained` has them;
- the temperature falls over the steps of a request, not over the most that the engine allows;
- log-probabilities are those at temperature 1, as for reads, not at that of the step at which a canvas happened to end;
- forward passes, steps and entropies are counted where they arise, on the device, and copied only when asked for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from vllm.model_executor.models import diffusion_gemma as stock
from vllm.v1.outputs import LogprobsTensors

from model_actors.constrained import LIKELY, Holder, Holders, Ints, NoCanvasError
from model_actors.denoising import NEVER

MOST_FINISHED = 4096
"""Requests whose telemetry is kept until it is asked for; the oldest go first."""


@dataclass
class _Form:
    """A form under way: its automaton, the state it is in, and the canvases after the one under way."""

    holder: Holder
    state: int
    canvases: int


@dataclass(frozen=True)
class _Held:
    """A canvas of a form in this step: its slot, its rows of the logits, and what the model said there."""

    slot: int
    rows: slice
    form: _Form
    tokens: Ints
    few: npt.NDArray[np.float32]
    raw: torch.Tensor


class Sampler(stock.DiffusionSampler):  # type: ignore[misc]
    """The stock sampler, and what it lacks."""

    def __init__(self, made: stock.DiffusionSampler, holders: Holders, end_of_turn: int, pad: int) -> None:
        self.__dict__.update(made.__dict__)  # the stock one has just been made, from more than we need to know
        self._holders, self._end, self._pad = holders, end_of_turn, pad
        self._forms: dict[int, _Form] = {}
        self._written: dict[int, list[int]] = {}
        slots = self.diffusion_states.max_num_reqs
        self._forwards = np.zeros(slots, np.int64)
        self._counted = torch.zeros((slots, 2), dtype=torch.float64, device=self.diffusion_states.device)
        self._entropies: list[torch.Tensor] = []
        self._finished: dict[str, tuple[int, torch.Tensor]] = {}
        self._told: set[str] = set()

    def add_request(self, req_idx: int, sampling_params: Any) -> None:
        """As the stock one; `extra_args` may also hold `canvass_steps` and `canvass_form` with `canvass_canvases`."""
        super().add_request(req_idx, sampling_params)
        states, extra = self.diffusion_states, sampling_params.extra_args or {}
        states.read_only_slots.add(req_idx)  # nothing else reads this set than the choice of log-probabilities
        if "canvass_steps" in extra:
            states.max_steps[req_idx].fill_(int(extra["canvass_steps"]))
        self._forms.pop(req_idx, None)
        if "canvass_form" in extra:
            holder, written = self._holders.of(json.loads(extra["canvass_form"])), self._written[req_idx]
            self._forms[req_idx] = _Form(holder, holder.after(0, written), int(
                extra["canvass_canvases"]) - len(written) // self.canvas_length - 1)

    def resume(self, slot: int, request: str, written: list[int]) -> None:
        """What a request that comes into a slot has written before, and what was counted of it; nothing, for a new one.

        Called before `add_request`, which knows neither.
        """
        self._written[slot] = written
        forwards, counted = self._finished.pop(request, (0, torch.zeros_like(self._counted[slot])))
        self._forwards[slot], self._counted[slot] = forwards, counted

    def __call__(self, logits: torch.Tensor, input_batch: Any, draft_logits: torch.Tensor | None = None) -> Any:
        """One step of all requests of a batch."""
        slots = input_batch.idx_mapping_np[: input_batch.num_reqs]
        self._forwards[slots] += 1
        if input_batch.num_draft_tokens == 0:
            return super().__call__(logits, input_batch, draft_logits)
        states = self.diffusion_states
        begin = input_batch.cu_num_logits_np[: input_batch.num_reqs + 1]
        decoding = np.flatnonzero(np.diff(begin))
        chosen = torch.from_numpy(slots[decoding].astype(np.int64)).to(logits.device, non_blocking=True)
        denoising = ~states.is_encoder_phase[chosen]
        held = self._hold(logits, [(int(slots[row]), slice(int(begin[row]), int(begin[row + 1]))) for row in decoding])
        if held:
            logits = logits.float()
            for each in held:
                logits[each.rows] = self._marginals(each)
        self._entropies = []
        with _schedules_of(self), _entropies_to(self._entropies):
            found = super().__call__(logits, input_batch, draft_logits)
        self._pin(found, chosen, torch.from_numpy(decoding).to(chosen))
        self._count(chosen, denoising, states.canvas_width_np[slots[decoding]])
        committed = [each for each in held if bool(states.is_encoder_phase[each.slot])]
        for each in committed:
            self._commit(each)
        return found

    def _pin(self, found: Any, slots: torch.Tensor, rows: torch.Tensor) -> None:
        """Let what is pinned come back as it is: the stock step emits what the model would have written there."""
        states = self.diffusion_states
        for canvas in (states.argmax_canvas, states.canvas, self.req_states.draft_tokens):
            width = states.canvas_length
            canvas[slots, :width] = torch.where(states.pin_mask[slots], states.seed_canvas[slots].to(canvas.dtype),
                                                canvas[slots, :width])
        emitted = found.sampled_token_ids[rows]
        emits = states.pin_mask[slots] & (found.num_sampled[rows] > 0)[:, None]
        found.sampled_token_ids[rows] = torch.where(emits, states.seed_canvas[slots].to(emitted.dtype), emitted)

    def _hold(self, logits: torch.Tensor, rows: list[tuple[int, slice]]) -> list[_Held]:
        held = []
        for slot, place in rows:
            form = self._forms.get(slot)
            if form is not None and not bool(self.diffusion_states.is_encoder_phase[slot]):
                raw = logits[place].to(torch.float32, copy=True)
                likely = torch.topk(raw, min(LIKELY, raw.shape[-1]), dim=-1).indices.unique().cpu().numpy()
                tokens = form.holder.tokens(likely)
                few = raw[:, torch.from_numpy(tokens).to(raw.device)].cpu().numpy()
                held.append(_Held(slot, place, form, tokens, few, raw))
        return held

    def _marginals(self, held: _Held) -> torch.Tensor:
        """Logits whose softmax at the temperature of the step is the marginals of valid canvases at it."""
        temperature = float(self._temperature(torch.tensor([held.slot], device=held.raw.device))[0])
        scores = torch.full_like(held.raw, NEVER)
        try:
            found = held.form.holder.marginals(held.tokens, (held.few / temperature).astype(np.float32),
                                               held.form.state, self._room(held.form))
            scores[:, torch.from_numpy(held.tokens).to(scores.device)] = torch.from_numpy(
                np.maximum(found, NEVER)).to(scores)
        except NoCanvasError:
            self._end_at_once(scores)
        return scores * temperature

    def _end_at_once(self, scores: torch.Tensor) -> None:
        """Nothing but the end of the turn: how a form that cannot be finished is given up."""
        scores[0, self._end] = 0
        scores[1:, self._pad] = 0

    def _room(self, form: _Form) -> int:
        return int(form.canvases * self.canvas_length)

    def _temperature(self, slots: torch.Tensor) -> torch.Tensor:
        states = self.diffusion_states
        total = states.max_steps[slots].float()
        left = (total - states.step[slots].float()).clamp(min=1.0)
        return self.t_min + (self.t_max - self.t_min) * (left / total)

    def _commit(self, held: _Held) -> None:
        """Put the most probable valid canvas, and its log-probabilities, where the stock step has put its own."""
        try:
            ids, held.form.state = held.form.holder.likeliest(held.tokens, held.few, held.form.state,
                                                              self._room(held.form))
        except NoCanvasError:
            ids = [self._end, *[self._pad] * (len(held.few) - 1)]
        held.form.canvases -= 1
        states, width = self.diffusion_states, len(ids)
        settled = torch.tensor(ids, device=held.raw.device)
        for canvas in (states.argmax_canvas, states.canvas, self.req_states.draft_tokens):
            canvas[held.slot, :width] = settled.to(canvas.dtype)
        sure = torch.log_softmax(held.raw, dim=-1)
        chances = sure.gather(1, settled[:, None])
        self._pending_logprobs[held.slot] = LogprobsTensors(
            logprob_token_ids=settled[:, None], logprobs=chances,
            selected_token_ranks=(sure >= chances).sum(dim=1))

    def _count(self, slots: torch.Tensor, denoising: torch.Tensor, widths: npt.NDArray[np.int32]) -> None:
        means = torch.cat([rows.view(-1, width).mean(dim=1) for rows, width in zip(
            self._entropies, self._tile_widths(widths), strict=True)])
        order = torch.from_numpy(np.argsort(widths, kind="stable")).to(means.device, non_blocking=True)
        entropy = torch.empty_like(means).scatter_(0, order, means)
        self._counted.index_add_(0, slots, torch.stack([denoising.double(), entropy.double() * denoising], dim=1))

    def _tile_widths(self, widths: npt.NDArray[np.int32]) -> Iterator[int]:
        """The width of each tile in which the stock step sampled: narrow ones first, each of one width."""
        left = np.sort(widths).tolist()
        for rows in self._entropies:
            width = left[0]
            del left[: len(rows) // width]
            yield width

    def forget(self, request: str, slot: int) -> None:
        """Keep the counts of a request that is done, until they are asked for."""
        if request in self._told:
            self._told.remove(request)
            return
        while len(self._finished) >= MOST_FINISHED:
            self._finished.pop(next(iter(self._finished)))
        self._finished[request] = int(self._forwards[slot]), self._counted[slot].clone()
        self._forms.pop(slot, None)

    def telemetry(self, request: str, slot: int | None) -> tuple[int, int, float] | None:
        """Forward passes, denoising steps, and the steps' mean entropies in nats added up; None for one not known."""
        if slot is not None:
            self._told.add(request)
            forwards, counted = int(self._forwards[slot]), self._counted[slot]
        elif request in self._finished:
            forwards, counted = self._finished.pop(request)
        else:
            return None
        steps, entropy = counted.tolist()
        return forwards, int(steps), entropy


@contextlib.contextmanager
def _schedules_of(sampler: Sampler) -> Iterator[None]:
    """Let the stock step ask for the temperature of each request's own schedule."""
    kept = stock._denoise_temperature
    stock._denoise_temperature = lambda _step, slots, *_: sampler._temperature(slots)
    try:
        yield
    finally:
        stock._denoise_temperature = kept


@contextlib.contextmanager
def _entropies_to(entropies: list[torch.Tensor]) -> Iterator[None]:
    """Keep the entropies that the stock step computes, tile by tile."""
    kept = stock.sample_row_stats, stock.sample_row_stats_reference

    def keeping(compute: Any) -> Any:
        def compute_and_keep(*args: Any) -> Any:
            found = compute(*args)
            entropies.append(found[2])
            return found
        return compute_and_keep

    stock.sample_row_stats, stock.sample_row_stats_reference = map(keeping, kept)
    try:
        yield
    finally:
        stock.sample_row_stats, stock.sample_row_stats_reference = kept
