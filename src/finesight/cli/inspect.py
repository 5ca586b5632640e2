from collections.abc import Mapping, Sequence
from typing import Annotated

from typer import Argument, Exit, Option

from finesight.classes import label_names
from finesight.cli.options import (
    IgnoreOption,
    ImagesOption,
    JsonOption,
    MasksOption,
    print_ignored,
    print_json,
    print_line,
    read_settings,
)
from finesight.cli.starting import starting
from finesight.run.results import Audited, Finding

EXAMPLES_SHOWN = 5
CLASSES_SHOWN = 12


def inspect(
    data: Annotated[str, Argument(metavar="DATA", help="Folder or CSV file with your images.")],
    val: Annotated[str, Option(metavar="PATH", help="Folder of the validation images, if it is not inside DATA.")] = "",
    format: Annotated[str, Option(metavar="NAME", help="Layout of the data, if it is not detected.")] = "",
    images: ImagesOption = "",
    masks: MasksOption = "",
    classes: Annotated[str, Option(metavar="FILE", help="Class names: JSON, CSV, TXT, TOML, a preset.")] = "",
    html: Annotated[str, Option(metavar="FILE", help="Also write a page with the images.")] = "",
    split: Annotated[
        str, Option(metavar="FILE", help="Write a CSV file with a split that keeps adjacent tiles and copies together.")
    ] = "",
    set_: Annotated[
        list[str] | None, Option("--set", metavar="NAME=VALUE", help="A data setting, such as data.ignore=255.")
    ] = None,
    ignore: IgnoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Say what is in a data set and what in it would hurt a training, without training.

    Exit code 1 if something would hurt, 0 if not, 2 if it cannot be inspected.

    Examples:

    `finesight inspect images/`

    `finesight inspect tiles/ --classes deepglobe --html tiles.html`

    `finesight inspect land/train --split land/split.csv`
    """
    with starting(f"Inspecting {data}."):
        from finesight.app.inspect import inspect as run_inspection

    settings = read_settings(set_, {"data.images": images, "data.masks": masks})
    result = run_inspection(
        data, val=val, format=format, classes=classes, html=html, split=split, settings=settings, ignore=ignore or ()
    )
    if json_output:
        print_json(result)
    else:
        print_summary(result)
        print_problems(result.problems)
        print_ignored(result.ignored)
        if html:
            print_line(f"With images: {html}")
        if result.split:
            counts = ", ".join(f"{count:,} {name}" for name, count in result.split.items())
            print_line(f"Split that keeps scenes and copies together: {split} ({counts})")
    if not result.is_fit:
        raise Exit(1)


def print_summary(result: Audited) -> None:
    counts = ", ".join(f"{count:,} {split}" for split, count in result.splits.items())
    made = " (as training would split them)" if result.split_is_made else ""
    print_line(f"{result.data}: {result.format}, {result.task}")
    print_line(f"{result.num_samples:,} images: {counts}{made}; {result.num_bytes / 1e6:,.0f} MB")
    print_line(f"size (height x width): {_list_counts(result.sizes)}; stored as {_list_counts(result.modes)}")
    for each in result.values:
        print_line(f"values: {each['text']}")
    if result.mask_kinds:
        print_line(f"masks by {_list_counts(result.mask_kinds)}; {result.unknown_pixels:,} pixels of no class")
    if result.codes:
        print_line("masks hold, in pixels:")
        print_fractions(list(result.codes), {"all": result.codes})
    elif result.classes:
        print_line(f"{len(result.classes)} classes:")
        print_fractions(result.classes, result.class_counts)


def print_fractions(names: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> None:
    """Percent of each class by split; of many classes the largest and the smallest."""
    first = next(iter(counts))
    order = sorted(names, key=lambda name: -counts[first][name])
    half = CLASSES_SHOWN // 2
    shown = order if len(order) <= CLASSES_SHOWN else [*order[:half], "", *order[-half:]]
    labels = dict(zip(names, label_names(names), strict=True))
    width = max(len(labels[name]) for name in shown if name)
    print_line("  " + " " * width + "".join(f"{split:>22}" for split in counts))
    for name in shown:
        cells = (f"{count[name]:>14,}{_percent(count, name):>8}" if name else f"{'…':>22}" for count in counts.values())
        print_line(f"  {labels.get(name, ''):{width}}{''.join(cells)}")


def print_problems(problems: Sequence[Finding]) -> None:
    for problem in problems:
        print_line()
        print_line(f"{problem.severity} {problem.code}: {problem.title}")
        print_line(f"  {problem.message}")
        for example in problem.examples[:EXAMPLES_SHOWN]:
            print_line(f"    {example.text}")
        if (more := len(problem.examples) - EXAMPLES_SHOWN) > 0:
            print_line(f"    and {more:,} more")
    from finesight.checks.contract import SEVERITIES

    print_line()
    tally = {severity: sum(problem.severity == severity for problem in problems) for severity in SEVERITIES}
    print_line(", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in tally.items()) + ".")


def _list_counts(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    listed = [f"{name} ({count:,})" for name, count in list(counts.items())[:4]]
    more = [f"{len(counts) - 4:,} others"] if len(counts) > 4 else []
    return ", ".join([*listed, *more]) or "none"


def _percent(counts: Mapping[str, int], name: str) -> str:
    total = sum(counts.values())
    return f"{100 * counts[name] / total:.1f} %" if total else ""
