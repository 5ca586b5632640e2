from typing import Annotated

from typer import Argument, Option

from finesight.classes import label_names
from finesight.cli.completion import complete_runs
from finesight.cli.options import JsonOption, SplitOption, print_json, print_line
from finesight.cli.starting import starting
from finesight.metrics.metric_labels import label_metric

SideHelp = "Run folder, or several of different seeds joined by commas."


def compare(
    baseline: Annotated[str, Argument(metavar="BASELINE", help=SideHelp, autocompletion=complete_runs)],
    improved: Annotated[str, Argument(metavar="IMPROVED", help=SideHelp, autocompletion=complete_runs)],
    split: SplitOption = "val",
    resamples: Annotated[int, Option(metavar="N", help="Bootstrap resamples of the images.")] = 10_000,
    seed: Annotated[int, Option(metavar="N", help="Seed of the resampling.")] = 0,
    json_output: JsonOption = False,
) -> None:
    """Compare two runs on the same images: which is better, by how much, with what confidence.

    A paired bootstrap over images gives a 95 % interval for every difference. Two classifiers also get McNemar's
    test. `finesight report BASELINE IMPROVED` shows the same with images.

    Examples:

    `finesight compare runs/baseline runs/improved`

    `finesight compare runs/a1,runs/a2,runs/a3 runs/b1,runs/b2,runs/b3`
    """
    with starting(f"Comparing {baseline} and {improved}.", [*baseline.split(","), *improved.split(",")]):
        from finesight.app.compare import compare as run_comparison

    result = run_comparison(baseline.split(","), improved.split(","), split=split, resamples=resamples, seed=seed)
    if json_output:
        print_json(result)
        return
    print_line(result.verdict)
    if test := result.mcnemar:
        print_line(
            f"McNemar's exact test: {test.only_baseline} images only the baseline gets right, "
            f"{test.only_improved} only the other; p = {test.p:.2g}"
        )
    else:
        print_line(f"Paired bootstrap over images: p = {result.p_value:.2g}")
    labels, heading = label_names([*result.classes]), label_metric(result.class_metric)
    width = max(map(len, (*labels, heading)))
    print_line()
    print_line(f"{heading:{width}}  baseline  improved  difference  95 % interval")
    for label, row in zip(labels, result.classes.values(), strict=True):
        interval = "too few images"
        if row.interval:
            low, high = row.interval
            interval = f"{low:+.3f} to {high:+.3f}{'' if low <= 0 <= high else '  *'}"
        print_line(f"{label:{width}}  {row.baseline:8.3f}  {row.improved:8.3f}  {row.difference:+10.3f}  {interval}")
    for name, (before, after) in result.settings.items():
        print_line(f"{name}: {before!r} → {after!r}")
    for title in ("better", "worse"):
        if keys := getattr(result, title):
            print_line(f"Most {title}: {', '.join(keys[:6])}")
