from typing import Annotated

import typer

from finesight.cli.options import (
    DataOption,
    ImagesOption,
    JsonOption,
    MasksOption,
    SplitOption,
    print_json,
    print_line,
    print_metrics,
)
from finesight.config import parse_override
from finesight.errors import ConfigError


def evaluate(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Run folder that `finesight train` wrote.")] = "",
    data: DataOption = "",
    split: SplitOption = "",
    images: ImagesOption = "",
    masks: MasksOption = "",
    tta: Annotated[bool, typer.Option("--tta", help="Mean over the flips and turns of training, kept apart.")] = False,
    truth: Annotated[str, typer.Option(metavar="MASKS", help="Without a run: folder of true masks.")] = "",
    pred: Annotated[str, typer.Option(metavar="MASKS", help="Folder of predicted masks of the same names.")] = "",
    classes: Annotated[str, typer.Option(metavar="FILE", help="Their colours: TOML, JSON, CSV, or `deepglobe`.")] = "",
    boundary: Annotated[bool, typer.Option("--boundary", help="Also boundary IoU of the two folders; slower.")] = False,
    ignore: Annotated[
        str, typer.Option(metavar="VALUE", help="Value, #RRGGBB or class that counts nowhere; or several: 0,255.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="How the folders are read, such as data.colour_tolerance=9."),
    ] = None,
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where to keep the mask scores; nowhere by default.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Score a run on images whose classes are known, or two folders of masks.

    Examples:

    `finesight evaluate runs/p1`

    `finesight evaluate runs/p1 --data held_out/ --split test`

    `finesight evaluate --truth masks/ --pred predicted/ --classes deepglobe`

    `finesight evaluate --truth masks/ --pred predicted/ --ignore 255`
    """
    if truth or pred:
        if run or data or split or tta or images or masks or not (truth and pred):
            raise ConfigError("--truth and --pred go together, without a run: two folders of masks.")
        from finesight.app.score_masks import score_masks

        settings = dict(map(parse_override, set_ or [])) | ({"data.ignore": ignore} if ignore else {})
        result = score_masks(truth, pred, classes=classes, boundary=boundary, out=out, settings=settings)
        heading = f"{result['num_samples']} masks"
    else:
        if not run or classes or boundary or out or ignore or set_:
            raise ConfigError("Name a run folder, or two folders of masks with --truth and --pred.")
        from finesight.app.evaluate import evaluate as run_evaluation

        result = run_evaluation(run, data=data, split=split, tta=tta, images=images, masks=masks)
        heading = f"{result['num_samples']} images, split {result['split']}"
    if json_output:
        print_json(result)
        return
    print_line(heading)
    print_line()
    print_metrics(result["metrics"], result["definitions"])
