"""How runs that classify are compared: the images whose prediction changed."""

from collections.abc import Sequence

from finesight.analysis.evidence import Evidence
from finesight.reporting.comparison import list_changes, name_runs
from finesight.reporting.comparison_page import ComparedImages, Gathered
from finesight.reporting.image_columns import list_images, list_predictions
from finesight.reporting.originals import Originals
from finesight.reporting.shown_images import sample_evidence
from finesight.reporting.thumbnails import make_sprites

CHANGES_SHOWN = 48  # images predicted better, and as many worse


def gather_changes(runs: Sequence[Evidence], originals: Originals) -> Gathered:
    """The images whose prediction changed; with the neighbours of the last run, if it was embedded, all it has."""
    changes = [list_changes(runs[0], run) for run in runs[1:]]
    changed = {change.after.key for pair in changes for side in pair for change in side[:CHANGES_SHOWN]}
    sample = sample_evidence(runs[-1], changed)
    embedding = sample.embedding if sample.embedding and sample.embedding.nearest else None
    images = [image for image in sample.images if embedding or image.key in changed]
    keys = sorted((image.key for image in images), key=lambda key: key not in changed)
    sprites = make_sprites(keys, originals.find_image, runs[-1].scale)
    columns = list_images(images, sprites, embedding)
    columns["runs"] = [
        {"name": name, **list_predictions(run, columns["key"])} for name, run in zip(name_runs(runs), runs, strict=True)
    ]
    return Gathered({"changes": changes, "changes_shown": CHANGES_SHOWN}, {"images": columns}, sprites)


COMPARISON = ComparedImages(
    "f1", "F1", ("changed_predictions.html.j2",), (("images", "Changed predictions"),), gather_changes
)
