from typing import Annotated

from typer import Argument, Option

from finesight.cli.options import EngineOption, JsonOption, RunArgument, print_json, print_line, refuse_unreadable
from finesight.cli.starting import starting


def predict(
    run: RunArgument,
    images: Annotated[str, Argument(metavar="INPUT", help="Folder of images, or one image.")],
    out: Annotated[
        str, Option(metavar="PATH", help="CSV file to write (default predictions.csv), or folder of masks.")
    ] = "",
    header: Annotated[
        str, Option(metavar="NAMES", help="Column names for file, label and, if wanted, probability: filename,label.")
    ] = "",
    ids: Annotated[bool, Option("--ids", help="Write class ids instead of names.")] = False,
    index: Annotated[bool, Option("--index", help="Write masks of class values instead of colours.")] = False,
    overlay: Annotated[str, Option(metavar="FOLDER", help="Also write the images overlaid with their masks.")] = "",
    tta: Annotated[
        bool,
        Option("--tta", help="Test-time augmentation, with the run's flips and rotations; takes 2 to 8 times as long."),
    ] = False,
    calibrated: Annotated[
        bool, Option("--calibrated", help="Calibrate probabilities with the run's temperature.")
    ] = False,
    engine: EngineOption = "auto",
    json_output: JsonOption = False,
) -> None:
    """Predict the class of every image into a CSV file, or a mask of every image into a folder.

    Images that cannot be read are listed, with exit code 1; all others are predicted.

    Examples:

    `finesight predict runs/p1 new_images/ --out labels.csv`

    `finesight predict runs/p1 test/ --out pred.csv --header image_id,label --ids`

    `finesight predict runs/land tiles/ --out masks/ --tta`
    """
    with starting(f"Predicting {images}.", [run], [images]):
        from finesight.app.predict import predict as run_prediction

    columns = [name.strip() for name in header.split(",")] if header else ()
    result = run_prediction(
        run, images, out=out, header=columns, ids=ids, index=index, overlay=overlay, tta=tta, calibrated=calibrated,
        engine=engine,
    )  # fmt: skip
    if json_output:
        print_json(result)
    else:
        print_line(f"{result.num_samples} predictions in {result.out}")
    refuse_unreadable(result.unreadable)
