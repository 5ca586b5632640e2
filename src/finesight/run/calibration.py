"""calibration.json: how far a run's probabilities can be trusted, and the temperature that mends them."""

from dataclasses import asdict, dataclass

from finesight.errors import RunError
from finesight.run import schema
from finesight.run.folder import RunFolder

NUM_BINS = 15  # as in Guo et al.
COLDEST, HOTTEST = 0.05, 20.0  # range of the temperature
ECE = (
    "expected calibration error: |accuracy - mean confidence| of the samples in each fifteenth of confidence, "
    "mean weighted by their number; confidence is the prediction's softmax probability, 0 is perfect (Naeini et al., "
    "2015; Guo et al., 2017)"
)


@dataclass(frozen=True)
class Bin:
    """Predictions with a confidence in one fifteenth of 0-1. confidence, accuracy: their means; 0 if there are none."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """ece: expected calibration error, 0-1: see `measure_reliability`."""

    ece: float
    bins: tuple[Bin, ...]

    @property
    def confidence(self) -> float:
        """Mean over all predictions."""
        return sum(each.count * each.confidence for each in self.bins) / sum(each.count for each in self.bins)

    @property
    def accuracy(self) -> float:
        return sum(each.count * each.accuracy for each in self.bins) / sum(each.count for each in self.bins)


@dataclass(frozen=True)
class Calibration:
    """Effect on a split's confidences of dividing logits by `temperature`.

    after: each half of the images with the temperature fitted on the other half, so that nothing is measured on what
    it was fitted to. unit: what is counted, `image` or `pixel`; num_samples: how many.
    """

    temperature: float
    split: str
    unit: str
    num_samples: int
    before: Reliability
    after: Reliability

    @property
    def all_right(self) -> bool:
        """Then no temperature can be fitted: see `fit_temperature`."""
        return self.before.accuracy == 1

    @property
    def why_not(self) -> str:
        """Why the temperature cannot be used; empty if it can."""
        if self.all_right:
            return "all predictions are correct, so the right confidence is unknown"
        if not COLDEST < self.temperature < HOTTEST:
            return f"the likelihood has no optimum between {COLDEST} and {HOTTEST:g}"
        if self.after.ece > self.before.ece:
            return f"it makes the expected calibration error worse, from {self.before.ece:.4f} to {self.after.ece:.4f}"
        return ""

    @property
    def usable(self) -> float:
        """The temperature to divide logits by: 1 if the fitted one cannot be used."""
        return 1.0 if self.why_not else self.temperature

    def describe(self) -> str:
        offered = f"and {self.after.ece:.4f} with temperature {self.temperature:.3f}"
        refused = f"and no usable temperature: {self.why_not}"
        return f"Calibration: expected calibration error {self.before.ece:.4f}, {refused if self.why_not else offered}."

    def save(self, run: RunFolder, tta: bool = False) -> None:
        """Writes calibration.json. tta: of test-time augmentation, calibration_tta.json."""
        said = {"not_offered_because": self.why_not, "definitions": {"ece": ECE}}
        run.write_json(schema.calibration(tta), {**asdict(self), **said})

    @classmethod
    def load(cls, run: RunFolder, tta: bool = False) -> "Calibration | None":
        """None if the run is not calibrated yet. Raises RunError if the file is damaged."""
        path = run.path / schema.calibration(tta)
        if not path.exists():
            return None
        value = run.read_json(path.name)
        for name in ("not_offered_because", "definitions"):
            value.pop(name, None)
        try:
            for side in ("before", "after"):
                bins = tuple(Bin(**each) for each in value[side]["bins"])
                value[side] = Reliability(float(value[side]["ece"]), bins)
            return cls(**value)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} is damaged: {error!r}. Remove it; `finesight evaluate{' --tta' * tta}` makes another."
            ) from None
