"""The page of a run that classifies images."""

from dataclasses import dataclass
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.metrics.evaluation import ImageResult, find_errors
from finesight.reporting.calibration import describe_calibration
from finesight.reporting.charts import draw_matrix
from finesight.reporting.findings import list_keys, show_examples
from finesight.reporting.html import Page, name_split
from finesight.reporting.image_columns import list_from_other_splits, list_images, list_nearest
from finesight.reporting.interactive_plot import Style, bokeh_script, class_style
from finesight.reporting.label_errors import show_wrong_images
from finesight.reporting.originals import Originals
from finesight.reporting.projection_section import describe_projection, draw_history, plot_projection
from finesight.reporting.sections import (
    describe_training,
    draw_training,
    give_verdict,
    list_classes,
    list_commands,
    list_confusions,
    list_freeze_phases,
    order_classes,
)
from finesight.reporting.thumbnails import Sprites, make_sprites

ERRORS_SHOWN = 60
OVERLAY_SIDE = 96  # pixels of a saliency map
EXAMPLES_A_CLASS = 3
PLOT_KEY = "Colour and shape show the true class; a red edge marks an error."
LABEL_RULE = (
    "The suggested class is at least ten times as probable, and the nearest images agree. A score of 3 means a "
    "thousand times as probable as the label."
)
CALIBRATION_EFFECT = "Predictions do not change. `finesight predict --calibrated` writes the scaled probabilities."
CONTENTS = (
    ("verdict", "Verdict"), ("findings", "Findings"), ("metrics", "Metrics"), ("classes", "Classes"),
    ("confusion", "Confusion"), ("projection", "Projection"), ("similar", "Similar classes"), ("errors", "Errors"),
    ("history", "Projection history"), ("labels", "Labels"), ("calibration", "Calibration"), ("data", "Data"),
    ("architecture", "Architecture"), ("curves", "Training"), ("frozen", "Frozen layers"), ("settings", "Settings"),
)  # fmt: skip
PARTS = (
    "verdict.html.j2", "findings.html.j2", "metrics.html.j2", "results.html.j2", "projection.html.j2", "errors.html.j2",
    "projection_history.html.j2", "label_errors.html.j2", "calibration.html.j2", "data.html.j2", "training.html.j2",
    "record.html.j2",
)  # fmt: skip


def make_page(evidence: Evidence, originals: Originals) -> Page:
    story = _choose_images(evidence)
    sprites = make_sprites(story.keys_by_need, originals.find_image, evidence.scale)
    return Page(
        title=evidence.run.resolve().name,
        contents=CONTENTS,
        parts=PARTS,
        sources=[str(evidence.run)],
        data=_page_data(evidence, story, sprites),
        context=_context(evidence, story, sprites, originals),
        definitions=evidence.evaluation.definitions if evidence.evaluation else {},
        scripts=["projection.js"] if evidence.embedding else [],
        library=bokeh_script() if evidence.embedding else "",
        sprites=sprites,
    )


@dataclass(frozen=True)
class Story:
    """Which images are shown where. images: all of the split, and those of others that a section names."""

    images: list[ImageResult]
    errors: list[ImageResult]
    examples: dict[int, list[str]]  # class index → keys
    keys_by_need: list[str]  # of all images: those shown without a click first


def _choose_images(evidence: Evidence) -> Story:
    errors = find_errors(evidence.images)
    examples: dict[int, list[str]] = {}
    for image in evidence.images:
        if image.truth is not None and len(keys := examples.setdefault(image.truth, [])) < EXAMPLES_A_CLASS:
            keys.append(image.key)
    groups = similarity.groups if (similarity := evidence.embedding and evidence.embedding.similarity) else ()
    shown = list_keys(evidence)
    shown += [key for keys in examples.values() for key in keys]
    shown += [key for group in groups for keys in group.examples for key in keys]
    shown += [error.key for error in errors[:ERRORS_SHOWN]]
    shown += [error.key for gallery in show_wrong_images(evidence) for error in gallery.errors]
    images = [*evidence.images, *list_from_other_splits(evidence, shown)]
    known = dict.fromkeys(image.key for image in images)
    everything = dict.fromkeys([*(key for key in shown if key in known), *known])
    return Story(images, errors, examples, list(everything))


def _context(evidence: Evidence, story: Story, sprites: Sprites, originals: Originals) -> dict[str, Any]:
    evaluation, embedding = evidence.evaluation, evidence.embedding
    order = order_classes(evidence)
    rows = list_classes(evidence)
    return {
        "evidence": evidence,
        "split_name": name_split(evidence.split),
        "names": evidence.classes.names,
        "training": describe_training(evidence),
        "verdict": give_verdict(evidence),
        "found": show_examples(evidence),
        "curves_drawn": draw_training(evidence),
        "rows": rows,
        "largest": max((max(row.train, row.count) for row in rows), default=0),
        "confusions": list_confusions(evaluation) if evaluation else [],
        "matrix": draw_matrix(evaluation.counts, evidence.classes.names, order) if evaluation else None,
        "calibration": describe_calibration(evidence, CALIBRATION_EFFECT),
        "label_rule": LABEL_RULE,
        "label_galleries": show_wrong_images(evidence),
        "history_panels": draw_history(evidence),
        "history_paragraph": evidence.projection_history.paragraph if evidence.projection_history else "",
        "saliency": originals.attention,
        "ordered_by_similarity": order != list(range(len(order))),
        "phases": list_freeze_phases(evidence),
        "commands": list_commands(evidence),
        "story": story,
        "errors": story.errors[:ERRORS_SHOWN],
        "num_errors": len(story.errors),
        "nearest": list_nearest(embedding),
        "num_images": len(story.images),
        **describe_projection(evidence, list_styles(evidence), PLOT_KEY),
    }


def list_styles(evidence: Evidence) -> list[Style]:
    return [class_style(index) for index in range(len(evidence.classes))]


def _page_data(evidence: Evidence, story: Story, sprites: Sprites) -> dict[str, Any]:
    """What the page's scripts read."""
    embedding = evidence.embedding
    return {
        "names": evidence.classes.names,
        "order": order_classes(evidence),
        "unit": "image",
        "images": list_images(story.images, sprites, embedding),
        "projection": plot_projection(embedding, list_styles(evidence)) if embedding else None,
    }


def list_false_classes(evidence: Evidence, originals: Originals) -> dict[str, int]:
    """The class predicted for each error the page shows, by key."""
    errors = find_errors(evidence.evaluation.images if evidence.evaluation else ())[:ERRORS_SHOWN]
    return {error.key: error.prediction for error in errors if error.prediction is not None}
