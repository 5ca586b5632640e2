"""Compare: is a run better than another on the same images, by how much, and how sure is that."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.app.evaluate import evaluate
from finesight.errors import ConfigError, blame_files
from finesight.metrics.significance import (
    Difference,
    answer_rows,
    compare_paired,
    mask_rows,
    mcnemar,
    score_answers,
    score_masks,
)
from finesight.reporting.comparison import (
    check_comparable,
    compare_architectures,
    list_settings,
    list_turned_answers,
    rank_changes,
)
from finesight.run.folder import RunFolder
from finesight.tasks import find_task

IMAGES_LISTED = 20  # on which a side wins
Runs = str | Path | Sequence[str | Path]


def compare(
    baseline: Runs, improved: Runs, *, split: str = "val", resamples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """Compares two runs on the same images, or two groups of runs that differ in their seed only.

    Returns `verdict`, `metric`, `baseline`, `improved`, `difference`, `interval` (95 %), `p_value` (McNemar's of two
    single classifiers, else the bootstrap's), `num_images`, `num_samples`, `resamples`, `classes` (the same a class;
    recall for classification, IoU for segmentation; no interval where too few images have it), `settings` and
    `architecture` that differ, `better` and `worse` (keys); of two single classifiers also `mcnemar`. Saved as
    comparison.json in the last run.
    Raises ConfigError for runs of other data or classes.
    """
    if resamples < 100:
        raise ConfigError(f"{resamples} resamples give no interval; take 1,000 or more.")
    sides = [_read_side(runs, split) for runs in (baseline, improved)]
    runs = [run for side in sides for run in side]
    check_comparable(runs)
    keys = runs[0].evaluation.keys if runs[0].evaluation else []
    score = score_masks if runs[0].evaluation and runs[0].evaluation.scenes else score_answers
    counted = [[_read_rows(run, keys) for run in side] for side in sides]
    _check_truth(runs, [truth for side in counted for _, truth in side])
    rows = [[each for each, _ in side] for side in counted]
    whole, *by_class = compare_paired(rows[0], rows[1], score, resamples, seed=seed)
    if whole is None:
        raise ConfigError(f"The images of part {split!r} hold no known class; there is nothing to compare.")
    metric = "accuracy" if score is score_answers else "miou"
    result = {
        "verdict": give_verdict(metric, whole, len(keys)),
        "metric": metric,
        **_to_dict(whole),
        "num_samples": len(keys),
        "resamples": resamples,
        "runs": {"baseline": [str(run.run) for run in sides[0]], "improved": [str(run.run) for run in sides[1]]},
        "class_metric": "recall" if score is score_answers else "iou",
        "classes": {
            name: {**_to_dict(each), "interval": list(each.interval) if each.is_enough else None}
            for name, each in zip(_known_names(runs[0]), by_class, strict=True)
            if each is not None
        },
        **_say_what_differs(sides[0][0], sides[1][-1]),
    }
    if score is score_answers and len(runs) == 2:
        won, lost = (len(result[side]) for side in ("better", "worse"))
        result["p_value"] = mcnemar(lost, won)
        result["mcnemar"] = {"only_baseline": lost, "only_improved": won, "p": result["p_value"]}
    for side in ("better", "worse"):
        result[side] = result[side][:IMAGES_LISTED]
    RunFolder(runs[-1].run).write_json("comparison.json", result)
    return result


def give_verdict(metric: str, found: Difference, num_samples: int) -> str:
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
        if not (folder.evaluation(split) / "metrics.json").exists():
            evaluate(folder.path, split=split)
    return [read_evidence(folder, split, find_task(folder)) for folder in folders]


def _read_rows(run: Evidence, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Counts of each image, in the order of `keys`, and its truth: a class index, or pixels of each class."""
    with blame_files(run.run):
        assert run.evaluation is not None
        place = {key: index for index, key in enumerate(run.evaluation.keys)}
        order = [place[key] for key in keys]
        if run.evaluation.scenes:
            counts = load_file(RunFolder(run.run).evaluation(run.split) / "counts.safetensors")["counts"][order]
            known = [i for i in range(len(run.classes)) if i != run.classes.ignore]
            return mask_rows(counts, known), counts.sum(2)
        answers = [run.evaluation.answers[index] for index in order]
        targets, predictions = (
            np.array([-1 if value is None else value for value in values])
            for values in zip(*((answer.truth, answer.prediction) for answer in answers), strict=True)
        )
        return answer_rows(targets, predictions, len(run.classes)), targets[:, None]


def _check_truth(runs: Sequence[Evidence], truths: Sequence[np.ndarray]) -> None:
    """Raises ConfigError where an image's label or mask is not the same in every run."""
    for run, truth in zip(runs, truths, strict=True):
        differing = np.flatnonzero((truth != truths[0]).any(1))
        if len(differing):
            key = runs[0].evaluation.keys[differing[0]] if runs[0].evaluation else ""
            raise ConfigError(
                f"{runs[0].run} and {run.run} cannot be compared: {len(differing)} images have another label or "
                f"mask, first {key!r}."
            )


def _known_names(run: Evidence) -> list[str]:
    ignored = run.classes.ignore if run.evaluation and run.evaluation.scenes else None
    return [name for index, name in enumerate(run.classes.names) if index != ignored]


def _say_what_differs(first: Evidence, last: Evidence) -> dict[str, Any]:
    """`settings`, `architecture`, and the keys of the images on which a side wins: `better` and `worse`."""
    if first.evaluation and first.evaluation.scenes:
        better, worse = rank_changes(first, last, len(first.evaluation.scenes))
    else:
        better, worse = ([turn.after.key for turn in turns] for turns in list_turned_answers(first, last))
    ignored = ("data.root", "data.val")
    return {
        "settings": {name: list(values) for name, values in list_settings([first, last]) if name not in ignored},
        "architecture": compare_architectures([first, last])[0],
        "better": better,
        "worse": worse,
    }


def _to_dict(found: Difference) -> dict[str, Any]:
    return {**found._asdict(), "interval": list(found.interval)}
