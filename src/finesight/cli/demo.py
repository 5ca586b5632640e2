from typing import Annotated

import typer

from finesight.cli.options import JsonOption, print_json, print_line


def demo(
    out: Annotated[str, typer.Option(metavar="RUN", help="Run folder to write; made anew each time.")] = "runs/demo",
    json_output: JsonOption = False,
) -> None:
    """Fine-tune, measure and explain a small network on real pictures, in two minutes, offline.

    Only the pretrained weights come from the package index, once.

    Example:

    `finesight demo`
    """
    from finesight.app.demo import demo as run_demo

    result = run_demo(out)
    print_json(result) if json_output else print_line(result["report"])
