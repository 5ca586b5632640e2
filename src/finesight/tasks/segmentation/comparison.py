"""How runs that segment are compared: mask snapshots side by side, and the masks that changed most."""

from collections.abc import Sequence

from finesight.analysis.evidence import Evidence
from finesight.reporting.comparison import list_changes
from finesight.reporting.comparison_page import ComparedImages, Gathered
from finesight.reporting.originals import Originals
from finesight.tasks.segmentation.mask_images import list_colours
from finesight.tasks.segmentation.mask_views import make_view
from finesight.tasks.segmentation.snapshot_strips import masks_scripts, show_snapshots

CHANGES_SHOWN = 6  # masks that became better, and as many that became worse


def gather_masks(runs: Sequence[Evidence], originals: Originals) -> Gathered:
    keys = [[change.after.key for change in side[:CHANGES_SHOWN]] for side in list_changes(runs[0], runs[-1])]
    views = [[view for key in side if (view := make_view(key, runs, originals))] for side in keys]
    snapshots = show_snapshots(runs, originals)
    context = {
        "snapshots": snapshots,
        "changed_views": list(zip(("Better", "Worse"), views, strict=True)),
        "colours": list_colours(runs[0].classes),
    }
    return Gathered(
        context, {"snapshots": snapshots.to_dict() if snapshots else None}, scripts=masks_scripts(snapshots)
    )


COMPARISON = ComparedImages(
    "iou",
    "IoU",
    ("snapshots.html.j2", "changed_masks.html.j2"),
    (("snapshots", "Masks through training"), ("images", "Largest changes")),
    gather_masks,
)
