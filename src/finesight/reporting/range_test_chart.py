"""The loss of a range test over the learning rate, as a chart of the report."""

import math
from pathlib import Path

from finesight.reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curves, Dot, Line, Tick, choose_ticks
from finesight.run import schema
from finesight.run.folder import RunFolder

MOST_SHOWN = 1.5  # times the first smoothed loss: beyond, a test diverges


def draw_range_test(run: Path) -> Curves | None:
    """With the chosen rate as the marked place; None where the rate was not tested. Raises ValueError, KeyError."""
    folder = RunFolder(run)
    if not folder.has(schema.RANGE_TEST):
        return None
    test = folder.read_json(schema.RANGE_TEST)
    rates, chosen = [float(rate) for rate in test["rates"]], float(test["chosen"])
    if len(rates) < 2:
        return None
    series = {"loss": list(map(float, test["losses"])), "smoothed": list(map(float, test["smoothed"]))}
    most = MOST_SHOWN * series["smoothed"][0]
    kept = {name: [min(loss, most) for loss in losses] for name, losses in series.items()}
    values = [loss for losses in kept.values() for loss in losses]
    ticks = choose_ticks(min(values), max(values))
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    first, last = math.log10(rates[0]), math.log10(rates[-1])

    def across(rate: float) -> float:
        return round(LEFT + (math.log10(rate) - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def up(loss: float) -> float:
        return round(HEIGHT - BOTTOM - (loss - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    lines: list[Line] = []
    for name, losses in kept.items():
        dots = tuple(
            Dot(across(rate), up(loss), f"rate {rate:.2g}: {name} {true:.4g}")
            for rate, loss, true in zip(rates, losses, series[name], strict=True)
        )
        lines.append(Line(name, "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots), dots))
    powers = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)
    return Curves(
        title="Range test: loss by learning rate",
        y_title="Loss",
        x_title="Learning rate",
        term="learning_rate",
        summary=f"Range test of the learning rate. Chosen: {chosen:.2g}. {test['why']}",
        lines=tuple(lines),
        x_ticks=tuple(Tick(across(10.0**power), f"{10.0**power:g}") for power in powers),
        y_ticks=tuple(Tick(up(tick), f"{tick:g}") for tick in ticks),
        best_x=across(min(max(chosen, rates[0]), rates[-1])),
    )
