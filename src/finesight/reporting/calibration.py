"""The reliability diagram: where its bars are, and what they say in words."""

from dataclasses import dataclass

from finesight.analysis.evidence import Evidence
from finesight.metrics.calibration import NUM_BINS, Bin, Calibration, Reliability
from finesight.reporting.charts import BOTTOM, LEFT, TOP, Tick
from finesight.reporting.html import name_split
from finesight.reporting.sections import percent

SIDE = 260  # user units of the square in which accuracy stands over confidence
STRIP = 36  # height of the bars below that tell how many answers a bin has
GAP = 8
NOTABLE = 0.02  # difference of means from which a network is called too sure, or not sure enough


@dataclass(frozen=True)
class Bar:
    """One bin of confidence. top: of the accuracy; gap_top, gap_height: what lies between it and the mean confidence.

    strip_height: of its share of the answers.
    """

    left: float
    width: float
    top: float
    height: float
    gap_top: float
    gap_height: float
    strip_height: float
    label: str


@dataclass(frozen=True)
class Diagram:
    title: str
    summary: str  # for those who cannot see it
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bottom: float  # where accuracy is 0
    strip_bottom: float
    width: int
    height: int


@dataclass(frozen=True)
class CalibrationStory:
    """paragraphs: what was found. diagrams: before and, where it is of use, after temperature scaling."""

    paragraphs: tuple[str, ...]
    diagrams: tuple[Diagram, ...]


def tell_calibration(evidence: Evidence) -> CalibrationStory | None:
    """None where the run was not calibrated."""
    found = evidence.calibration
    if found is None:
        return None
    diagrams = [draw_reliability("As the network says it", found.before, found.unit)]
    if not found.why_not:
        diagrams.append(draw_reliability(f"After temperature {found.temperature:.2f}", found.after, found.unit))
    can_use = evidence.model["task"] == "classification"
    return CalibrationStory((judge(found), describe_scaling(found, can_use)), tuple(diagrams))


def judge(found: Calibration) -> str:
    before = found.before
    sure, right = percent(before.confidence), percent(before.accuracy)
    if abs(before.confidence - before.accuracy) < NOTABLE:
        verdict = "The network is right about as often as it is sure"
    elif before.confidence > before.accuracy:
        verdict = "The network is surer than it should be"
    else:
        verdict = "The network is less sure than it could be"
    return f"{verdict}: on average {sure} sure, and right on {right}. Expected calibration error {before.ece:.4f}."


def describe_scaling(found: Calibration, can_use: bool) -> str:
    """can_use: whether `predict --calibrated` says probabilities."""
    counted = f"{found.num_samples:,} {found.unit}s of the {name_split(found.split)} part"
    if found.all_right:
        return f"No temperature can be fitted: all answers on {counted} are right, and how sure to be is unknown."
    if found.why_not:
        return (
            f"No temperature is offered. Fitted by likelihood on {counted} (Guo et al., 2017) it would be "
            f"{found.temperature:.3f}, but {found.why_not}."
        )
    text = (
        f"Dividing logits by a temperature of {found.temperature:.3f}, fitted by likelihood on {counted} (Guo et al., "
        f"2017), brings it to {found.after.ece:.4f}, measured on each half of the images with the temperature of the "
        "other half."
    )
    if can_use:
        return f"{text} No prediction changes. Probabilities of “finesight predict --calibrated” are scaled so."
    return f"{text} No mask changes: the same class stays the most likely."


def draw_reliability(title: str, measured: Reliability, unit: str) -> Diagram:
    """Bars of accuracy over confidence, what they miss of the diagonal, and how many answers each stands for."""
    most = max(each.count for each in measured.bins)
    width = SIDE / NUM_BINS
    bars = tuple(
        _draw_bar(each, LEFT + place * width, width, STRIP * each.count / most, unit)
        for place, each in enumerate(measured.bins)
        if each.count
    )
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Diagram(
        title=title,
        summary=f"{title}: expected calibration error {measured.ece:.4f}. "
        + "; ".join(bar.label for bar in bars)
        + ".",
        bars=bars,
        x_ticks=tuple(Tick(LEFT + SIDE * share, f"{share:g}") for share in shares),
        y_ticks=tuple(Tick(TOP + SIDE * (1 - share), f"{share:g}") for share in shares),
        bottom=TOP + SIDE,
        strip_bottom=TOP + SIDE + GAP + STRIP,
        width=LEFT + SIDE + 14,
        height=TOP + SIDE + GAP + STRIP + BOTTOM,
    )


def _draw_bar(each: Bin, left: float, width: float, strip_height: float, unit: str) -> Bar:
    low, high = sorted((each.accuracy, each.confidence))
    return Bar(
        left=round(left, 1),
        width=round(width - 1, 1),
        top=round(TOP + SIDE * (1 - each.accuracy), 1),
        height=round(SIDE * each.accuracy, 1),
        gap_top=round(TOP + SIDE * (1 - high), 1),
        gap_height=round(SIDE * (high - low), 1),
        strip_height=round(max(strip_height, 1), 1),
        label=f"{percent(each.confidence)} sure, {percent(each.accuracy)} right, {each.count:,} {unit}s",
    )
