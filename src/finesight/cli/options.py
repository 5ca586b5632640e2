"""Options that several commands share, and how results are printed, with control characters made harmless."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from typer import Argument, Exit, Option

from finesight.classes import label_names
from finesight.cli.completion import complete_runs
from finesight.config import add_given, parse_override
from finesight.progress import sanitise, say
from finesight.run.plain import Result, plain
from finesight.run.results import Unreadable

RunArgument = Annotated[
    str, Argument(metavar="RUN", help="Run folder that `finesight train` wrote.", autocompletion=complete_runs)
]
DataOption = Annotated[
    str, Option("--data", metavar="PATH", help="Other images than the run's own: a folder or CSV file.")
]
SplitOption = Annotated[str, Option("--split", metavar="NAME", help="Split, such as train, val or test. Default: val.")]
ImagesOption = Annotated[
    str, Option("--images", metavar="GLOB", help="Pattern for the images, such as 'photos/**/*.jpg'; needs --masks.")
]
MasksOption = Annotated[
    str, Option("--masks", metavar="GLOB", help="Pattern for their masks, paired by name, such as 'labels/*.png'.")
]
IgnoreOption = Annotated[
    list[str] | None, Option("--ignore", metavar="CODE", help="Skip a check, such as V003 or D305; repeatable.")
]
EngineOption = Annotated[
    str,
    Option(
        "--engine",
        metavar="auto|torch|openvino",
        help="What computes the network. auto: what measured the run's validation figures.",
    ),
]
JsonOption = Annotated[bool, Option("--json", help="Print the result as one JSON object on stdout.")]


def read_settings(set_: Sequence[str] | None, named: Mapping[str, Any]) -> dict[str, Any]:
    """Those of --set, and over them those of other options that are given."""
    return add_given(dict(map(parse_override, set_ or [])), named)


def print_json(result: Result | Mapping[str, Any]) -> None:
    print(json.dumps(plain(result), indent=1))  # in ASCII, which every console shows and no control character is


def print_ignored(ignored: Mapping[str, str]) -> None:
    if ignored:
        print_line(f"{len(ignored)} check{'' if len(ignored) == 1 else 's'} ignored: {', '.join(ignored)}")


def refuse_unreadable(unreadable: Unreadable) -> None:
    """Lists what could not be read; exit code 1 if there is any."""
    for key, reason in unreadable:
        say(f"Not read: {key!r} {reason}")
    if unreadable:
        raise Exit(1)


def print_line(text: str = "") -> None:
    print(sanitise(text))


def print_metrics(values: Mapping[str, float], definitions: Mapping[str, str]) -> None:
    """The metrics of the whole, each with its definition, then a table of those by class (`f1/wolf`)."""
    for name, value in values.items():
        if "/" not in name:
            print_line(f"{name:>18} {value:.4f}  {definitions.get(name, '')}")
    by_class: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        metric, _, label = name.partition("/")
        if label:
            by_class.setdefault(label, {})[metric] = value
    if by_class:
        columns = list(dict.fromkeys(metric for row in by_class.values() for metric in row))
        labels = label_names([*by_class])
        width = max(map(len, labels))
        print_line()
        print_line(" " * width + "".join(f"{column:>12}" for column in columns))
        for label, row in zip(labels, by_class.values(), strict=True):
            cells = (f"{row[column]:12.3f}" if column in row else f"{'absent':>12}" for column in columns)
            print_line(f"{label:{width}}" + "".join(cells))
