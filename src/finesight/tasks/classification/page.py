"""The page of a run that classifies images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.metrics.evaluation import ImageResult, find_errors
from finesight.reporting.charts import draw_matrix
from finesight.reporting.class_table import ClassBars, ClassTable, Line, show_count, show_score
from finesight.reporting.findings import list_keys, show_examples
from finesight.reporting.html import Page, name_split
from finesight.reporting.image_columns import choose_examples, list_from_other_splits, list_images, list_nearest
from finesight.reporting.interactive_plot import class_style
from finesight.reporting.label_errors import show_wrong_images
from finesight.reporting.originals import Originals
from finesight.reporting.run_page import Outline, make_run_page
from finesight.reporting.sections import ClassRow, give_verdict, list_classes, list_confusions, order_classes
from finesight.reporting.shown_images import sample_evidence
from finesight.reporting.thumbnails import make_sprites

ERRORS_SHOWN = 60
OUTLINE = Outline(
    contents=(
        ("verdict", "Verdict"), ("findings", "Findings"), ("metrics", "Metrics"), ("classes", "Classes"),
        ("confusion", "Confusion"), ("projection", "Projection"), ("similar", "Similar classes"), ("errors", "Errors"),
        ("history", "Projection history"), ("labels", "Labels"), ("calibration", "Calibration"), ("data", "Data"),
        ("architecture", "Architecture"), ("curves", "Training"), ("frozen", "Frozen layers"), ("settings", "Settings"),
    ),
    parts=(
        "verdict.html.j2", "findings.html.j2", "metrics.html.j2", "class_scores.html.j2", "projection.html.j2",
        "errors.html.j2", "projection_history.html.j2", "label_errors.html.j2", "calibration.html.j2", "data.html.j2",
        "training.html.j2", "record.html.j2",
    ),
    plot_key="Colour and shape show the true class; a red edge marks an error.",
    label_rule="The suggested class is at least ten times as probable, and the nearest images agree. A score of 3 "
    "means a thousand times as probable as the label.",
    calibration_effect="Predictions do not change. “finesight predict --calibrated” writes the scaled probabilities.",
)  # fmt: skip


def make_page(evidence: Evidence, originals: Originals) -> Page:
    story, order = _choose_images(evidence), order_classes(evidence)
    sprites = make_sprites(story.keys_by_need, originals.find_image, evidence.scale)
    data = {"order": order, "unit": "image", "images": list_images(story.images, sprites, story.sample.embedding)}
    styles = [class_style(index) for index in range(len(evidence.classes))]
    return make_run_page(story.sample, originals, OUTLINE, styles, _context(evidence, story, order), data, sprites)


@dataclass(frozen=True)
class Story:
    """Which images are shown where. images: of the sample, and those of other splits that a section names.

    sample: the evidence with as many of the split's images as a page can hold. errors: of the whole split.
    """

    sample: Evidence
    images: list[ImageResult]
    errors: list[ImageResult]
    examples: dict[int, list[str]]  # class index → keys
    keys_by_need: list[str]  # of all images: those shown without a click first


def _choose_images(evidence: Evidence) -> Story:
    errors = find_errors(evidence.images)
    examples = choose_examples(evidence.images)
    groups = similarity.groups if (similarity := evidence.embedding and evidence.embedding.similarity) else ()
    shown = list_keys(evidence)
    shown += [key for keys in examples.values() for key in keys]
    shown += [key for group in groups for keys in group.examples for key in keys]
    shown += [error.key for error in errors[:ERRORS_SHOWN]]
    shown += [error.key for gallery in show_wrong_images(evidence) for error in gallery.errors]
    sample = sample_evidence(evidence, shown)
    images = [*sample.images, *list_from_other_splits(evidence, shown)]
    known = dict.fromkeys(image.key for image in images)
    everything = dict.fromkeys([*(key for key in shown if key in known), *known])
    return Story(sample, images, errors, examples, list(everything))


def _context(evidence: Evidence, story: Story, order: list[int]) -> dict[str, Any]:
    evaluation, rows = evidence.evaluation, list_classes(evidence)
    return {
        "verdict": give_verdict(evidence),
        "shown_findings": show_examples(evidence),
        "class_table": _tabulate(rows),
        "class_bars": ClassBars.of_images(
            ((row.train, row.count) for row in rows), name_split(evidence.split), story.examples
        ),
        "confusions": list_confusions(evaluation) if evaluation else [],
        "matrix": draw_matrix(evaluation.counts, evidence.classes.labels, order) if evaluation else None,
        "label_galleries": show_wrong_images(evidence),
        "ordered_by_similarity": order != list(range(len(order))),
        "errors": story.errors[:ERRORS_SHOWN],
        "num_errors": len(story.errors),
        "nearest": list_nearest(evidence.embedding, {error.key for error in story.errors[:ERRORS_SHOWN]}),
    }


def _tabulate(rows: Sequence[ClassRow]) -> ClassTable:
    columns = (("Images", "images"), ("Precision", "precision"), ("Recall", "recall"), ("F1", "f1"))
    lines = [
        Line(
            row.index,
            (show_count(row.count), *map(show_score, row.scores)),
            row.confused_with[0] if row.confused_with else None,
            f"{row.confused_with[1]} ×" if row.confused_with else "",
        )
        for row in rows
    ]
    return ClassTable(columns, lines, opens_images=True)


def list_false_classes(evidence: Evidence, originals: Originals) -> dict[str, int]:
    """The class predicted for each error the page shows, by key."""
    errors = find_errors(evidence.evaluation.images if evidence.evaluation else ())[:ERRORS_SHOWN]
    return {error.key: error.prediction for error in errors if error.prediction is not None}
