"""Compare: whether a run is better than another on the same images, by how much, and how certain that is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.app.evaluate import evaluate
from finesight.errors import ConfigError
from finesight.metrics.image_statistics import ImageStatistics, gather_rows
from finesight.metrics.metric_labels import label_metric
from finesight.metrics.significance import Difference, compare_paired, mcnemar
from finesight.reporting.comparison import check_comparable, compare_architectures, list_changes, list_settings
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.results import ClassDifference, Compared, McNemar
from finesight.tasks import find_task

IMAGES_LISTED = 20  # on which a side wins
NEVER_SAID = ("data.root", "data.val")  # settings that differ from machine to machine
Runs = str | Path | Sequence[str | Path]


def compare(baseline: Runs, improved: Runs, *, split: str = "val", resamples: int = 10_000, seed: int = 0) -> Compared:
    """Compares two runs on the same images, or two groups of runs that differ in their seed only.

    The result is saved as comparison.json in the last run. Raises ConfigError for runs of other data or classes.
    """
    if resamples < 100:
        raise ConfigError(f"{resamples} resamples give no interval; take 1,000 or more.")
    sides = [_read_side(runs, split) for runs in (baseline, improved)]
    runs = [run for side in sides for run in side]
    check_comparable(runs)
    keys = runs[0].evaluation.keys if runs[0].evaluation else []
    counted = [[run.task.read_statistics(RunFolder(run.run), split, run.classes) for run in side] for side in sides]
    first = counted[0][0]
    _check_truth(runs, keys, [each for side in counted for each in side])
    rows, repeats = gather_rows(counted, keys)
    whole, *by_class = compare_paired(rows[0], rows[1], first.scoring.score, resamples, seed=seed, repeats=repeats)
    if whole is None:
        raise ConfigError(f"The images of split {split!r} have no known class; there is nothing to compare.")
    metric = first.scoring.metric
    better, worse = ([change.after.key for change in side] for side in list_changes(sides[0][0], sides[1][-1]))
    test = None
    if first.is_one_unit and len(runs) == 2:
        test = McNemar(len(worse), len(better), mcnemar(len(worse), len(better)))
    names = runs[0].classes.names
    result = Compared(
        verdict=give_verdict(label_metric(metric), whole, len(keys)),
        metric=metric,
        **whole._replace(p_value=test.p if test else whole.p_value)._asdict(),
        num_samples=len(keys),
        resamples=resamples,
        runs={"baseline": [str(run.run) for run in sides[0]], "improved": [str(run.run) for run in sides[1]]},
        class_metric=first.scoring.class_metric,
        classes={
            names[index]: ClassDifference(**each._asdict() | {"interval": each.interval if each.is_enough else None})
            for index, each in zip(first.scored, by_class, strict=True)
            if each is not None
        },
        settings={
            name: list(values) for name, values in list_settings([sides[0][0], sides[1][-1]]) if name not in NEVER_SAID
        },
        architecture=compare_architectures(sides[0][0], sides[1][-1]),
        better=better[:IMAGES_LISTED],
        worse=worse[:IMAGES_LISTED],
        mcnemar=test,
    )
    RunFolder(runs[-1].run).write_json(schema.COMPARISON, result.to_dict())
    return result


def give_verdict(metric: str, found: Difference, num_samples: int) -> str:
    """metric: as people read it, `Mean IoU`."""
    low, high = found.interval
    if not found.is_enough:
        few = f"{num_samples:,} {'image is' if num_samples == 1 else 'images are'} too few to tell"
        return f"{metric}: not distinguishable; difference {found.difference:.3f}, {few}"
    how_sure = f"95 % interval {low:.3f} to {high:.3f}, {num_samples:,} images"
    if not found.is_distinguishable:
        return f"{metric}: not distinguishable; difference {found.difference:.3f}, {how_sure}"
    verb = "improved" if found.difference > 0 else "fell"
    return f"{metric} {verb} by {abs(found.difference):.3f}, {how_sure}"


def _read_side(runs: Runs, split: str) -> list[Evidence]:
    paths = [runs] if isinstance(runs, str | Path) else list(runs)
    folders = [RunFolder.open(path) for path in paths]
    for folder in folders:
        if not folder.is_evaluated(split):
            evaluate(folder.path, split=split)
    return [read_evidence(folder, split, find_task(folder)) for folder in folders]


def _check_truth(runs: Sequence[Evidence], keys: Sequence[str], counted: Sequence[ImageStatistics]) -> None:
    """Raises ConfigError where an image's label or mask is not the same in every run."""
    truth = counted[0].support[counted[0].select(keys)]
    for run, other in zip(runs, counted, strict=True):
        differing = np.flatnonzero((other.support[other.select(keys)] != truth).any(1))
        if len(differing):
            raise ConfigError(
                f"{runs[0].run} and {run.run} cannot be compared: {len(differing)} images have another label or "
                f"mask, first {keys[differing[0]]!r}."
            )
