"""What a check of a run is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from finesight.analysis.distance import Floats, Indices, find_nearest, most_neighbours, normalise_rows
from finesight.analysis.evidence import Evidence
from finesight.analysis.features import Features, load_features
from finesight.analysis.probabilities import Probabilities
from finesight.analysis.projection import elect
from finesight.checks.contract import NotApplicable
from finesight.data.duplicates import Duplicates, find_duplicates
from finesight.data.images.image import Fit
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.errors import RunError
from finesight.metrics.evaluation import Evaluation, ImageResult
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.intervals import Measured
from finesight.metrics.significance import FEWEST_IMAGES
from finesight.progress import progress_bar
from finesight.run import schema
from finesight.run.files import map_rows
from finesight.run.folder import RunFolder

NEIGHBOURS = 10  # that vote on an image's class, as many as the quality of a projection is measured by
NUM_EXAMPLES = 12  # images a finding names


@dataclass(frozen=True)
class Case:
    """A run and one of its splits, as far as it is there. What a check needs and is missing raises NotApplicable.

    items: the split's and the training split's images that can still be read, by key; empty where the data are missing.
    rule, fit: how true masks are read. start_features: computes, in the order of `features`, the features before
    training; None where the weights it started from are not at hand.
    """

    run: RunFolder
    evidence: Evidence
    items: Mapping[str, Item] = field(default_factory=dict)
    rule: MaskRule | None = None
    fit: Fit = "native"
    start_features: Callable[[], Floats] | None = None

    @property
    def split(self) -> str:
        return self.evidence.split

    def label(self, index: int) -> str:
        """How a class is called in a sentence."""
        return self.evidence.classes.labels[index]

    # -- predictions ---------------------------------------------------------------------------------------------------

    @property
    def evaluation(self) -> Evaluation:
        if self.evidence.evaluation is None:
            raise NotApplicable(f"Split {self.split!r} was not evaluated: `finesight evaluate RUN` does it.")
        return self.evidence.evaluation

    @property
    def keys(self) -> list[str]:
        return self.evaluation.keys

    @cached_property
    def statistics(self) -> ImageStatistics:
        """In the order of `keys`."""
        if not self.keys:
            raise NotApplicable("The split has no images.")
        return self.read_statistics(self.split)

    def read_statistics(self, split: str) -> ImageStatistics:
        """Of any evaluated split."""
        return self.evidence.task.read_statistics(self.run, split, self.evidence.classes)

    def measure_score(self, statistics: ImageStatistics | None = None) -> Measured:
        """The score of the split, or of other statistics, with its interval."""
        measured = (statistics or self.statistics).measure()
        if measured is None:
            unit = self.statistics.unit
            raise NotApplicable(f"Fewer than {FEWEST_IMAGES} images have {unit}s of a known class: too few to measure.")
        return measured

    def list_images(self, errors: Floats | Indices | None = None) -> tuple[str, ...]:
        """Keys of the images with most errors, of as many those with the most confident prediction, as examples.

        errors: how much is wrong in each image; None: its wrong fraction.
        """
        if errors is None:
            known = self.statistics.support[:, list(self.statistics.scored)].sum(1)
            errors = (known - self.statistics.hits.sum(1)) / np.maximum(known, 1)
        pairs = zip(errors.tolist(), self.evaluation.images, strict=True)
        ranked = sorted(pairs, key=lambda pair: (-pair[0], -(pair[1].confidence or 0.0)))
        return tuple(image.key for amount, image in ranked if amount > 0)[:NUM_EXAMPLES]

    @property
    def predictions(self) -> tuple[ImageResult, ...]:
        """Of images of one class each."""
        if not self.statistics.is_one_unit:
            raise NotApplicable("This check needs exactly one label per image.")
        return self.evaluation.images

    @property
    def targets(self) -> Indices:
        """Class index of each of `predictions`, -1 where it is unknown."""
        return _to_indices([image.truth for image in self.predictions])

    @cached_property
    def probabilities(self) -> Probabilities:
        """Softmax of the logits, float64 (n, C), in the order of `predictions`."""
        logits = map_rows(self.run.evaluation(self.split) / schema.LOGITS, "logits")
        if len(logits) != len(self.predictions):
            raise RunError(f"Split {self.split!r} of {self.run.path} has too few or too many logits. Evaluate again.")
        return Probabilities(logits)

    def image_losses(self) -> Floats:
        """-ln of the probability of the true class, of each image whose class is known."""
        known = np.flatnonzero(self.targets >= 0)
        if not len(known):
            raise NotApplicable("No image has a known class.")
        true = self.probabilities.select(known).pick(self.targets[known])
        losses: Floats = -np.log(np.maximum(true, 1e-12))
        return losses

    # -- features ------------------------------------------------------------------------------------------------------

    @cached_property
    def features_of_regions(self) -> bool:
        """Whether features are of what each class covers of an image, and not of whole images."""
        return (self.run.embedding(self.split) / schema.REGIONS).exists()

    @property
    def feature_unit(self) -> str:
        return "region" if self.features_of_regions else "image"

    @cached_property
    def features(self) -> Features:
        """Keys are those of the images."""
        if self.evidence.embedding is None:
            raise NotApplicable("There are no features of this split: `finesight embed` computes them.")
        return load_features(self.run.embedding(self.split) / (schema.REGIONS if self.features_of_regions else ""))

    @cached_property
    def feature_targets(self) -> Indices:
        """Class index of each row of `features`, -1 where it is unknown."""
        index = {label: i for i, label in enumerate(self.evidence.classes.ids)}
        return _to_indices([index.get(target) for target in self.features.targets])

    @cached_property
    def votes(self) -> Indices:
        """Class index that the nearest rows of each row of `features` vote for."""
        return self.ask_neighbours(self.features.features)

    @property
    def is_head_right(self) -> np.ndarray:
        """Of each row of `features`: whether its prediction, of a region that of most of its pixels, is its class."""
        right: np.ndarray = np.array(self.features.predictions) == np.array(self.features.targets)
        return right

    @property
    def is_vote_right(self) -> np.ndarray:
        right: np.ndarray = self.votes == self.feature_targets
        return right

    def ask_neighbours(self, features: Floats) -> Indices:
        """The votes in other features of the same images: the most frequent class of the ten nearest, by cosine.

        Regions of one image do not count as neighbours: they are alike because they are adjacent.
        """
        images = np.unique(self.features.keys, return_inverse=True)[1] if self.features_of_regions else None
        if (len(features) - 1 if images is None else most_neighbours(images)) < NEIGHBOURS:
            raise NotApplicable(f"Nearest neighbours need more than {NEIGHBOURS} {self.feature_unit}s.")
        return elect(self.feature_targets[find_nearest(normalise_rows(features), NEIGHBOURS, groups=images)])

    # -- images --------------------------------------------------------------------------------------------------------

    @cached_property
    def duplicates(self) -> list[Duplicates]:
        """Among the images of the split and of the training split."""
        if not self.items:
            raise NotApplicable("The images are missing, or are not the run's own.")
        items = list(self.items.values())
        with progress_bar("Comparing", len(items), "images") as bar:
            return find_duplicates(items, bar.advance, self.evidence.scale)


def _to_indices(values: list[int | None]) -> Indices:
    return np.array([-1 if value is None else value for value in values], dtype=np.int64)
