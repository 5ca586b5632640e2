from typing import Annotated

from typer import Option

from finesight.cli.options import (
    IgnoreOption,
    JsonOption,
    RunArgument,
    SplitOption,
    print_ignored,
    print_json,
    print_line,
)
from finesight.cli.starting import starting

SHOWN = 4  # example images of a finding


def findings(
    run: RunArgument,
    split: SplitOption = "val",
    ignore: IgnoreOption = None,
    fast: Annotated[bool, Option("--fast", help="Leave out checks that read the images again.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Check a run: what is wrong with it or worth knowing, each with its numbers.

    The report shows the same with images, and with what each means and how it is judged.

    Example:

    `finesight findings runs/p1`
    """
    with starting(f"Checking {run}.", [run]):
        from finesight.app.findings import advise
        from finesight.app.findings import findings as run_findings

    result = run_findings(run, split=split, ignore=ignore or (), fast=fast)
    if json_output:
        print_json(result)
        return
    for finding in result.findings:
        print_line(f"{finding.code} {finding.severity}: {finding.title}")
        print_line(f"  {finding.message}")
        print_line(f"  What to do: {advise(finding.code)}")
        if finding.keys:
            more = len(finding.keys) - SHOWN
            print_line(f"  See {', '.join(finding.keys[:SHOWN])}{f' and {more} more' if more > 0 else ''}")
        print_line()
    print_ignored(result.ignored)
    count = len(result.findings)
    print_line(f"{count or 'No'} finding{'' if count == 1 else 's'} on split {result.split}.")
    if result.silent:
        print_line(f"No finding: {', '.join(result.silent)}")
    for code, reason in result.not_applicable.items():
        print_line(f"Not checked: {code}, {reason}")
