"""Each loss against its definition, its name and its options."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.errors import ConfigError, DataError
from finesight.training.losses import (
    check_takes_probabilities,
    class_weights,
    cross_entropy,
    dice,
    focal,
    lovasz,
    parse_loss,
)
from mask_logits import CLASSES, perfect, scene

# --- names


def test_a_sum_is_the_sum_of_its_terms() -> None:
    logits, targets = scene()
    whole = parse_loss("cross_entropy + dice+lovasz")(logits, targets)
    torch.testing.assert_close(whole, cross_entropy(logits, targets) + dice(logits, targets) + lovasz(logits, targets))


def test_options_reach_the_terms_that_know_them() -> None:
    logits, targets = scene()
    weights = torch.tensor([1.0, 2.0, 0.5, 0.5])
    whole = parse_loss("cross_entropy+focal+dice", weights=weights, label_smoothing=0.1)(logits, targets)
    parts = cross_entropy(logits, targets, weights=weights, label_smoothing=0.1)
    parts = parts + focal(logits, targets, weights=weights) + dice(logits, targets)
    torch.testing.assert_close(whole, parts)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lovas", {}, r"Did you mean 'lovasz'\?"),
        ("cross_entropy+", {}, "There are cross_entropy"),
        ("dice", {"weights": torch.ones(4)}, r"loss\.class_weights has no effect"),
        ("focal", {"label_smoothing": 0.1}, r"loss\.label_smoothing has no effect"),
    ],
)
def test_what_cannot_be_is_one_sentence(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_loss(name, **options)


@pytest.mark.parametrize("name", ["focal", "dice", "lovasz", "cross_entropy+lovasz"])
def test_mixed_images_need_cross_entropy(name: str) -> None:
    with pytest.raises(ConfigError, match="use cross_entropy"):
        check_takes_probabilities(name)


def test_cross_entropy_takes_mixed_images() -> None:
    check_takes_probabilities("cross_entropy")
    assert parse_loss("cross_entropy")(torch.zeros(2, CLASSES), torch.full((2, CLASSES), 0.25)) == pytest.approx(
        1.3863, abs=1e-4
    )


# --- cross-entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 0.5])])
def test_cross_entropy_is_torchs_mean(weights: Tensor | None, smoothing: float) -> None:
    logits, targets = scene()
    expected = F.cross_entropy(logits, targets, weight=weights, ignore_index=IGNORE_INDEX, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, targets, weights=weights, label_smoothing=smoothing), expected)


def test_soft_targets_are_torchs_too() -> None:
    logits, soft = torch.randn(5, CLASSES), torch.rand(5, CLASSES).softmax(1)
    torch.testing.assert_close(cross_entropy(logits, soft), F.cross_entropy(logits, soft))
    hard = torch.tensor([0, 1, 2, 3, 0])
    torch.testing.assert_close(
        cross_entropy(logits, F.one_hot(hard, CLASSES).float(), label_smoothing=0.1),
        cross_entropy(logits, hard, label_smoothing=0.1),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_soft_targets_are_a_weighted_mean(smoothing: float) -> None:
    """So nothing jumps when mixing ends, and a batch without a rare class counts no less than one with it."""
    logits, hard = torch.randn(6, CLASSES), torch.tensor([0, 1, 2, 3, 0, 0])
    weights = torch.tensor([0.1, 2.0, 0.5, 5.0])
    compute = parse_loss("cross_entropy", weights=weights, label_smoothing=smoothing)
    torch.testing.assert_close(compute(logits, F.one_hot(hard, CLASSES).float()), compute(logits, hard))
    soft = torch.rand(6, CLASSES).softmax(1)
    by_hand = -(weights * soft * logits.log_softmax(1)).sum() / (weights * soft).sum()
    torch.testing.assert_close(cross_entropy(logits, soft, weights=weights), by_hand)
    unseen = torch.tensor([0.0, 1.0, 1.0, 1.0])  # a class without a training image, and nothing else in the batch
    nothing = cross_entropy(logits[:1], F.one_hot(hard[:1], CLASSES).float(), weights=unseen)
    assert nothing == 0


# --- focal


def test_focal_by_hand() -> None:
    """p = 3/4 and 1/4: FL = (1/16 · ln 4/3 + 9/16 · ln 4) / 2."""
    logits = torch.tensor([[3.0, 1.0], [3.0, 1.0]]).log()
    ln43, ln4 = torch.tensor(4 / 3).log(), torch.tensor(4.0).log()
    torch.testing.assert_close(focal(logits, torch.tensor([0, 1])), (ln43 / 16 + 9 * ln4 / 16) / 2)
    weights = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(focal(logits, torch.tensor([0, 1]), weights=weights), (ln43 / 16 + 27 * ln4 / 16) / 4)


def test_focal_without_focus_is_cross_entropy() -> None:
    logits, targets = scene()
    torch.testing.assert_close(focal(logits, targets, gamma=0.0), cross_entropy(logits, targets))


# --- dice


def test_dice_by_hand() -> None:
    """Two pixels of classes 0 and 1 with p = (3/4, 1/4) each: dice 2·¾/(1½+1) = .6 and 2·¼/(½+1) = 1/3."""
    logits = torch.tensor([3.0, 1.0]).log()[None, :, None, None].expand(1, 2, 1, 2)
    expected = 1 - torch.tensor((0.6 + 1 / 3) / 2)
    torch.testing.assert_close(dice(logits, torch.tensor([[[0, 1]]])), expected)


# --- Lovász


def jaccard_loss(wrong: Tensor, truth: Tensor) -> float:
    """1 - IoU of the class when exactly the pixels `wrong` are mispredicted: |wrong| / |truth or wrong|."""
    union = (truth | wrong).sum().item()
    return wrong.sum().item() / union if union else 0.0


def lovasz_extension(errors: Tensor, truth: Tensor) -> float:
    """∫₀¹ Δ({pixels with error ≥ θ}) dθ: the Lovász extension as a mean over thresholds, no sorting of pixels."""
    edges = sorted({0.0, *errors.tolist(), 1.0})
    return sum((high - low) * jaccard_loss(errors >= high, truth) for low, high in itertools.pairwise(edges))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 4), st.booleans())
def test_lovasz_is_its_definition(seed: int, pixels: int, num_classes: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, num_classes, 1, pixels, generator=generator)
    if ties:
        logits = logits.round()
    targets = torch.randint(0, num_classes, (1, 1, pixels), generator=generator)
    p, truth = logits[0, :, 0].softmax(0), targets[0, 0]
    expected = [
        lovasz_extension(((truth == c).float() - p[c]).abs(), truth == c)
        for c in range(num_classes)
        if (truth == c).any()
    ]
    assert lovasz(logits, targets).item() == pytest.approx(sum(expected) / len(expected), abs=1e-4)


def test_lovasz_of_hard_answers_is_one_minus_iou() -> None:
    targets = torch.tensor([[[0, 0, 0, 1, 1, 2]]])
    answers = torch.tensor([[[0, 0, 1, 1, 1, 0]]])  # IoU 2/4, 2/3, 0
    assert lovasz(perfect(answers), targets).item() == pytest.approx(1 - (1 / 2 + 2 / 3 + 0) / 3)


# --- class weights


def test_inverse_and_effective_weights() -> None:
    counts = torch.tensor([10, 0, 30, 60])
    assert class_weights(counts, "none") is None
    inverse = class_weights(counts, "inverse")
    assert inverse is not None
    torch.testing.assert_close(inverse, torch.tensor([6.0, 0.0, 2.0, 1.0]) / 3)
    effective = class_weights(counts, "effective")
    beta = 1 - 1 / 100
    raw = torch.tensor([(1 - beta) / (1 - beta**n) if n else 0.0 for n in counts.tolist()])
    assert effective is not None
    torch.testing.assert_close(effective, raw / (raw.sum() / 3))
    assert inverse[0] > effective[0] > effective[2] > effective[3] > inverse[3]


@pytest.mark.parametrize("kind", ["inverse", "effective"])
def test_weights_have_mean_one_over_classes_that_occur(kind: str) -> None:
    for counts in ([1], [1, 1], [5, 0, 5], [300_000_000, 1, 40, 0], [7_000_000_000, 2_000_000_000]):
        weights = class_weights(torch.tensor(counts), kind)  # type: ignore[arg-type]
        assert weights is not None
        assert weights.dtype == torch.float32
        assert weights.isfinite().all()
        assert weights[torch.tensor(counts) > 0].mean().item() == pytest.approx(1)
        assert not weights[torch.tensor(counts) == 0].any()


def test_weights_need_something_to_count() -> None:
    with pytest.raises(DataError, match="training split has none"):
        class_weights(torch.zeros(3), "inverse")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_deterministic_way_is_the_same_loss(smoothing: float) -> None:
    logits = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.arange(60).reshape(2, 5, 6) % 4
    targets[0, 0] = IGNORE_INDEX
    results = []
    for is_deterministic in (False, True):
        torch.use_deterministic_algorithms(is_deterministic)
        try:
            loss = cross_entropy(logits, targets, weights=torch.tensor([1.0, 2, 3, 4]), label_smoothing=smoothing)
        finally:
            torch.use_deterministic_algorithms(False)
        results.append((loss, *torch.autograd.grad(loss, logits)))
    torch.testing.assert_close(results[1], results[0])
