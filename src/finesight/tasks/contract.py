"""What the application asks of a task, beside what training, scoring, analysis and checks ask of it (task.py).

A new task is a package beside these whose object implements both, and a line of the table in tasks/__init__.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from torch import Tensor

from finesight import task
from finesight.classes import ClassList
from finesight.data.loader import ImageDataset
from finesight.inference.predictor import Predictor
from finesight.run.folder import RunFolder
from finesight.run.results import Compared

if TYPE_CHECKING:  # of pages and label errors: training does without, so a task imports them when it is asked for them
    from finesight.analysis.distance import Floats
    from finesight.analysis.evidence import Evidence
    from finesight.analysis.label_errors import LabelErrors
    from finesight.analysis.region_features import Regions
    from finesight.reporting.comparison_page import ComparedImages
    from finesight.reporting.html import Page
    from finesight.reporting.originals import Originals


@dataclass(frozen=True)
class LabelSearch:
    """A split whose labels are searched for errors, and what can be computed for that.

    evaluate, embed: complete the run folder. compute_features: of the images of `open_split` in order, float32 (n, d).
    """

    run: RunFolder
    split: str
    predictor: Callable[[], Predictor]
    open_split: Callable[[], ImageDataset]
    evaluate: Callable[[], object]
    embed: Callable[[], object]
    compute_features: Callable[[], "Floats"]


class Task(task.Task, Protocol):
    """What has a body suits a task whose targets are of whole images."""

    quick_label_search: bool = True  # it takes no pass over the images, so that a report does it on the way
    overlay_side: int = 96  # pixels of the longest side of a saliency map in the page

    @property
    def comparison(self) -> "ComparedImages":
        """How runs are compared."""

    def find_label_errors(self, search: LabelSearch) -> "LabelErrors":
        """Labels that are probably wrong, the clearest first."""

    def list_colours(self, classes: ClassList) -> list[str]:
        """CSS colours by which people know the classes; empty where a plot chooses its own."""
        return []

    def describe_target(self, target: Tensor, classes: ClassList) -> str:
        """What training has an image learn, in words, such as `cat`, or `70 % cat, 30 % dog` of a mixed one."""

    def draw_target(self, image: np.ndarray, target: Tensor, classes: ClassList) -> np.ndarray:
        """An image uint8 (h, w, 3) under its target, where that has a place in it."""
        return image

    def average_regions(
        self, seen: Tensor, targets: Tensor, images: np.ndarray, size: tuple[int, int]
    ) -> "Regions | None":
        """What the head sees of each class within an image; None where an image is of one class.

        seen: (n, d, …), of images of `size` (height, width). images: (n,), their indices in the data set.
        """
        return None

    def choose_explained(self, logits: Tensor) -> list[int]:
        """The classes of an image's logits (1, C, …) whose saliency is worth a look."""

    def describe_class(self, logits: Tensor, index: int, size: tuple[int, int]) -> tuple[float, np.ndarray | None]:
        """(probability of a class, None), or (its fraction of the pixels, its region, bool of `size`)."""

    def prepare_report(self, run: RunFolder) -> None:
        """Computes what the report shows and no command has saved yet."""
        return

    def make_page(self, evidence: "Evidence", originals: "Originals") -> "Page": ...

    def make_comparison_page(
        self, runs: Sequence["Evidence"], originals: "Originals", comparisons: Sequence[Compared] = ()
    ) -> "Page":
        """comparisons: of each run after the first. Raises ConfigError for unlike runs."""
        from finesight.reporting.comparison_page import make_comparison_page

        return make_comparison_page(runs, originals, self.comparison, comparisons)

    def list_false_classes(self, evidence: "Evidence", originals: "Originals") -> dict[str, int]:
        """The class that was wrongly predicted for each image whose error the page shows, by key."""
