from datetime import timedelta
from typing import Annotated

from typer import Argument

from finesight.cli.options import JsonOption, print_json, print_line
from finesight.run.inventory import ListedRun


def runs(
    folder: Annotated[str, Argument(metavar="[FOLDER]", help="Folder whose runs are listed, at any depth.")] = "runs",
    json_output: JsonOption = False,
) -> None:
    """List runs, the newest first: what was trained, how far, how good, and what to do next.

    Examples:

    `finesight runs`

    `finesight runs experiments/ --json`
    """
    from finesight.app.runs import runs as list_runs

    result = list_runs(folder)
    if json_output:
        print_json(result)
        return
    for run in result.runs:
        print_run(run)
    for each in result.damaged:
        print_line(f"{each.run}: damaged")
        print_line(f"    {each.reason}")
    if not (result.runs or result.damaged):
        print_line(f"No runs in {folder}. `finesight train` makes one.")


def print_run(run: ListedRun) -> None:
    score = f"{run.metric} {run.value:.4f}" if run.value is not None else f"no {run.metric} yet"
    took = timedelta(seconds=round(run.duration_s))
    print_line(f"{run.run}: {score}, {run.epochs} of {run.planned} epochs, {run.model} on {run.data} ({run.task})")
    print_line(f"    {run.verdict}{run.command and f': {run.command}'}")
    print_line(f"    {run.date[:16]}, took {took}, {run.num_bytes / 1e6:,.0f} MB")
