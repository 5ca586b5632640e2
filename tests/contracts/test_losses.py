"""What every loss of LOSSES must do, and a sum of two."""

import pytest
import torch
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.training.losses import LOSSES, parse_loss
from mask_logits import CLASSES, perfect, scene

NAMES = [*LOSSES, "cross_entropy+lovasz"]


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
