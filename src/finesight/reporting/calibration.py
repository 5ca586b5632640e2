"""The calibration section: the reliability diagram, and its finding in words."""

from dataclasses import dataclass

from finesight.analysis.evidence import Evidence
from finesight.reporting.charts import BOTTOM, LEFT, TOP, Tick
from finesight.reporting.html import name_split
from finesight.reporting.sections import percent
from finesight.run.calibration import NUM_BINS, Bin, Calibration, Reliability

SIDE = 260  # user units of the square of accuracy over confidence
STRIP = 36  # height of the bars below, of the number of predictions per bin
GAP = 8
NOTABLE = 0.02  # difference of the means from which a model is called over- or underconfident


@dataclass(frozen=True)
class Bar:
    """One bin of confidence. gap_top, gap_height: between accuracy and mean confidence. strip_height: of its count."""

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
    summary: str  # for screen readers
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bottom: float  # where accuracy is 0
    strip_bottom: float
    width: int
    height: int


@dataclass(frozen=True)
class CalibrationSection:
    """diagrams: before and, where it helps, after temperature scaling."""

    paragraphs: tuple[str, ...]
    diagrams: tuple[Diagram, ...]


def describe_calibration(evidence: Evidence, effect: str) -> CalibrationSection | None:
    """None where calibration was not measured. effect: a sentence on what temperature scaling changes."""
    found = evidence.calibration
    if found is None:
        return None
    diagrams = [draw_reliability("Uncalibrated", found.before, found.unit)]
    if not found.why_not:
        diagrams.append(draw_reliability(f"Temperature {found.temperature:.2f}", found.after, found.unit))
    return CalibrationSection((judge(found), describe_scaling(found, effect)), tuple(diagrams))


def judge(found: Calibration) -> str:
    before = found.before
    if abs(before.confidence - before.accuracy) < NOTABLE:
        verdict = "Well calibrated on average"
    else:
        verdict = "Overconfident" if before.confidence > before.accuracy else "Underconfident"
    return (
        f"{verdict}: mean confidence {percent(before.confidence)}, accuracy {percent(before.accuracy)}. "
        f"Expected calibration error {before.ece:.4f}."
    )


def describe_scaling(found: Calibration, effect: str) -> str:
    counted = f"{found.num_samples:,} {found.unit}s of the {name_split(found.split)} split"
    if found.all_right:
        return f"No temperature can be fitted: all predictions on {counted} are correct."
    if found.why_not:
        return (
            f"No temperature is offered. Fitted by maximum likelihood on {counted} (Guo et al., 2017) it is "
            f"{found.temperature:.3f}, but {found.why_not}."
        )
    return (
        f"Temperature scaling by {found.temperature:.3f}, fitted by maximum likelihood on {counted} (Guo et al., "
        f"2017), brings it to {found.after.ece:.4f}, cross-validated between two halves of the images. {effect}"
    )


def draw_reliability(title: str, measured: Reliability, unit: str) -> Diagram:
    """Bars of accuracy over confidence, their gap to the diagonal, and the number of predictions of each."""
    most = max(each.count for each in measured.bins)
    width = SIDE / NUM_BINS
    bars = tuple(
        _draw_bar(each, LEFT + place * width, width, STRIP * each.count / most, unit)
        for place, each in enumerate(measured.bins)
        if each.count
    )
    fractions = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Diagram(
        title=title,
        summary=f"{title}: expected calibration error {measured.ece:.4f}. "
        + "; ".join(bar.label for bar in bars)
        + ".",
        bars=bars,
        x_ticks=tuple(Tick(LEFT + SIDE * fraction, f"{fraction:g}") for fraction in fractions),
        y_ticks=tuple(Tick(TOP + SIDE * (1 - fraction), f"{fraction:g}") for fraction in fractions),
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
        label=f"confidence {percent(each.confidence)}, accuracy {percent(each.accuracy)}, {each.count:,} {unit}s",
    )
