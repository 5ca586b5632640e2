"""What differs between runs of one task on the same images. Numbers are set beside each other, none is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finesight.analysis.evidence import Evidence, read_curve
from finesight.config import dotted_settings
from finesight.errors import ConfigError
from finesight.metrics.confusion import LOWER_IS_BETTER
from finesight.metrics.evaluation import ImageResult
from finesight.metrics.metric_labels import label_metric
from finesight.metrics.significance import FEWEST_IMAGES
from finesight.models.summary import compare_networks
from finesight.reporting.charts import Curves, draw_curves
from finesight.run.architecture import NetworkDifference
from finesight.run.results import Compared


def check_comparable(runs: Sequence[Evidence]) -> None:
    """Raises ConfigError where a run differs from the first in task, classes or images; it says in which."""
    first = runs[0]
    for other in runs[1:]:
        both = f"{first.run} and {other.run} cannot be compared"
        tasks = [run.model.task for run in (first, other)]
        if tasks[0] != tasks[1]:
            raise ConfigError(f"{both}: their tasks differ, {tasks[0]} and {tasks[1]}.")
        if (first.classes.ids, first.classes.ignore) != (other.classes.ids, other.classes.ignore):
            odd = set(first.classes.ids) ^ set(other.classes.ids)
            what = f"{min(odd)!r} is in one of them only" if odd else "their order or the ignored class is another"
            raise ConfigError(f"{both}: their classes differ, {what}.")
        odd = list_keys(first) ^ list_keys(other)
        if odd:
            raise ConfigError(
                f"{both}: their images of split {first.split!r} differ, {min(odd)!r} is in one of them only."
            )


def list_keys(run: Evidence) -> set[str]:
    """Keys of the images the run was measured on, or would be."""
    if run.evaluation:
        return set(run.evaluation.keys)
    return {key for key, _ in run.splits.get(run.split, ())}


def name_runs(runs: Sequence[Evidence]) -> list[str]:
    """Names of the run folders; whole paths where those are the same."""
    names = [run.run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.run) for run in runs]


@dataclass(frozen=True)
class Contrast:
    """One metric, of a class by the class's name. label: as the page writes it.

    values: a run each, None where it has none; differences: to the first run, whose own is None.
    gains: whether each difference is for the better; None where it is none.
    """

    name: str
    label: str
    definition: str
    values: tuple[float | None, ...]
    differences: tuple[float | None, ...]
    gains: tuple[bool | None, ...]


def list_contrasts(runs: Sequence[Evidence], prefix: str = "") -> list[Contrast]:
    """Metrics of the whole; with a prefix such as `iou/` those of every class, called by the class's name."""
    measured = [run.evaluation.metrics if run.evaluation else {} for run in runs]
    definitions = runs[0].evaluation.definitions if runs[0].evaluation else {}
    names = dict.fromkeys(
        name for metrics in measured for name in metrics if name.startswith(prefix) and "/" not in name[len(prefix) :]
    )
    labels = {name: label_metric(name) for name in names}
    if prefix:
        labels = {f"{prefix}{name}": runs[0].classes.label(name) for name in runs[0].classes.names}
    return [
        _contrast(metric, metric[len(prefix) :], label, definitions.get(metric, ""), measured)
        for metric, label in labels.items()
    ]


def _contrast(metric: str, name: str, label: str, definition: str, measured: Sequence[Mapping[str, float]]) -> Contrast:
    values = tuple(metrics.get(metric) for metrics in measured)
    base = values[0]
    differences = (None, *(None if None in (value, base) else (value or 0) - (base or 0) for value in values[1:]))
    gains = tuple((each < 0) == (metric in LOWER_IS_BETTER) if each else None for each in differences)
    return Contrast(name, label, definition, values, differences, gains)


@dataclass(frozen=True)
class Outcome:
    """What comparison.json says of the whole. places: of low, difference and high on a scale, 0-100, zero at 50.

    doubt: why one cannot tell which run is better; empty where one can.
    """

    word: str
    difference: float
    interval: tuple[float, float]
    doubt: str
    places: tuple[float, float, float]


def judge_outcome(comparison: Compared) -> Outcome:
    low, high = comparison.interval
    difference, doubt = comparison.difference, ""
    if comparison.num_images < FEWEST_IMAGES:
        doubt = "These are too few images to tell which run is better."
    elif low <= 0 <= high:
        doubt = "The interval includes zero: these images do not show which run is better."
    reach = 1.25 * max(abs(low), abs(high), 1e-9)
    low_at, at, high_at = (round(50 + 50 * each / reach, 2) for each in (low, difference, high))
    word = "Not distinguishable" if doubt else "Better" if difference > 0 else "Worse"
    return Outcome(word, difference, (low, high), doubt, (low_at, at, high_at))


def list_settings(runs: Sequence[Evidence]) -> list[tuple[str, tuple[object, ...]]]:
    """(dotted name, value in each run) of the settings that are not the same in all runs."""
    flat = [dict(dotted_settings(run.settings)) for run in runs]
    rows = ((name, tuple(each[name] for each in flat)) for name in flat[0])
    return [(name, values) for name, values in rows if any(value != values[0] for value in values)]


def compare_architectures(first: Evidence, other: Evidence) -> NetworkDifference | None:
    """None where the layers of one are not recorded."""
    one, two = first.architecture, other.architecture
    return compare_networks(one, two) if one and one.layers and two and two.layers else None


def draw_together(runs: Sequence[Evidence], names: Sequence[str]) -> list[Curves]:
    """Training loss, and the metric that decided which epoch is kept: a line a run."""
    judged = runs[0].settings.checkpoint.best or "accuracy"
    drawn = (
        draw_curves(
            title,
            term,
            {name: read_curve(run, field) for name, run in zip(names, runs, strict=True)},
            None,
            from_zero=term == "loss",
        )
        for title, term, field in (
            (f"{label_metric(judged)}, validation", judged, f"val/{judged}"),
            ("Loss, training", "loss", "train/loss"),
        )
    )
    return [chart for chart in drawn if chart]


@dataclass(frozen=True)
class Change:
    """What two runs predicted for one image."""

    before: ImageResult
    after: ImageResult

    @property
    def gain(self) -> float:
        """Of the fraction that is right, -1 to 1."""
        return (self.after.fraction_right or 0.0) - (self.before.fraction_right or 0.0)


def list_changes(first: Evidence, other: Evidence) -> tuple[list[Change], list[Change]]:
    """(better, worse) than in the first run: the largest changes first, of equals the most confident."""
    before = {image.key: image for image in _list_judged(first)}
    changes = [Change(before[image.key], image) for image in _list_judged(other) if image.key in before]
    changes.sort(key=lambda change: (-abs(change.gain), -(change.after.confidence or 0.0), change.after.key))
    return [change for change in changes if change.gain > 0], [change for change in changes if change.gain < 0]


def _list_judged(run: Evidence) -> list[ImageResult]:
    return [image for image in (run.evaluation.images if run.evaluation else ()) if image.fraction_right is not None]
