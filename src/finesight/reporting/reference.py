"""The reference report beside runs: its figures and conditions in one table, and its order of sections."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from finesight.analysis.evidence import Evidence, find_best_epoch
from finesight.config import Settings, load_settings
from finesight.metrics.metric_labels import label_metric
from finesight.reporting.html import Page

FIRST_PARTS = {  # template → its anchors: what the reference shows first, in its order
    "training.html.j2": ("architecture", "curves"),
    "comparison_record.html.j2": ("architecture", "settings"),
    "verdict.html.j2": ("verdict",),
    "projection.html.j2": ("projection", "similar"),
}


@dataclass(frozen=True)
class Published:
    """One training of the reference. score: of the metric that the recipe judges epochs by. kept: its best epoch."""

    recipe: str
    score: float
    kept: str
    num_train: int
    num_val: int


PUBLISHED = {
    "ResNet50": Published("dlcv-resnet50", 0.862, "19", 22_500, 2_500),
    "FCN32s": Published("dlcv-fcn32s", 0.676, "not stated", 2_000, 257),
    "FCN8s": Published("dlcv-fcn8s", 0.696, "not stated", 2_000, 257),
}


@dataclass(frozen=True)
class Pair:
    """A fact of one training: in the reference, and here."""

    reference: str
    here: str


def put_beside_reference(page: Page, title: str, runs: Mapping[str, Evidence]) -> Page:
    """The page of these runs with the reference's figures on top, and then its sections in its order.

    runs: by the name in PUBLISHED of what they repeat.
    """
    moved = [part for part in FIRST_PARTS if part in page.parts]
    labels = dict(page.contents)
    first = {anchor: labels[anchor] for part in moved for anchor in FIRST_PARTS[part]}
    others = {anchor: label for anchor, label in labels.items() if anchor not in first}
    name, run = next(iter(runs.items()))
    context = {
        "title": title,
        "metric": label_metric(load_settings(PUBLISHED[name].recipe).checkpoint.best),
        "beside": {name: list_facts(PUBLISHED[name], run) for name, run in runs.items()},
        "notes": list_notes(PUBLISHED[name], run),
    }
    return replace(
        page,
        contents=(("reference", "The reference"), *first.items(), *others.items()),
        parts=("reference.html.j2", *moved, *(part for part in page.parts if part not in moved)),
        context={**page.context, **context},
    )


def list_facts(published: Published, run: Evidence) -> dict[str, Pair]:
    """Score and conditions, by label. The reference's settings are those of its recipe."""
    theirs, ours = load_settings(published.recipe), run.settings
    metric = theirs.checkpoint.best
    score = run.evaluation.metrics.get(metric) if run.evaluation else None
    train, val = (f"{len(run.splits.get(split, ())):,}" for split in ("train", "val"))
    before, after = describe_settings(theirs), describe_settings(ours)
    return {
        label_metric(metric): Pair(f"{published.score:.3f}", "unknown" if score is None else f"{score:.3f}"),
        "Initial weights": Pair("ImageNet", str(run.model.weights.get("source", "unknown"))),
        **{label: Pair(before[label], after[label]) for label in before},
        "Epoch kept": Pair(published.kept, str(find_best_epoch(run))),
        "Training images": Pair(f"{published.num_train:,}", train),
        "Validation images": Pair(f"{published.num_val:,}", val),
    }


def describe_settings(settings: Settings) -> dict[str, str]:
    """Those that decide a score, in words."""
    image, optim = settings.image, settings.optim
    return {
        "Model": settings.model.name,
        "Frozen before": settings.model.freeze_before or "nothing frozen",
        "Image size": f"{image.size[0]} × {image.size[1]} px" if image.size else "that of the weights",
        "Optimiser": f"{optim.name}, learning rate {optim.lr:g}",
        "Batch": str(settings.batch_size),
        "Epochs": str(settings.epochs),
    }


def list_notes(published: Published, run: Evidence) -> list[str]:
    """What else is not as in the reference."""
    data, named = run.settings.data, load_settings(published.recipe).snapshots.images
    notes = []
    if not data.val:
        notes.append(
            f"The data have no validation folder: {data.val_fraction:.0%} of the training images were held out at "
            "random. They may be adjacent to training images, so the scores say little about unseen regions."
        )
    if data.limit:
        notes.append(f"Each split was limited to {data.limit:,} images, evenly spread (data.limit).")
    if named != run.settings.snapshots.images:
        notes.append(
            f"The validation split lacks the images whose masks the reference shows ({', '.join(named)}): others, "
            "from uniform to mixed classes, are shown below."
        )
    return notes
