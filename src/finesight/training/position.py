"""Where a training is: what its checkpoint holds beside tensors, which epoch is best, how an epoch is reported."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from finesight.metrics.confusion import LOWER_IS_BETTER

ROUNDING = 1e-9  # 0.9 - 0.8 is more than 0.1 by 3e-17


def choose_tie(tie: str, name: str, known: Collection[str]) -> Literal["log_loss", "first"]:
    """What `auto` stands for. name: the metric that judges. known: the metrics that the task measures."""
    if tie == "first" or (tie == "auto" and (name in LOWER_IS_BETTER or "log_loss" not in known)):
        return "first"
    return "log_loss"


def _find_score(metrics: Mapping[str, float], name: str) -> float:
    """The score that is compared: higher is better, and anything is better than NaN."""
    value = metrics[name]
    if math.isnan(value):
        return -math.inf
    return -value if name in LOWER_IS_BETTER else value


@dataclass
class Position:
    """Where training is. epoch: from 1; step: batches of it that are done.

    micro_batch_multiplier: doubled whenever memory is too small, so that a batch is computed in optim.accumulate times
    as many micro-batches.
    """

    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    num_seen: int = 0
    best: float = -math.inf  # score of the epoch that is kept
    best_epoch: int = 0  # the one that is kept
    metrics: dict[str, float] = field(default_factory=dict)  # of the best epoch
    highest: float = -math.inf  # score of any epoch; above `best` where a lower log loss was kept instead
    highest_epoch: int = 0
    micro_batch_multiplier: int = 1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Position":
        """What `asdict` gave, or a version before this one, which kept the highest score and counted `halvings`."""
        old = {"highest": values["best"], "highest_epoch": values["best_epoch"]}
        old["micro_batch_multiplier"] = 2 ** values.get("halvings", 0)
        return cls(**{name: value for name, value in (old | dict(values)).items() if name != "halvings"})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def loss(self) -> float:
        """The epoch's mean so far."""
        return self.loss_sum / max(self.num_seen, 1)

    def judge(self, metrics: dict[str, float], name: str, num_images: int, tie: str) -> bool:
        """Whether this epoch is to be kept as best; remembers that, and the highest score.

        name: of the metric that decides. num_images: of the validation split. tie: checkpoint.tie. `first` keeps the
        highest score. `log_loss` keeps the lower log loss between epochs whose scores are equal, or at most one image
        below the highest: one image is luck, while the log loss is a mean over the probabilities of all images.
        """
        score = _find_score(metrics, name)
        if score > self.highest:
            self.highest, self.highest_epoch = score, self.epoch
        if self.metrics:
            before = _find_score(self.metrics, name)
            is_better = score > before
            if tie == "log_loss":
                limit = self.highest - (ROUNDING + (0 if name in LOWER_IS_BETTER else 1 / num_images))
                is_better = score >= limit and (before < limit or metrics["log_loss"] < self.metrics["log_loss"])
            if not is_better:
                return False
        self.best, self.best_epoch, self.metrics = score, self.epoch, metrics
        return True

    def next_epoch(self) -> "Position":
        return replace(self, epoch=self.epoch + 1, step=0, loss_sum=0.0, num_seen=0)

    def describe(self, epochs: int, metrics: Mapping[str, float], images_per_second: float, is_best: bool) -> str:
        """The line that a person reads after an epoch."""
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if "/" not in name)
        loss, rate = f"loss {self.loss:.4f}", f"{images_per_second:.0f} images/s"
        return f"Epoch {self.epoch}/{epochs}  {loss}  {shown}  {rate}{self._mark(is_best)}"

    def _mark(self, is_best: bool) -> str:
        """Says why, where the kept epoch is not the one of the highest score."""
        if is_best and self.highest_epoch != self.epoch:
            return f"  ★ best: lower log loss, score within one image of epoch {self.highest_epoch}"
        if not is_best and self.highest_epoch == self.epoch:
            return f"  (epoch {self.best_epoch} is kept: lower log loss, score within one image of this)"
        return "  ★ best" if is_best else ""


@dataclass
class Clock:
    """When the steps of an epoch began in this process, and how many images they trained on."""

    started: float = 0.0
    num_images: int = 0
