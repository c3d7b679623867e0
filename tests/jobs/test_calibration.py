"""Temperatures: what they do to probabilities, that they are found again, and what is left of the error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.calibration import Sample, calibration_error, fit, tempered

SHARES = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=6).map(lambda found: [each / sum(found) for each in found])


@given(SHARES, st.floats(0.05, 20.0))
def test_a_temperature_keeps_the_order_and_draws_probabilities_together_or_apart(
        shares: list[float], temperature: float) -> None:
    found = tempered(shares, temperature)
    assert sum(found) == pytest.approx(1)
    assert found[shares.index(max(shares))] == pytest.approx(max(found))
    assert (max(found) - max(shares)) * (temperature - 1) <= 1e-9
    assert tempered(found, 1 / temperature) == pytest.approx(shares, abs=1e-4) or min(found) < 1e-8
    assert tempered(shares, 1.0) == pytest.approx(shares)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_by_which_an_engine_is_off_is_found_again(temperature: float) -> None:
    chance = np.random.default_rng(7)
    samples = []
    for logits in chance.normal(0, 1.5, (2000, 4)):
        true = np.exp(logits) / np.exp(logits).sum()
        said = tempered(true.tolist(), 1 / temperature)
        samples.append(Sample(tuple(said), int(np.argmax(said)), int(chance.choice(4, p=true))))
    assert fit(samples) == pytest.approx(temperature, rel=0.1)
    before, after = (calibration_error(samples, each) for each in (1.0, fit(samples)))
    assert after < 0.03
    assert before < after + 0.01 if temperature == 1.0 else before > 0.1


@given(st.integers(1, 500), st.floats(0.55, 0.95))
def test_reviews_that_are_all_right_make_an_engine_no_surer_than_their_number(count: int, sure: float) -> None:
    samples = [Sample((sure, 1 - sure), 0, 0)] * count
    expected = (count + 1) / (count + 2)
    bound = tempered((sure, 1 - sure), 0.05)[0]
    assert tempered((sure, 1 - sure), fit(samples))[0] == pytest.approx(min(expected, bound), abs=1e-3)


def test_the_calibration_error_is_the_gap_between_confidence_and_the_share_that_is_right() -> None:
    right, wrong = Sample((0.75, 0.25), 0, 0), Sample((0.75, 0.25), 0, 1)
    assert calibration_error([right] * 3 + [wrong], 1.0) == pytest.approx(0.0)
    assert calibration_error([wrong] * 4, 1.0) == pytest.approx(0.75)
    sure = Sample((1.0, 0.0), 0, 0)
    assert calibration_error([right, right, wrong, wrong, sure, sure], 1.0) == pytest.approx(4 / 6 * 0.25)


def test_an_answer_that_was_not_the_likeliest_counts_by_its_own_probability() -> None:
    assert calibration_error([Sample((0.2, 0.8), 0, 0)], 1.0) == pytest.approx(0.8)


def test_certainty_can_be_wrong() -> None:
    assert math.isfinite(fit([Sample((1.0, 0.0), 0, 1)] * 3))
