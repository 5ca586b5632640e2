"""The chosen rate lies a factor below where the loss is lowest, on noisy curves too, and a test leaves no trace."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from trainers import Make, weights_of

from finesight.config import AUTO
from finesight.training.range_test import (
    BELOW_MINIMUM,
    FEWEST,
    LEAST_FALL,
    RangeTest,
    choose_rate,
    find_rate,
    has_diverged,
    smooth,
)

RATES = np.geomspace(1e-6, 0.1, FEWEST).tolist()
DEFAULT = 5e-4


def draw(noise: float, seed: int) -> list[float]:
    """A loss that falls from 1e-4 on, is lowest at 1e-2, and grows from there."""
    places = np.log10(RATES)
    curve = 4 - 1.2 / (1 + np.exp(-4 * (places + 3))) + 4 * np.maximum(places + 1.9, 0) ** 2
    noisy: list[float] = (curve + noise * np.random.default_rng(seed).standard_normal(len(RATES))).tolist()
    return noisy


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_the_choice_by_little(noise: float, seed: int) -> None:
    chosen, why = choose_rate(RATES, smooth(RATES, draw(noise, seed)), DEFAULT)
    assert abs(math.log10(chosen * BELOW_MINIMUM / 1e-2)) < 0.5
    assert "lowest" in why


def test_a_loss_that_never_falls_keeps_the_default() -> None:
    flat = (4 + 0.5 * LEAST_FALL * np.random.default_rng(0).standard_normal(FEWEST)).tolist()
    chosen, why = choose_rate(RATES, smooth(RATES, flat), DEFAULT)
    assert chosen == DEFAULT
    assert "default is kept" in why
    assert choose_rate([], [], DEFAULT)[0] == DEFAULT


def test_divergence_is_seen_over_several_steps() -> None:
    assert not has_diverged([4, 3, 2, 2, 9])
    assert has_diverged([4, 3, 2, 2, 9, 9])
    assert not has_diverged([])


def test_a_test_leaves_no_trace(make: Make) -> None:
    """Of twelve images in steps of four: each rate one step, over several passes."""
    trainer = make(augment__flip=0.5)
    optim = replace(trainer.job.settings.optim, lr=AUTO["optim.lr"])
    job = replace(trainer.job, settings=replace(trainer.job.settings, optim=optim))
    weights, generator = weights_of(trainer), torch.get_rng_state()
    test = find_rate(job)
    assert isinstance(test, RangeTest)
    assert len(test.rates) == len(test.losses) == len(test.smoothed) <= FEWEST
    assert test.rates[0] == pytest.approx(1e-6)
    assert test.chosen > 0
    assert test == find_rate(job)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in weights_of(trainer).items())
