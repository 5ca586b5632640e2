from typing import Annotated

import typer

from finesight.cli.options import JsonOption, RunArgument, print_json, print_line
from finesight.progress import say


def predict(
    run: RunArgument,
    images: Annotated[str, typer.Argument(metavar="INPUT", help="Folder of images, or one image.")],
    out: Annotated[str, typer.Option(metavar="PATH", help="CSV file (predictions.csv) or folder (masks).")] = "",
    header: Annotated[str, typer.Option(metavar="NAMES", help="Columns: file, label[, probability].")] = "",
    ids: Annotated[bool, typer.Option("--ids", help="Write class ids instead of names.")] = False,
    index: Annotated[bool, typer.Option("--index", help="Masks of class values instead of colours.")] = False,
    overlay: Annotated[str, typer.Option(metavar="FOLDER", help="Write images under their masks, too.")] = "",
    tta: Annotated[
        bool, typer.Option("--tta", help="Mean over the flips and turns of training; 2 to 8 × the time.")
    ] = False,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Probabilities scaled by the run's calibration.json.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Classify every image of a folder into a CSV file, or segment them into a folder of masks.

    Exit code 1 when some images could not be read: they are listed, the others are written.

    Examples:

    `finesight predict runs/p1 new_images/ --out labels.csv`

    `finesight predict runs/p1 test/ --out pred.csv --header image_id,label --ids`

    `finesight predict runs/land tiles/ --out masks/ --tta`
    """
    from finesight.app.predict import predict as run_prediction

    columns = [name.strip() for name in header.split(",")] if header else None
    given = {
        "out": out,
        "header": columns,
        "ids": ids,
        "index": index,
        "overlay": overlay,
        "tta": tta,
        "calibrated": calibrated,
    }
    result = run_prediction(run, images, **{name: value for name, value in given.items() if value})
    if json_output:
        print_json(result)
    else:
        print_line(f"{result['num_samples']} predictions in {result['out']}")
    for key, reason in result["unreadable"]:
        say(f"Not read: {key!r} {reason}")
    if result["unreadable"]:
        raise typer.Exit(1)
