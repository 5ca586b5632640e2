"""Losses by name. Each takes logits (n, C) or (n, C, h, w) and targets, computes in float32 and returns a scalar.

Targets are class indices, (n,) or (n, h, w). Pixels of IGNORE_INDEX count nowhere; where nothing is left the loss is 0.
Of several ranks each holds a shard of the batch, and their mean is the loss of the whole batch, see `task.Loss`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight import distributed
from finesight.backend.device import most_precise
from finesight.classes import IGNORE_INDEX
from finesight.data.transfer import constant
from finesight.distributed import LateSum
from finesight.errors import ConfigError, DataError, suggest
from finesight.metrics.counting import count_numbers

NEVER = -1  # an index no target has
LOVASZ_LEVELS = 1 << 14  # of error that are distinguished; their counts fit into a processor's cache


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    total: Tensor | None = None,
    weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean over pixels or images, weighted by their class where weights (C,) are given.

    targets may also be probabilities (n, C), as mixing images makes them: each class then weighs by its own, and
    probabilities of 0 and 1 are the same loss as classes. An image's class is never ignored: index 255 is a class like
    any other where there are so many. total: `sum_weights` of all ranks' targets; by default of these.
    """
    weights = _place(weights, logits.device)
    rows, aims = logits.float(), targets
    if logits.ndim > 2 and torch.are_deterministic_algorithms_enabled():  # CUDA adds masks up in any order, rows in one
        rows, aims = rows.movedim(1, -1).flatten(0, -2), targets.flatten()
    loss = partial(F.cross_entropy, rows, weight=weights, reduction="sum", label_smoothing=label_smoothing)
    if targets.is_floating_point():
        own = loss(targets.float())
    else:
        own = loss(aims, ignore_index=IGNORE_INDEX if logits.ndim > 2 else NEVER)
    return _divide(own, sum_weights(targets, weights) if total is None else total)


def focal(
    logits: Tensor, targets: Tensor, *, total: Tensor | None = None, weights: Tensor | None = None, gamma: float = 2.0
) -> Tensor:
    """Cross-entropy that looks away from what is already right, by (1 - p)^gamma. Lin 2017, arXiv:1708.02002."""
    weights = _place(weights, logits.device)
    valid = _valid(targets)
    known = targets.where(valid, 0)
    log_p = logits.float().log_softmax(1).gather(1, known.unsqueeze(1)).squeeze(1)
    weight = _pixel_weights(targets, valid, weights)
    own = -(weight * (1 - log_p.exp()) ** gamma * log_p).sum()
    return _divide(own, sum_weights(targets, weights) if total is None else total)


def sum_weights(targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """By what cross-entropy and focal loss divide: the number of targets that count, each with its class's weight."""
    weights = _place(weights, targets.device)
    if not targets.is_floating_point():
        return _pixel_weights(targets, _valid(targets), weights).sum()
    probabilities = targets.float()
    return probabilities.new_full((), len(targets)) if weights is None else (probabilities @ weights).sum()


def dice(logits: Tensor, targets: Tensor) -> Tensor:
    """1 - mean over the classes present of 2Σpt / (Σp + Σt), sums over the batch. Milletari 2016, arXiv:1606.04797."""
    p, t = _class_rows(logits, targets)
    both, either, occurs = distributed.all_reduce_sum(torch.stack([(p * t).sum(1), p.sum(1) + t.sum(1), t.any(1)]))
    return _mean_over_present(1 - 2 * both / either.clamp(min=1e-6), occurs)


def lovasz(logits: Tensor, targets: Tensor) -> Tensor:
    """Lovász-softmax, a convex extension of 1 - IoU, over the batch. Berman 2018, arXiv:1705.08790.

    Pixels join the wrong ones from the largest error down, and each one's error is weighted with what 1 - IoU gains.
    Pixels whose errors differ by less than 1 / LOVASZ_LEVELS join together and share that gain, so that counting takes
    the place of the paper's sort, and the loss is off by less than that.
    """
    valid = _valid(targets)
    p = logits.float().softmax(1).flatten(2) if logits.ndim > 2 else logits.float().softmax(1)[..., None]
    truth, counts = (each.reshape(len(p), 1, p.shape[2]) for each in (targets.where(valid, 0), valid))
    slopes, at_zero, occurs = _lovasz_slopes(p.detach(), truth, counts)
    return _mean_over_present(distributed.world_size() * (at_zero + (p * slopes).sum((0, 2))), occurs)


def _lovasz_slopes(p: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of each class as a linear function of the probabilities, which it is while no pixel overtakes another.

    p: float32 (n, C, pixels); truth: class indices, valid: bool, (n, 1, pixels). Returns the slopes, as p; the classes'
    losses where p is 0 (C,), a rank's shard of them; and how many pixels there are of each class (C,), on all ranks.
    Let w pixels of the class and n others join, and `right` and `union` be the means of before and after: 1 - IoU
    gains (w·union + n·right) / (union before · union after).
    """
    num_classes, top = p.shape[1], LOVASZ_LEVELS - 1
    nowhere = num_classes * LOVASZ_LEVELS  # the place of pixels that are left out
    right_chance = p.gather(1, truth)
    left_out = ~valid | right_chance.isnan()  # NaN stays NaN in the loss, at any slope
    hit = (right_chance * top).int().add_(truth.int(), alpha=LOVASZ_LEVELS).masked_fill_(left_out, nowhere)
    place = torch.rsub(p, top, alpha=top).int()  # level of the error from the largest down, and before it the class
    place += torch.arange(num_classes, dtype=torch.int32, device=p.device)[:, None] * LOVASZ_LEVELS
    place.masked_fill_(left_out, nowhere).scatter_(1, truth, hit)
    own_wanted, own_all = (
        count_numbers(each.view(1, -1), nowhere + 1)[0, :-1].view(num_classes, LOVASZ_LEVELS) for each in (hit, place)
    )
    wanted, others = distributed.all_reduce_sum(torch.stack([own_wanted, own_all - own_wanted]))
    precise = most_precise(p.device)
    right, wrong = (each.cumsum(1) - each.to(precise) / 2 for each in (wanted, others))  # sums of integers are exact
    occurs = wanted.sum(1, keepdim=True)
    union = occurs + others.cumsum(1)
    unions = ((union - others) * union).clamp(min=1)
    gains = torch.stack([(occurs + wrong) / unions, (occurs - right) / unions]).float()
    of_wanted, of_others = torch.cat([gains.flatten(1), gains.new_zeros(2, 1)], 1)  # nowhere weighs nothing
    slopes = of_others.index_select(0, place.flatten()).view(p.shape)
    slopes.scatter_(1, truth, -of_wanted[hit])
    return slopes, (own_wanted * gains[0]).sum(1), occurs.squeeze(1)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
    "lovasz": lovasz,
}


@dataclass(frozen=True)
class BatchLoss:
    """A `task.Loss`. measure: from logits, targets and the sum of the weights of all ranks' targets; weigh: that sum
    for the targets of one rank.
    """

    measure: Callable[[Tensor, Tensor, Tensor], Tensor]
    weigh: Callable[[Tensor], Tensor]

    def start(self, targets: Tensor) -> LateSum:
        return LateSum(self.weigh(targets))

    def __call__(self, logits: Tensor, targets: Tensor, total: LateSum | None = None) -> Tensor:
        return self.measure(logits, targets, (total or self.start(targets)).wait())

    def after(self, change: Callable[[Tensor], Tensor]) -> "BatchLoss":
        """The loss of targets that are changed before."""
        return BatchLoss(
            lambda logits, targets, total: self.measure(logits, change(targets), total),
            lambda targets: self.weigh(change(targets)),
        )


def parse_loss(name: str, *, weights: Tensor | None = None, label_smoothing: float = 0.0) -> BatchLoss:
    """The loss of a name such as `cross_entropy+lovasz`: the sum of the terms.

    weights and label_smoothing go to the terms that know them. Raises ConfigError for an unknown name, or where no
    term does.
    """
    terms = [_find_loss(term.strip()) for term in name.split("+")]
    options = {"weights": weights, "label_smoothing": label_smoothing or None}
    for option in (option for option, value in options.items() if value is not None):
        if not any(option in inspect.signature(term).parameters for term in terms):
            setting = {"weights": "loss.class_weights"}.get(option, f"loss.{option}")
            raise ConfigError(f"{setting} has no effect on loss {name!r}: add a cross_entropy term or leave it out.")
    known = [inspect.signature(term).parameters for term in terms]

    def measure(logits: Tensor, targets: Tensor, total: Tensor) -> Tensor:
        given = {name: value for name, value in (options | {"total": total}).items() if value is not None}
        parts = []
        for term, names in zip(terms, known, strict=True):
            parts.append(term(logits, targets, **{name: value for name, value in given.items() if name in names}))
        return torch.stack(parts).sum()

    return BatchLoss(measure, partial(sum_weights, weights=weights))


def check_takes_probabilities(name: str) -> None:
    """Raises ConfigError unless every term takes class probabilities for targets, as mixing images makes them."""
    others = [term for term in map(str.strip, name.split("+")) if _find_loss(term) is not cross_entropy]
    if others:
        raise ConfigError(f"Loss {others[0]!r} needs one class per target; with mixup or cutmix use cross_entropy.")


def _find_loss(name: str) -> Callable[..., Tensor]:
    if name not in LOSSES:
        hint = suggest(name, LOSSES, f"There are {', '.join(LOSSES)}, and sums of them joined by +.")
        raise ConfigError(f"No loss {name!r}. {hint}")
    return LOSSES[name]


def class_weights(counts: Tensor, kind: Literal["none", "inverse", "effective"]) -> Tensor | None:
    """Weight of each class, float32 (C,), from how often it occurs; None for none.

    inverse: 1/n. effective: (1 - β) / (1 - βⁿ), Cui 2019, arXiv:1901.05555, with β = 1 - 1/N for N targets in all;
    the paper's 0.9999 is that for its 10,000 images, and for N pixels a constant β would make all weights equal.
    The mean over classes that occur is 1; the others weigh 0. Raises DataError where none occurs.
    """
    if kind == "none":
        return None
    occurs = counts > 0
    if not occurs.any():
        raise DataError("Class weights need targets to count, and the training split has none.")
    present = counts[occurs].double()
    if kind == "effective":
        present = -torch.expm1(present * torch.log1p(-1 / present.sum()))  # 1 - βⁿ; the constant 1 - β cancels
    weights = torch.zeros(len(counts), dtype=torch.float64)
    weights[occurs] = 1 / present
    return (weights / weights[occurs].mean()).float()


def _place(weights: Tensor | None, device: torch.device) -> Tensor | None:
    """float32 (C,), the same tensor each time."""
    return None if weights is None else constant(tuple(weights.tolist()), device)


def _valid(targets: Tensor) -> Tensor:
    """Which targets count: all of a classification's (n,), and pixels (n, h, w) that are not IGNORE_INDEX."""
    return targets != IGNORE_INDEX if targets.ndim > 1 else torch.ones_like(targets, dtype=torch.bool)


def _pixel_weights(targets: Tensor, valid: Tensor, weights: Tensor | None) -> Tensor:
    """float32, as targets; 0 where ignored."""
    return valid.float() if weights is None else weights[targets.where(valid, 0)] * valid


def _class_rows(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities float32 and truth bool, both (C, pixels of the batch), 0 at ignored pixels."""
    num_classes = logits.shape[1]
    valid = _valid(targets).flatten()
    p = logits.float().softmax(1).movedim(1, 0).reshape(num_classes, -1)
    t = targets.flatten() == torch.arange(num_classes, device=targets.device)[:, None]
    return p * valid, t & valid


def _mean_over_present(values: Tensor, occurs: Tensor) -> Tensor:
    """Mean of a value a class (C,) over the classes of which there are pixels, occurs (C,) of them; 0 without any."""
    present = occurs > 0
    return (values * present).sum() / present.sum().clamp(min=1)


def _divide(own: Tensor, total: Tensor) -> Tensor:
    return distributed.world_size() * own / torch.where(total > 0, total, 1)
