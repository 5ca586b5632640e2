"""The page of a run that segments images."""

from collections.abc import Sequence
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.reporting.charts import draw_matrix
from finesight.reporting.class_table import ClassBars, ClassTable, Line, show_percent, show_score
from finesight.reporting.findings import show_findings
from finesight.reporting.html import Page, name_split
from finesight.reporting.image_columns import list_images
from finesight.reporting.interactive_plot import mask_style
from finesight.reporting.originals import Originals
from finesight.reporting.run_page import Outline, make_run_page
from finesight.reporting.sections import list_confusions, percent
from finesight.reporting.shown_images import sample_evidence
from finesight.reporting.thumbnails import make_sprites
from finesight.tasks.segmentation.mask_images import list_colours
from finesight.tasks.segmentation.mask_views import (
    Segment,
    View,
    find_false_class,
    give_mask_verdict,
    list_segments,
    make_view,
    rank_images,
)
from finesight.tasks.segmentation.region_gallery import show_wrong_regions
from finesight.tasks.segmentation.snapshot_strips import masks_scripts, show_snapshots

VIEWS_SHOWN = 3  # of a finding; an image with its masks takes some 40 kB
OUTLINE = Outline(
    contents=(
        ("verdict", "Verdict"), ("findings", "Findings"), ("metrics", "Metrics"), ("classes", "Classes"),
        ("confusion", "Confusion"), ("projection", "Projection"), ("similar", "Similar classes"),
        ("best", "Best images"), ("worst", "Worst images"), ("snapshots", "Masks through training"),
        ("labels", "Labels"), ("calibration", "Calibration"), ("data", "Data"), ("architecture", "Architecture"),
        ("curves", "Training"), ("frozen", "Frozen layers"),
        ("settings", "Settings"),
    ),
    parts=(
        "mask_verdict.html.j2", "findings.html.j2", "metrics.html.j2", "class_scores.html.j2", "projection.html.j2",
        "best_worst.html.j2", "snapshots.html.j2", "label_errors.html.j2", "calibration.html.j2", "data.html.j2",
        "training.html.j2", "record.html.j2",
    ),
    plot_key="Colour and shape show the true class of most of its pixels; a red edge marks an image for which another "
    "class is predicted most.",
    label_rule="The score is the region's fraction of the image times the confidence.",
    calibration_effect="Masks do not change: the same class stays the most probable.",
)  # fmt: skip


def make_page(evidence: Evidence, originals: Originals) -> Page:
    snapshots, colours = show_snapshots([evidence], originals), list_colours(evidence.classes)
    sample = sample_evidence(evidence, (image.key for side in rank_images(evidence) for image in side))
    images = sample.embedding.images if sample.embedding else ()
    sprites = make_sprites([image.key for image in images], originals.find_image, evidence.scale)
    data: dict[str, Any] = {
        "order": list(range(len(evidence.classes))),
        "unit": "pixel",
        "list_columns": ("main_class", "main_prediction"),
        "snapshots": snapshots.to_dict() if snapshots else None,
    }
    if sample.embedding:
        columns = list_images(images, sprites, sample.embedding)
        data["images"] = columns | {"pixel_accuracy": [image.fraction_right for image in images]}
    styles = [mask_style(index, colour) for index, colour in enumerate(colours)]
    context = _context(evidence, originals) | {"snapshots": snapshots, "colours": colours}
    return make_run_page(sample, originals, OUTLINE, styles, context, data, sprites, scripts=masks_scripts(snapshots))


def _context(evidence: Evidence, originals: Originals) -> dict[str, Any]:
    evaluation, names, rows = evidence.evaluation, evidence.classes.labels, list_segments(evidence)
    ranked = zip(("best", "worst"), rank_images(evidence), strict=True)
    return {
        "runs": [""],
        "verdict": give_mask_verdict(evidence),
        "shown_findings": show_findings(
            evidence, lambda keys: {"views": _make_views(keys[:VIEWS_SHOWN], evidence, originals)}
        ),
        "class_table": _tabulate(rows),
        "class_bars": _count_pixels(rows, name_split(evidence.split)),
        "matrix": draw_matrix(evaluation.counts, names, range(len(names)), in_percent=True) if evaluation else None,
        "confusions": list_confusions(evaluation) if evaluation else [],
        "galleries": {
            name: _make_views([image.key for image in images], evidence, originals) for name, images in ranked
        },
        "label_galleries": show_wrong_regions(evidence, originals),
    }


def _tabulate(rows: Sequence[Segment]) -> ClassTable:
    columns = (("IoU", "iou"), ("Recall", "recall"), ("True pixels", "pixel_fraction"), ("Predicted", "pixel_fraction"))
    lines = [
        Line(
            row.index,
            (
                show_score(row.scores[0]),
                show_score(row.scores[1], has_bar=False),
                show_percent(row.truth),
                show_percent(row.prediction),
            ),
            row.confused_with[0] if row.confused_with else None,
            percent(row.confused_with[1]) if row.confused_with else "",
        )
        for row in rows
    ]
    return ClassTable(columns, lines)


def _count_pixels(rows: Sequence[Segment], split_name: str) -> ClassBars:
    series = {
        "train": ("train", "training"),
        "truth": ("evaluated", f"{split_name}, true"),
        "prediction": ("predicted", f"{split_name}, predicted"),
    }
    known = [name for name in series if getattr(rows[0], name) is not None]
    values = [[(getattr(row, name), percent(getattr(row, name))) for name in known] for row in rows]
    return ClassBars("Pixels per class", "pixel_fraction", [series[name] for name in known], values)


def _make_views(keys: Sequence[str], evidence: Evidence, originals: Originals) -> tuple[View, ...]:
    views = (make_view(key, [evidence], originals) for key in keys)
    return tuple(view for view in views if view)


def list_false_classes(evidence: Evidence, originals: Originals) -> dict[str, int]:
    """The class predicted on most wrong pixels of each of the worst images, by key."""
    _, worst = rank_images(evidence)
    found = {image.key: find_false_class(evidence, image.key, originals) for image in worst}
    return {key: index for key, index in found.items() if index is not None}
