"""The contract over LOSSES, then each loss against its definition."""

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
    LOSSES,
    check_takes_probabilities,
    class_weights,
    cross_entropy,
    dice,
    focal,
    lovasz,
    parse_loss,
)

NAMES = [*LOSSES, "cross_entropy+lovasz"]
CLASSES = 4


def scene(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (2, 4, 5, 6) and masks in which some pixels are ignored and class 3 never occurs."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, CLASSES, 5, 6, generator=generator)
    targets = torch.randint(0, CLASSES - 1, (2, 5, 6), generator=generator)
    targets[:, :2, :3] = IGNORE_INDEX
    return logits, targets


def perfect(targets: Tensor) -> Tensor:
    return 50.0 * F.one_hot(targets.where(targets != IGNORE_INDEX, 0), CLASSES).movedim(-1, 1).float()


# --- contract


@pytest.mark.parametrize("name", NAMES)
def test_finite_positive_and_differentiable(name: str) -> None:
    logits, targets = scene()
    logits.requires_grad_()
    loss = parse_loss(name)(logits, targets)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert 0 < loss < 10
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_makes_the_loss_none(name: str, value: float) -> None:
    """Training looks at its loss and names the images; an error from inside a loss would name none."""
    logits, targets = scene()
    logits[1, 2, 3, 3] = value
    assert parse_loss(name)(logits, targets).isnan()


@pytest.mark.parametrize("name", NAMES)
def test_masks_may_lie_in_memory_in_any_order(name: str) -> None:
    logits, targets = scene()
    turned = targets.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(parse_loss(name)(logits, turned), parse_loss(name)(logits, targets))


@pytest.mark.parametrize("name", NAMES)
def test_a_step_against_the_gradient_helps(name: str) -> None:
    logits, targets = scene()
    compute = parse_loss(name)
    start = compute(logits, targets)
    for _ in range(200):
        logits = logits.detach().requires_grad_()
        compute(logits, targets).backward()
        assert logits.grad is not None
        logits = logits - 5 * logits.grad
    assert compute(logits, targets) < 0.3 * start
    right = (logits.argmax(1) == targets)[targets != IGNORE_INDEX]
    assert right.float().mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_zero_when_perfect(name: str) -> None:
    targets = scene()[1]
    assert parse_loss(name)(perfect(targets), targets) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_ignored_pixels_count_nowhere(name: str) -> None:
    logits, targets = scene()
    ignored = (targets == IGNORE_INDEX).unsqueeze(1).expand_as(logits)
    other = logits.where(~ignored, 30 * torch.randn_like(logits)).requires_grad_()
    loss = parse_loss(name)(other, targets)
    torch.testing.assert_close(loss, parse_loss(name)(logits, targets))
    loss.backward()
    assert other.grad is not None
    assert not other.grad[ignored].any()


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 1.0, 0.0])])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_left_is_zero_with_zero_gradient(name: str, weights: Tensor | None) -> None:
    if weights is not None and name in ("dice", "lovasz"):
        pytest.skip("takes no class weights")
    logits = torch.randn(2, CLASSES, 3, 3, requires_grad=True)
    loss = parse_loss(name, weights=weights)(logits, torch.full((2, 3, 3), IGNORE_INDEX))
    assert loss == 0
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_float32_whatever_comes_in(name: str, dtype: torch.dtype) -> None:
    logits, targets = scene()
    low = logits.to(dtype)
    loss = parse_loss(name)(low, targets)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, parse_loss(name)(low.float(), targets))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss, parse_loss(name)(low, targets))


@pytest.mark.parametrize("name", NAMES)
def test_memory_layout_does_not_matter(name: str) -> None:
    logits, targets = scene()
    compute = parse_loss(name)
    torch.testing.assert_close(
        compute(logits.contiguous(memory_format=torch.channels_last), targets), compute(logits, targets)
    )


@pytest.mark.parametrize("name", NAMES)
def test_images_are_never_ignored(name: str) -> None:
    """With 300 classes, 255 is one of them."""
    logits = torch.zeros(2, 300)
    logits[:, IGNORE_INDEX] = 50.0
    compute = parse_loss(name)
    assert compute(logits, torch.tensor([IGNORE_INDEX, IGNORE_INDEX])) < 1e-5
    assert compute(logits, torch.tensor([7, 7])) > 0.5


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
