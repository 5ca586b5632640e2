from typing import Annotated

import typer

from finesight.cli.options import JsonOption, RunArgument, SplitOption, print_json, print_line


def report(
    run: RunArgument,
    out: Annotated[str, typer.Option(metavar="HTML", help="File to write; RUN/report.html by default.")] = "",
    split: SplitOption = "val",
    json_output: JsonOption = False,
) -> None:
    """Write one offline HTML file: how good the run is, and what it learned.

    Example:

    `finesight report runs/p1`
    """
    from finesight.app.report import report as run_report

    result = run_report(run, out=out, split=split)
    print_json(result) if json_output else print_line(result["report"])
