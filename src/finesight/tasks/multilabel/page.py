"""The page of a run that gives images several labels."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from finesight.analysis.evidence import Evidence
from finesight.metrics.evaluation import ImageResult
from finesight.metrics.image_statistics import ImageStatistics
from finesight.reporting.class_table import ClassBars
from finesight.reporting.findings import list_keys, show_examples
from finesight.reporting.html import Page, name_split
from finesight.reporting.image_columns import choose_examples, list_from_other_splits, list_images
from finesight.reporting.interactive_plot import class_style
from finesight.reporting.label_errors import show_wrong_images
from finesight.reporting.originals import Originals
from finesight.reporting.run_page import Outline, make_run_page
from finesight.reporting.sections import ClassRow, describe_kept_epoch
from finesight.reporting.shown_images import sample_evidence
from finesight.reporting.thumbnails import make_sprites
from finesight.run.folder import RunFolder
from finesight.tasks.multilabel.decisions import THRESHOLD, read_thresholds
from finesight.tasks.multilabel.evaluation import read_statistics
from finesight.tasks.multilabel.label_sets import SEPARATOR
from finesight.tasks.multilabel.thresholds import read_fitted_split

ERRORS_SHOWN = 60
OUTLINE = Outline(
    contents=(
        ("verdict", "Verdict"), ("findings", "Findings"), ("metrics", "Metrics"), ("classes", "Classes"),
        ("projection", "Projection"), ("similar", "Similar classes"), ("errors", "Errors"), ("labels", "Labels"),
        ("calibration", "Calibration"), ("data", "Data"), ("architecture", "Architecture"), ("curves", "Training"),
        ("frozen", "Frozen layers"), ("settings", "Settings"),
    ),
    parts=(
        "multilabel_verdict.html.j2", "findings.html.j2", "metrics.html.j2", "multilabel_classes.html.j2",
        "projection.html.j2", "multilabel_errors.html.j2", "label_errors.html.j2", "calibration.html.j2",
        "data.html.j2", "training.html.j2", "record.html.j2",
    ),
    plot_key="Colour and shape show the rarest of an image's true classes; a red edge marks an image whose rarest "
    "class was not predicted.",
    label_rule="Relative to the class frequency, the opposite is at least ten times as probable, and most of the "
    "nearest images agree.",
    calibration_effect="Labels do not change: the thresholds decide them.",
    package="finesight.tasks.multilabel",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """Metrics of the whole; interval: of macro F1, 95 %, None for too few images. kept: the epoch of the weights."""

    map: float
    macro_f1: float
    exact_match: float
    num_samples: int
    interval: tuple[float, float] | None
    kept: str


@dataclass(frozen=True)
class WrongImage:
    """An image with a wrong label, by the names of its classes."""

    key: str
    found: tuple[str, ...]
    missed: tuple[str, ...]
    extra: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """Which images are shown where. sample: the evidence with as many of the split's images as a page can hold.

    images: those, and those of other splits that a section names. examples: class index → keys.
    """

    sample: Evidence
    images: list[ImageResult]
    examples: dict[int, list[str]]
    errors: list[WrongImage]


def make_page(evidence: Evidence, originals: Originals) -> Page:
    story = _choose_images(evidence)
    sprites = make_sprites([image.key for image in story.images], originals.find_image, evidence.scale)
    images = list_images(story.sample.images, sprites, story.sample.embedding)
    data = {"order": [*range(len(evidence.classes))], "unit": "image", "images": images}
    data["list_columns"] = ("rarest_class", "prediction")
    styles = [class_style(index) for index in range(len(evidence.classes))]
    return make_run_page(story.sample, originals, OUTLINE, styles, _context(evidence, story), data, sprites)


def _choose_images(evidence: Evidence) -> Story:
    errors = _list_wrong_images(evidence)
    examples = choose_examples(evidence.images)
    shown = [*list_keys(evidence), *(key for keys in examples.values() for key in keys)]
    shown += [error.key for error in errors[:ERRORS_SHOWN]]
    shown += [error.key for gallery in show_wrong_images(evidence) for error in gallery.errors]
    place = {key: number for number, key in reversed(list(enumerate(shown)))}
    sample = sample_evidence(evidence, shown)
    images = [*sample.images, *list_from_other_splits(evidence, shown)]
    return Story(sample, sorted(images, key=lambda image: place.get(image.key, len(shown))), examples, errors)


def _list_wrong_images(evidence: Evidence) -> list[WrongImage]:
    """Those with most wrong labels first."""
    if evidence.evaluation is None:
        return []
    found, names = _read_statistics(evidence), evidence.classes.labels
    sides = (found.hits, found.support - found.hits, found.predicted - found.hits)
    wrong = (found.support + found.predicted - 2 * found.hits).sum(1)
    rows = [row for row in np.argsort(-wrong, kind="stable").tolist() if wrong[row]]
    return [
        WrongImage(found.keys[row], *(tuple(names[c] for c in np.flatnonzero(side[row])) for side in sides))
        for row in rows
    ]


def _read_statistics(evidence: Evidence) -> ImageStatistics:
    return read_statistics(RunFolder(evidence.run), evidence.split, evidence.classes)


def _context(evidence: Evidence, story: Story) -> dict[str, Any]:
    rows, run = list_classes(evidence), RunFolder(evidence.run)
    return {
        "verdict": give_verdict(evidence),
        "shown_findings": show_examples(evidence),
        "rows": rows,
        "fitted_on": read_fitted_split(run),
        "class_bars": ClassBars.of_images(
            ((row.train, row.count) for row in rows), name_split(evidence.split), story.examples
        ),
        "label_galleries": show_wrong_images(evidence),
        "errors": story.errors[:ERRORS_SHOWN],
        "num_errors": len(story.errors),
        "num_images": len(story.images),
    }


def give_verdict(evidence: Evidence) -> Verdict | None:
    if evidence.evaluation is None or "map" not in evidence.evaluation.metrics:
        return None
    metrics, measured = evidence.evaluation.metrics, _read_statistics(evidence).measure()
    return Verdict(
        metrics["map"],
        metrics["macro_f1"],
        metrics["exact_match"],
        evidence.evaluation.num_samples,
        (measured.low, measured.high) if measured else None,
        describe_kept_epoch(evidence),
    )


def list_classes(evidence: Evidence) -> list[ClassRow]:
    """With average precision, threshold, precision, recall and F1 as scores."""
    classes, metrics = evidence.classes, evidence.evaluation.metrics if evidence.evaluation else {}
    thresholds = read_thresholds(RunFolder(evidence.run), classes)
    train, held = (_count_labels(evidence, split) for split in ("train", evidence.split))
    rows = []
    for index, (label, name) in enumerate(zip(classes.ids, classes.names, strict=True)):
        ap, *rest = (metrics.get(f"{metric}/{name}") for metric in ("ap", "precision", "recall", "f1"))
        threshold = THRESHOLD if thresholds is None else float(thresholds[index])
        rows.append(ClassRow(index, classes.labels[index], train[label], held[label], (ap, threshold, *rest), None))
    return rows


def _count_labels(evidence: Evidence, split: str) -> Counter[str]:
    samples = evidence.splits.get(split, ())
    return Counter(label for _, labels in samples for label in labels.split(SEPARATOR))


def list_false_classes(evidence: Evidence, originals: Originals) -> dict[str, int]:
    """A class wrongly predicted for each error the page shows, by key."""
    index = {name: c for c, name in enumerate(evidence.classes.labels)}
    return {error.key: index[error.extra[0]] for error in _list_wrong_images(evidence)[:ERRORS_SHOWN] if error.extra}
