"""What a finding is, and what a check is given to find it in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from finesight.analysis.distance import Floats, Indices, find_nearest, most_neighbours, normalise_rows
from finesight.analysis.evidence import Answer, Evidence
from finesight.analysis.features import Features, load_features
from finesight.analysis.projection import elect
from finesight.analysis.wording import label_class
from finesight.checks.contract import NotApplicable
from finesight.data.decoders import Masks
from finesight.data.duplicates import Duplicates, find_duplicates
from finesight.data.images.image import Fit, UnreadableImage
from finesight.data.masks.looks import read_mask
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.errors import RunError
from finesight.metrics.evaluation import Evaluation
from finesight.progress import progress_bar
from finesight.run import schema
from finesight.run.folder import RunFolder

NEIGHBOURS = 10  # that vote on an image's class, as many as a map's quality is measured by
NUM_EXAMPLES = 12  # images a finding names


@dataclass(frozen=True)
class Case:
    """A run and one of its splits, as far as it is there. What a check asks for and is not there is NotApplicable.

    items: the split's and the training part's images that can still be read, by key; empty where the data are gone.
    rule, fit: how true masks are read. start_features: computes, in the order of `features`, what the last layer saw
    before training; None where the weights it started from are not at hand.
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

    @property
    def evaluation(self) -> Evaluation:
        if self.evidence.evaluation is None:
            raise NotApplicable(f"Part {self.split!r} was not evaluated: `finesight evaluate RUN` does it.")
        return self.evidence.evaluation

    @property
    def has_masks(self) -> bool:
        return self.evidence.task.has_masks

    @property
    def unit(self) -> str:
        """What `features` are of."""
        return "region" if self.has_masks else "image"

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Of images of one class each."""
        if self.has_masks:
            raise NotApplicable("It judges images of one class each; these have masks.")
        if not self.evaluation.images:
            raise NotApplicable("There is no image.")
        return self.evaluation.images

    @property
    def targets(self) -> Indices:
        """Class index of each answer, -1 where it is unknown."""
        return _to_indices([answer.truth for answer in self.answers])

    @property
    def predictions(self) -> Indices:
        return _to_indices([answer.prediction for answer in self.answers])

    @property
    def keys(self) -> list[str]:
        return self.evaluation.keys

    @property
    def known(self) -> list[int]:
        """Indices of the classes that are scored."""
        ignored = self.evidence.classes.ignore if self.has_masks else None
        return [index for index in range(len(self.evidence.classes)) if index != ignored]

    @cached_property
    def probabilities(self) -> Floats:
        """Softmax of the logits, float64 (n, C), in the order of `answers`."""
        logits = self._read_tensor(f"{schema.evaluation(self.split)}/{schema.LOGITS}", "logits").astype(np.float64)
        if len(logits) != len(self.answers):
            raise RunError(f"Part {self.split!r} of {self.run.path} has not as many logits as answers. Evaluate again.")
        raised = np.exp(logits - logits.max(1, keepdims=True))
        shares: Floats = raised / raised.sum(1, keepdims=True)
        return shares

    @cached_property
    def pixels(self) -> Indices:
        """Confusion counts of each image, int64 (n, C + 1, C), in the order of `keys`; the last row is unknown."""
        if not self.has_masks:
            raise NotApplicable("It judges masks; these images are of one class each.")
        return self.read_pixels(self.split)

    def read_pixels(self, split: str) -> Indices:
        """As `pixels`, of any evaluated split."""
        return self._read_tensor(f"{schema.evaluation(split)}/{schema.COUNTS}", "counts")

    @cached_property
    def features(self) -> Features:
        """Of images, or of the regions of images with masks; keys are those of the images."""
        if self.evidence.embedding is None:
            raise NotApplicable("There are no features of this part: `finesight embed` computes them.")
        return load_features(self.run.embedding(self.split) / (schema.REGIONS if self.has_masks else ""))

    @cached_property
    def feature_targets(self) -> Indices:
        """Class index of each row of `features`, -1 where it is unknown."""
        index = {label: i for i, label in enumerate(self.evidence.classes.ids)}
        return _to_indices([index.get(target) for target in self.features.targets])

    @cached_property
    def votes(self) -> Indices:
        """Class index that the nearest rows of each row of `features` vote for."""
        return self.ask_neighbours(self.features.features)

    def ask_neighbours(self, features: Floats) -> Indices:
        """The same in other features of the same: the most frequent class of the ten nearest, by cosine.

        Regions of one image are no neighbours: they are alike by lying side by side.
        """
        owners: Indices | None = None
        if self.has_masks:
            owners = np.unique(self.features.keys, return_inverse=True)[1]
        if (len(features) - 1 if owners is None else most_neighbours(owners)) < NEIGHBOURS:
            raise NotApplicable(f"It takes more than {NEIGHBOURS} {self.unit}s to ask neighbours.")
        return elect(self.feature_targets[find_nearest(normalise_rows(features), NEIGHBOURS, groups=owners)])

    @cached_property
    def duplicates(self) -> list[Duplicates]:
        """Among the images of the split and of the training part."""
        if not self.items:
            raise NotApplicable("The images themselves are not there any more, or are other data than the run's.")
        items = list(self.items.values())
        with progress_bar("Comparing", len(items), "images") as bar:
            return find_duplicates(items, bar.advance, self.evidence.scale)

    def read_masks(self, key: str) -> tuple[Indices, Indices] | None:
        """(true, predicted) mask of an image, class indices uint8 (h, w); None where one of them is gone."""
        path = self.run.evaluation(self.split) / schema.PREDICTED_MASKS / schema.mask_file(key)
        if self.rule is None or key not in self.items or self.items[key].target is None:
            return None
        try:
            raw = read_mask(path)
            height, width = raw.codes.shape
            truth = Masks((height, width), self.fit, self.rule).decode(self.items[key])
        except UnreadableImage:
            return None
        return None if raw.kind == "colour" else (truth, raw.codes.astype(np.uint8))

    def label(self, index: int) -> str:
        """How a class is called in a sentence."""
        classes = self.evidence.classes
        return label_class(classes.ids[index], classes.names[index])

    def _read_tensor(self, name: str, tensor: str) -> np.ndarray:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(self.run.path / name)[tensor]
        except (OSError, KeyError, SafetensorError) as error:
            raise RunError(f"{self.run.path / name} is missing or damaged: {error}. Evaluate again.") from None


def _to_indices(values: list[int | None]) -> Indices:
    return np.array([-1 if value is None else value for value in values], dtype=np.int64)
