from typing import Annotated

import typer

from finesight.cli.options import JsonOption, RunArgument, print_json, print_line
from finesight.progress import say


def predict(
    run: RunArgument,
    pictures: Annotated[str, typer.Argument(metavar="INPUT", help="Folder of pictures, or one picture.")],
    out: Annotated[str, typer.Option(metavar="CSV", help="File to write.")] = "predictions.csv",
    header: Annotated[str, typer.Option(metavar="NAMES", help="Columns: file, label[, probability].")] = (
        "filename,label,probability"
    ),
    ids: Annotated[bool, typer.Option("--ids", help="Write class ids instead of names.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Classify every picture of a folder into a CSV file.

    Exit code 1 when some pictures could not be read: they are listed, the others are written.

    Examples:

    `finesight predict runs/p1 new_pictures/ --out labels.csv`

    `finesight predict runs/p1 test/ --out pred.csv --header image_id,label --ids`
    """
    from finesight.app.predict import predict as run_prediction

    columns = [name.strip() for name in header.split(",")]
    result = run_prediction(run, pictures, out=out, header=columns, ids=ids)
    if json_output:
        print_json(result)
    else:
        print_line(f"{result['num_samples']} predictions in {result['out']}")
    for key, reason in result["unreadable"]:
        say(f"Not read: {key!r} {reason}")
    if result["unreadable"]:
        raise typer.Exit(1)
