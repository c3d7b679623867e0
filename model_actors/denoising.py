"""Discrete diffusion of canvases: the entropy-bound sampler, row by row, each with noise of its own.

The arithmetic is that of transformers' DiffusionGemma generation (`generation_diffusion_gemma.py`, 5.23): a linear
temperature, acceptance by an entropy bound (https://arxiv.org/abs/2505.24857), a stop when stable and confident. A row
draws its noise from its own generator, in the order in which transformers draws it; the rows beside it change what it
becomes by their rounding alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from model_actors.constrained import LIKELY, Holder, Ints, NoCanvasError
from model_actors.diffusion_gemma import DiffusionGemma, Prefix

NEVER = -1e9
"""Logit of what cannot stand; finite, so that entropies stay so."""


@dataclass(frozen=True)
class Sampler:
    """The settings of the sampler; defaults are the released model's own."""

    steps: int = 48
    entropy_bound: float = 0.1
    t_min: float = 0.4
    t_max: float = 0.8
    stability: int = 1
    confidence: float = 0.005
    seed: int = 0


def noise_of(seed: int, ids: Iterable[int], purpose: str, device: torch.device) -> torch.Generator:
    """A generator that depends on what is asked alone, so that the same request is answered the same way again."""
    said = f"{seed}:{purpose}:{','.join(map(str, ids))}"
    number = int.from_bytes(hashlib.blake2b(said.encode(), digest_size=7).digest())
    return torch.Generator(device).manual_seed(number)


@dataclass(frozen=True)
class Hold:
    """An automaton that a canvas is held to: the state it begins in, and the ids there is room for after it."""

    holder: Holder
    state: int
    room: int


@dataclass
class Row:
    """A canvas under way: where it follows, what it holds, and how far it is.

    `pinned` are ids that stand fixed, -1 where the canvas is free. `raw` are the logits of the last step.
    """

    prefix: Prefix
    sampler: Sampler
    noise: torch.Generator
    width: int
    vocabulary: int
    pinned: torch.Tensor | None = None
    hold: Hold | None = None
    step: int = 0
    finished: bool = False
    canvas: torch.Tensor = field(init=False)
    argmax: torch.Tensor = field(init=False)
    raw: torch.Tensor = field(init=False)
    condition: torch.Tensor | None = None
    history: list[torch.Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.canvas = self._pinned(self._random())

    def _random(self) -> torch.Tensor:
        return torch.randint(0, self.vocabulary, (1, self.width), generator=self.noise, device=self.noise.device)[0]

    def _pinned(self, canvas: torch.Tensor) -> torch.Tensor:
        return canvas if self.pinned is None else torch.where(self.pinned >= 0, self.pinned, canvas)

    def temperature(self) -> float:
        """The temperature of the step under way."""
        left = self.sampler.steps - self.step
        return self.sampler.t_min + (self.sampler.t_max - self.sampler.t_min) * (left / self.sampler.steps)

    def advance(self, raw: torch.Tensor, dtype: torch.dtype) -> None:
        """Take one step's logits, float32 [width, vocabulary]."""
        self.raw = raw
        scores = raw / self.temperature()
        if self.hold is not None:
            try:
                scores = self._held(scores)
            except NoCanvasError:
                self.finished = True  # to commit it will say so
                return
        chances = torch.softmax(scores, dim=-1, dtype=torch.float32)
        sampled = torch.multinomial(chances, num_samples=1, generator=self.noise)[:, 0]
        self.argmax = self._pinned(scores.argmax(dim=-1))
        entropy = torch.distributions.Categorical(logits=scores).entropy()
        ascending, order = torch.sort(entropy)
        accepted = torch.zeros_like(ascending, dtype=torch.bool)
        accepted[order] = torch.cumsum(ascending, dim=0) - ascending <= self.sampler.entropy_bound
        self.canvas = self._pinned(torch.where(accepted, sampled, self._random()))
        self.condition = scores.to(dtype)
        self.step += 1
        self.finished = self.step == self.sampler.steps or (self._is_stable() and float(entropy.mean())
                                                           < self.sampler.confidence)

    def _held(self, scores: torch.Tensor) -> torch.Tensor:
        assert self.hold is not None
        tokens, few = self._narrowed(scores)
        found = self.hold.holder.marginals(tokens, few, self.hold.state, self.hold.room)
        held = torch.full_like(scores, NEVER)
        held[:, torch.from_numpy(tokens).to(scores.device)] = torch.from_numpy(np.maximum(found, NEVER)).to(scores)
        return held

    def _narrowed(self, scores: torch.Tensor) -> tuple[Ints, npt.NDArray[np.float32]]:
        """The tokens that may take part in a held canvas, and their scores alone."""
        assert self.hold is not None
        likely = torch.topk(scores, min(LIKELY, scores.shape[-1]), dim=-1).indices.unique().cpu().numpy()
        tokens = self.hold.holder.tokens(likely)
        return tokens, scores[:, torch.from_numpy(tokens).to(scores.device)].float().cpu().numpy()

    def _is_stable(self) -> bool:
        stable = len(self.history) >= self.sampler.stability and all(
            bool((before == self.argmax).all()) for before in self.history[-self.sampler.stability :])
        self.history = [*self.history, self.argmax][-self.sampler.stability :] if self.sampler.stability else []
        return stable or not self.sampler.stability

    def committed(self) -> tuple[list[int], list[float], int]:
        """The ids that the canvas settled on, their log-probabilities at temperature 1, and the state after them."""
        state = 0
        if self.hold is None:
            ids: list[int] = self.argmax.tolist()
        else:
            ids, state = self.hold.holder.likeliest(*self._narrowed(self.raw), self.hold.state, self.hold.room)
        sure = torch.log_softmax(self.raw, dim=-1)
        return ids, sure[torch.arange(self.width), torch.tensor(ids, device=sure.device)].tolist(), state


def step(model: DiffusionGemma, rows: Sequence[Row]) -> None:
    """One denoising step of all rows, in one forward pass."""
    logits = model.logits([row.prefix for row in rows], [row.canvas for row in rows], [row.condition for row in rows])
    for row, raw in zip(rows, logits, strict=True):
        row.advance(raw, model.model.dtype)
