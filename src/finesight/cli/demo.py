from typing import Annotated

import typer

from finesight.cli.options import JsonOption, print_json, print_line


def demo(
    out: Annotated[
        str, typer.Option(metavar="FOLDER", help="Folder for four runs and their report; made anew.")
    ] = "runs/demo",
    json_output: JsonOption = False,
) -> None:
    """Fine-tune, measure and explain networks for both tasks on real images, in five minutes on two cores.

    Handwritten digits are classified, and the land cover of a Landsat scene is segmented, by FCN32s, by FCN8s and by a
    light network. One report shows all. Weights and scene come from the package index, once.

    Example:

    `finesight demo`
    """
    from finesight.app.demo import demo as run_demo

    result = run_demo(out)
    print_json(result) if json_output else print_line(result["report"])
