from typing import Annotated

from typer import Argument, Option

from finesight.cli.completion import complete_runs
from finesight.cli.options import JsonOption, SplitOption, print_json, print_line
from finesight.cli.starting import starting

RunsArgument = Annotated[
    list[str],
    Argument(metavar="RUN...", help="Run folder; several are compared with the first.", autocompletion=complete_runs),
]


def report(
    runs: RunsArgument,
    out: Annotated[
        str,
        Option(
            metavar="HTML",
            help="File to write. Default: report.html in RUN; of several runs, comparison.html in the last.",
        ),
    ] = "",
    split: SplitOption = "val",
    note: Annotated[str, Option(metavar="TEXT", help="Your words on the run, added to its notes.md and shown.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Write one offline HTML file: how good a run is and what it learned, or how several runs differ.

    Examples:

    `finesight report runs/p2`

    `finesight report runs/p2 --note "Without the blurred images."`

    `finesight report runs/baseline runs/improved --out comparison.html`
    """
    with starting(f"Reporting on {', '.join(runs)}.", runs):
        from finesight.app.report import report as run_report

    result = run_report(*runs, out=out, split=split, note=note)
    print_json(result) if json_output else print_line(str(result.report))
