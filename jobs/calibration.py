"""How sure an engine may be of its labels, learnt from reviews: one temperature a question, by which its
log-probabilities are divided (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15
"""Bins of equal width over which the calibration error is taken, as in Guo et al."""

LEAST, MOST = 0.05, 20.0
"""Bounds of a temperature."""

ROUNDS = 40
"""Steps of the search for it, each of which leaves 0.618 of the interval."""

FLOOR = 1e-9
"""Probability that a label has at least: an engine's zero may be wrong too."""


@dataclass(frozen=True)
class Sample:
    """A reviewed label: the engine's probabilities, which of them it chose, and which is right, as indices."""

    shares: tuple[float, ...]
    chosen: int
    right: int


def _logits(shares: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    return np.log(np.maximum(np.array(shares, np.float64), FLOOR))


def _shares(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Softmax over the last axis."""
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    found: npt.NDArray[np.float64] = weights / weights.sum(-1, keepdims=True)
    return found


def tempered(shares: Sequence[float], temperature: float) -> list[float]:
    """Probabilities at a temperature; 1 leaves them as they are, a higher one brings them closer together."""
    found: list[float] = _shares(_logits([shares]) / temperature)[0].tolist()
    return found


def fit(samples: Sequence[Sample]) -> float:
    """The temperature at which the reviewed labels are likeliest, by golden-section search over its logarithm.

    The loss has one minimum, being convex in the inverse temperature. A right label counts (n + 1) / (n + 2), the
    others share the rest: where all of few reviews are right, that does not make an engine certain (Platt 1999,
    "Probabilistic outputs for support vector machines", section 2.2).
    """
    sure = (len(samples) + 1) / (len(samples) + 2)
    groups = []
    for labels in {len(sample.shares) for sample in samples}:
        own = [sample for sample in samples if len(sample.shares) == labels]
        targets = np.full((len(own), labels), (1 - sure) / (labels - 1))
        targets[range(len(own)), [sample.right for sample in own]] = sure
        groups.append((_logits([sample.shares for sample in own]), targets))

    def loss(place: float) -> float:
        return -sum(float((targets * np.log(np.maximum(_shares(logits / math.exp(place)), FLOOR))).sum())
                    for logits, targets in groups)

    ratio = (math.sqrt(5) - 1) / 2
    low, high = math.log(LEAST), math.log(MOST)
    for _ in range(ROUNDS):
        inner, outer = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, outer) if loss(inner) < loss(outer) else (inner, high)
    return math.exp((low + high) / 2)


def calibration_error(samples: Sequence[Sample], temperature: float) -> float:
    """The expected calibration error, 0..1: how far, over bins of confidence, it is from the share that is right."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for sample in samples:
        sure = tempered(sample.shares, temperature)[sample.chosen]
        bins[min(BINS - 1, int(sure * BINS))].append((sure, sample.chosen == sample.right))
    return sum(abs(sum(sure for sure, _ in each) - sum(right for _, right in each)) for each in bins) / len(samples)
