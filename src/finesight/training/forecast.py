"""How long a training will take, from what its parts cost."""

from dataclasses import dataclass

from finesight.config import Preprocessing, Settings
from finesight.training.augmentation import training_size
from finesight.training.feature_cache import count_variants

CLOSING_S = 2.0  # to load the best weights and write the last files, beside a validation


@dataclass(frozen=True)
class Costs:
    """Seconds. first_step_s: of a step at the size of epoch 1; step_s: at the full size.

    epoch_s: validation and checkpoints of an epoch. features_s: of one variant, where features are cached.
    """

    first_step_s: float
    step_s: float
    epoch_s: float
    features_s: float = 0.0

    @property
    def closing_s(self) -> float:
        """After the last epoch."""
        return self.epoch_s + CLOSING_S


@dataclass(frozen=True)
class Forecast:
    """How long some steps of a training take. preprocessing: of its model."""

    costs: Costs
    preprocessing: Preprocessing
    steps_per_epoch: int

    def seconds(self, settings: Settings, begun: int, until: int) -> float:
        """From step `begun` to step `until` of the whole training, with what follows each epoch, if only a part of it.

        settings: with its plan. An epoch that is begun already needs no features.
        """
        total, steps = 0.0, self.steps_per_epoch
        variants = count_variants(settings) if self.costs.features_s else 0
        for epoch in range(begun // steps + 1, -(-until // steps) + 1):
            first, last = max(begun, (epoch - 1) * steps), min(until, epoch * steps)
            total += (last - first) * self.step_seconds(settings, epoch) + self.costs.epoch_s
            if epoch <= variants and first == (epoch - 1) * steps:
                total += self.costs.features_s
        return total

    def step_seconds(self, settings: Settings, epoch: int) -> float:
        """By the number of pixels, between that of the first size and the full one."""
        if settings.image.first_size is None:
            return self.costs.step_s
        sizes = (training_size(settings, self.preprocessing, each) for each in (1, epoch))
        (least, pixels), most = (h * w for h, w in sizes), self.preprocessing.size[0] * self.preprocessing.size[1]
        grown = (pixels - least) / (most - least) if most > least else 1.0
        return self.costs.first_step_s + grown * (self.costs.step_s - self.costs.first_step_s)
