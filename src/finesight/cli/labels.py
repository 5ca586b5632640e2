from collections.abc import Sequence
from typing import Annotated

from typer import Option

from finesight.cli.options import JsonOption, RunArgument, print_json, print_line
from finesight.cli.starting import starting
from finesight.run.results import SuspectedLabel

ROWS_SHOWN = 30


def labels(
    run: RunArgument,
    split: Annotated[str, Option(metavar="NAME", help="Split of the run: val or train.")] = "val",
    out: Annotated[str, Option(metavar="CSV", help="Copy of the list; the run folder always has one.")] = "",
    json_output: JsonOption = False,
) -> None:
    """List labels that are probably wrong, found by confident learning: of images, or of regions of masks.

    The most confident come first. `finesight report RUN` shows them with their images.

    Examples:

    `finesight labels runs/p1`

    `finesight labels runs/p1 --split train --out suspects.csv`
    """
    with starting(f"Searching {run} for label errors.", [run]):
        from finesight.app.labels import labels as find_labels

    result = find_labels(run, split=split, out=out)
    if json_output:
        print_json(result)
        return
    print_rows(result.errors[:ROWS_SHOWN], result.names)
    print_line(f"{result.num_errors} suspected labels on {result.num_samples} images, split {result.split}.")
    print_line(f"Contradicted by {result.source}.")
    print_line(f"All of them: {result.csv}")


def print_rows(errors: Sequence[SuspectedLabel], names: dict[str, str]) -> None:
    """key, given, suggested, score; nothing where there is no error."""
    if not errors:
        return
    table = [("key", "given", "suggested", "score")]
    for error in errors:
        given, suggested = (names[side] if side else "–" for side in (error.given, error.suggested))
        table.append((error.key, given, suggested, f"{error.score:.3f}"))
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        print_line("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    print_line()
