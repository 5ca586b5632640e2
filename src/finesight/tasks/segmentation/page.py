"""The page of a run that segments images."""

from collections.abc import Sequence
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.reporting.calibration import describe_calibration
from finesight.reporting.charts import draw_matrix
from finesight.reporting.findings import show_findings
from finesight.reporting.html import Page, name_split
from finesight.reporting.image_columns import list_images
from finesight.reporting.interactive_plot import Style, bokeh_script, mask_style
from finesight.reporting.originals import Originals
from finesight.reporting.projection_section import describe_projection, plot_projection
from finesight.reporting.sections import (
    describe_training,
    draw_training,
    list_commands,
    list_confusions,
    list_freeze_phases,
)
from finesight.reporting.thumbnails import Sprites, make_sprites
from finesight.tasks.segmentation.mask_images import SIDE, list_colours
from finesight.tasks.segmentation.region_gallery import show_wrong_regions
from finesight.tasks.segmentation.results import (
    View,
    find_false_class,
    give_mask_verdict,
    list_segments,
    make_view,
    rank_images,
)
from finesight.tasks.segmentation.snapshot_strips import SnapshotStrips, masks_scripts, show_snapshots

CONTENTS = (
    ("verdict", "Verdict"), ("findings", "Findings"), ("metrics", "Metrics"), ("classes", "Classes"),
    ("confusion", "Confusion"), ("projection", "Projection"), ("similar", "Similar classes"), ("best", "Best images"),
    ("worst", "Worst images"), ("snapshots", "Masks through training"), ("labels", "Labels"),
    ("calibration", "Calibration"), ("data", "Data"),
    ("architecture", "Architecture"), ("curves", "Training"), ("frozen", "Frozen layers"),
    ("settings", "Settings"),
)  # fmt: skip
PARTS = (
    "mask_verdict.html.j2", "findings.html.j2", "metrics.html.j2", "segments.html.j2", "projection.html.j2",
    "best_worst.html.j2", "snapshots.html.j2", "label_errors.html.j2", "calibration.html.j2", "mask_data.html.j2",
    "training.html.j2", "record.html.j2",
)  # fmt: skip
OVERLAY_SIDE = SIDE  # pixels of a saliency map
VIEWS_SHOWN = 3  # of a finding; an image with its masks takes some 40 kB
PLOT_KEY = (
    "Colour and shape show the true class of most of its pixels; a red edge marks an image for which another class is "
    "predicted most."
)

LABEL_RULE = "The score is the region's fraction of the image times the confidence."
CALIBRATION_EFFECT = "Masks do not change: the same class stays the most probable."


def make_page(evidence: Evidence, originals: Originals) -> Page:
    snapshots, embedding = show_snapshots([evidence], originals), evidence.embedding
    sprites = make_sprites(
        [image.key for image in embedding.images] if embedding else [], originals.find_image, evidence.scale
    )
    return Page(
        title=evidence.run.resolve().name,
        contents=CONTENTS,
        parts=PARTS,
        sources=[str(evidence.run)],
        data=_page_data(evidence, snapshots, sprites),
        context=_context(evidence, originals, snapshots),
        definitions=evaluation.definitions if (evaluation := evidence.evaluation) else {},
        scripts=(*masks_scripts(snapshots), *(("projection.js",) if embedding else ())),
        library=bokeh_script() if embedding else "",
        sprites=sprites,
    )


def _page_data(evidence: Evidence, snapshots: SnapshotStrips | None, sprites: Sprites) -> dict[str, Any]:
    """What the page's scripts read."""
    names, embedding = evidence.classes.names, evidence.embedding
    film = snapshots.to_dict() if snapshots else None
    data = {"names": names, "order": list(range(len(names))), "unit": "pixel", "snapshots": film}
    if embedding is None:
        return data
    images = list_images(embedding.images, sprites, embedding)
    images["pixel_accuracy"] = [image.right for image in embedding.images]
    return data | {"images": images, "projection": plot_projection(embedding, list_styles(evidence))}


def list_styles(evidence: Evidence) -> list[Style]:
    return [mask_style(index, colour) for index, colour in enumerate(list_colours(evidence.classes))]


def _context(evidence: Evidence, originals: Originals, snapshots: SnapshotStrips | None) -> dict[str, Any]:
    evaluation, names = evidence.evaluation, evidence.classes.names
    rows = list_segments(evidence)
    ranked = dict(zip(("best", "worst"), rank_images(evidence), strict=True))
    return {
        "evidence": evidence,
        "split_name": name_split(evidence.split),
        "names": names,
        "runs": [""],
        "colours": list_colours(evidence.classes),
        "training": describe_training(evidence),
        "verdict": give_mask_verdict(evidence),
        "found": show_findings(evidence, lambda keys: {"views": _make_views(keys[:VIEWS_SHOWN], evidence, originals)}),
        "rows": rows,
        "shares_known": [name for name in ("train", "truth", "prediction") if getattr(rows[0], name) is not None],
        "largest": max(share or 0.0 for row in rows for share in (row.train, row.truth, row.prediction)),
        "curves_drawn": draw_training(evidence),
        "snapshots": snapshots,
        "matrix": draw_matrix(evaluation.counts, names, range(len(names)), in_percent=True) if evaluation else None,
        "confusions": list_confusions(evaluation) if evaluation else [],
        "galleries": {
            name: _make_views([image.key for image in images], evidence, originals) for name, images in ranked.items()
        },
        "calibration": describe_calibration(evidence, CALIBRATION_EFFECT),
        "label_rule": LABEL_RULE,
        "label_galleries": show_wrong_regions(evidence, originals),
        "saliency": originals.attention,
        "phases": list_freeze_phases(evidence),
        "commands": list_commands(evidence),
        **describe_projection(evidence, list_styles(evidence), PLOT_KEY),
    }


def _make_views(keys: Sequence[str], evidence: Evidence, originals: Originals) -> tuple[View, ...]:
    views = (make_view(key, [evidence], originals) for key in keys)
    return tuple(view for view in views if view)


def list_false_classes(evidence: Evidence, originals: Originals) -> dict[str, int]:
    """The class predicted on most wrong pixels of each of the worst images, by key."""
    _, worst = rank_images(evidence)
    found = {image.key: find_false_class(evidence, image.key, originals) for image in worst}
    return {key: index for key, index in found.items() if index is not None}
