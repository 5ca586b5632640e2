"""What the public functions return: frozen values whose `to_dict()` is what `--json` prints."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from finesight.run.architecture import NetworkDifference
from finesight.run.plain import Result

Severity = Literal["error", "warning", "note"]
Unreadable = list[tuple[str, str]]  # (key, reason)


@dataclass(frozen=True)
class Trained(Result):
    """metrics: of the best epoch on the validation split. images_per_second: of training."""

    run: Path
    best_epoch: int
    metrics: dict[str, float]
    images_per_second: float


@dataclass(frozen=True)
class Previewed(Result):
    """preview: the PNG. size: (height, width) of the images, in pixels. shown: image → its label, of those drawn."""

    preview: Path
    batch_size: int
    size: tuple[int, int]
    shown: dict[str, str]


@dataclass(frozen=True)
class Evaluated(Result):
    """metrics: path such as `f1/wolf` → number. definitions: path → what it means."""

    split: str
    num_samples: int
    metrics: dict[str, float]
    definitions: dict[str, str]


@dataclass(frozen=True)
class ScoredMasks(Result):
    """As Evaluated, of two folders of masks. classes: names in the order of their indices."""

    num_samples: int
    metrics: dict[str, float]
    definitions: dict[str, str]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Predicted(Result):
    """out: the CSV file, or the folder of masks. unreadable: (key, reason) of images that were left out."""

    out: Path
    num_samples: int
    unreadable: Unreadable


@dataclass(frozen=True)
class Embedded(Result):
    """map: settings of the projection. quality: how far it can be trusted. close_classes: as close_classes.json.

    through_training: how classes separated; None where training did not save it. image: the plot of the projection.
    """

    split: str
    num_samples: int
    dimensions: int
    map: dict[str, Any]
    map_in_words: str
    quality: dict[str, float]
    close_classes: dict[str, Any]
    through_training: dict[str, Any] | None
    image: Path


@dataclass(frozen=True)
class Focus(Result):
    """Where the network looks in an image for a class. JSON says `class` for class_name.

    half_area: fraction of the image that holds half of the saliency; None where the saliency is zero everywhere.
    where: that place in words. inside: for masks, fraction of the saliency inside the class's region. probability: of
    the class; for masks, its fraction of the pixels. file: the overlay.
    """

    key: str
    class_name: str
    half_area: float | None
    where: str
    inside: float | None
    probability: float
    file: Path

    def to_dict(self) -> dict[str, Any]:
        return {"class" if name == "class_name" else name: value for name, value in super().to_dict().items()}


@dataclass(frozen=True)
class Explained(Result):
    """layer: where the gradient was taken. images: an overlay for each image and class."""

    out: Path
    layer: str
    images: tuple[Focus, ...]
    unreadable: Unreadable


@dataclass(frozen=True)
class Example(Result):
    """One case: the images it is about, which are shown together, and what there is to say of them."""

    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Finding(Result):
    """A check that fired."""

    code: str
    title: str
    severity: Severity
    message: str
    keys: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Findings(Result):
    """What checks say of a data set, or of a split of a run. findings: the most severe first.

    silent, ignored: code → title. not_applicable: code → why it was not checked.
    """

    split: str
    findings: tuple[Finding, ...]
    silent: dict[str, str] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Audited(Result):
    """What is in a data set, and what would hurt a training. Counts are by name, the most frequent first.

    class_counts: by split, images of each class, or pixels. values: of each type beside uint8, what occurs and what
    becomes 0 and 255. codes: pixels of each colour or value, of masks whose classes cannot be inferred. split: images
    of each split, where a manifest was written. is_fit: no problem is worse than a note.
    """

    data: str
    format: str
    task: str
    num_samples: int
    splits: dict[str, int]
    split_is_made: bool
    classes: tuple[str, ...]
    class_counts: dict[str, dict[str, int]]
    unknown_pixels: int
    sizes: dict[str, int]
    modes: dict[str, int]
    values: list[dict[str, Any]]
    mask_kinds: dict[str, int]
    codes: dict[str, int]
    num_bytes: int
    split: dict[str, int] | None = field(default=None, kw_only=True)
    problems: tuple[Finding, ...]
    ignored: dict[str, str]
    is_fit: bool


@dataclass(frozen=True)
class SuspectedLabel(Result):
    """given, suggested: class ids. score: see `finesight.analysis.label_errors.LabelError`.

    For masks also a region: its number in the outlines, fraction of the image, mean confidence, and box in pixels.
    """

    key: str
    given: str
    suggested: str
    score: float
    region: int | None = None
    fraction: float | None = None
    confidence: float | None = None
    top: int | None = None
    left: int | None = None
    bottom: int | None = None
    right: int | None = None


@dataclass(frozen=True)
class FoundLabels(Result):
    """Labels that are probably wrong, the most certain first.

    source: whose probabilities contradict the labels. names: class id → how it is written. csv: the list as a file.
    """

    split: str
    num_samples: int
    source: str
    errors: tuple[SuspectedLabel, ...]
    num_errors: int
    names: dict[str, str]
    csv: Path


@dataclass(frozen=True)
class ClassDifference(Result):
    """interval: 95 %; None where too few images have the class."""

    baseline: float
    improved: float
    difference: float
    interval: tuple[float, float] | None
    p_value: float
    num_images: int


@dataclass(frozen=True)
class McNemar(Result):
    """Images that only one side gets right, and the exact test's p-value."""

    only_baseline: int
    only_improved: int
    p: float


@dataclass(frozen=True)
class Compared(Result):
    """interval: of the difference, 95 %. classes: the same of each class. p_value: McNemar's, or the bootstrap's.

    settings: name → (first, last) where they differ. architecture: layers that differ; None where one is not recorded.
    better, worse: keys of the images on which a side wins. mcnemar: of two single classifiers.
    """

    verdict: str
    metric: str
    baseline: float
    improved: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    num_images: int
    num_samples: int
    resamples: int
    runs: dict[str, list[str]]
    class_metric: str
    classes: dict[str, ClassDifference]
    settings: dict[str, list[Any]]
    architecture: NetworkDifference | None
    better: list[str]
    worse: list[str]
    mcnemar: McNemar | None = None


@dataclass(frozen=True)
class Reported(Result):
    """report: the HTML file."""

    report: Path


@dataclass(frozen=True)
class Demonstrated(Result):
    runs: dict[str, Trained]
    report: Path


@dataclass(frozen=True)
class Kill(Result):
    """Where the checkpoint stood that the resumed run went back to."""

    epoch: int
    step: int


@dataclass(frozen=True)
class ResumeProof(Result):
    """different: files that a killed and resumed run has otherwise than one that nothing disturbed."""

    same: bool
    different: list[str]
    num_files: int
    kills: tuple[Kill, ...]
