from typing import Annotated

from typer import Argument, Option

from finesight.cli.completion import complete_runs
from finesight.cli.options import (
    DataOption,
    EngineOption,
    ImagesOption,
    JsonOption,
    MasksOption,
    SplitOption,
    print_json,
    print_line,
    print_metrics,
    read_settings,
)
from finesight.cli.starting import starting
from finesight.errors import ConfigError
from finesight.run.results import Evaluated, ScoredMasks


def evaluate(
    run: Annotated[
        str, Argument(metavar="[RUN]", help="Run folder that `finesight train` wrote.", autocompletion=complete_runs)
    ] = "",
    data: DataOption = "",
    split: SplitOption = "",
    images: ImagesOption = "",
    masks: MasksOption = "",
    tta: Annotated[bool, Option("--tta", help="Test-time augmentation; results go to SPLIT_tta.")] = False,
    engine: EngineOption = "auto",
    truth: Annotated[str, Option(metavar="MASKS", help="Folder of true masks, to score masks without a run.")] = "",
    pred: Annotated[
        str, Option(metavar="MASKS", help="With --truth: folder of predicted masks with the same names.")
    ] = "",
    classes: Annotated[
        str, Option(metavar="FILE", help="With --truth: class colours, a TOML, JSON or CSV file, or `deepglobe`.")
    ] = "",
    boundary: Annotated[bool, Option("--boundary", help="With --truth: also boundary IoU; slower.")] = False,
    ignore: Annotated[
        str, Option(metavar="VALUE", help="With --truth: value, #RRGGBB or class to leave out; or several: 0,255.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        Option(
            "--set", metavar="NAME=VALUE", help="With --truth: how masks are read, such as data.colour_tolerance=9."
        ),
    ] = None,
    out: Annotated[str, Option(metavar="FOLDER", help="With --truth: folder for the scores. Default: none.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Score a run on labelled images, or predicted masks against true ones.

    Examples:

    `finesight evaluate runs/p1`

    `finesight evaluate runs/p1 --data held_out/ --split test`

    `finesight evaluate runs/p1 --engine openvino`

    `finesight evaluate --truth masks/ --pred predicted/ --classes deepglobe`

    `finesight evaluate --truth masks/ --pred predicted/ --ignore 255`
    """
    if truth or pred:
        if run or data or split or tta or images or masks or engine != "auto" or not (truth and pred):
            raise ConfigError("Use --truth and --pred together, without a run: two folders of masks.")
        with starting(f"Scoring the masks of {pred}.", data=[truth, pred]):
            from finesight.app.score_masks import score_masks

        settings = read_settings(set_, {"data.ignore": ignore})
        result: ScoredMasks | Evaluated = score_masks(
            truth, pred, classes=classes, boundary=boundary, out=out, settings=settings
        )
        heading = f"{result.num_samples} masks"
    else:
        if not run or classes or boundary or out or ignore or set_:
            raise ConfigError("Give a run folder, or two folders of masks with --truth and --pred.")
        with starting(f"Evaluating {run}.", [run], [data]):
            from finesight.app.evaluate import evaluate as run_evaluation

        result = run_evaluation(run, data=data, split=split, tta=tta, images=images, masks=masks, engine=engine)
        heading = f"{result.num_samples} images, split {result.split}"
    if json_output:
        print_json(result)
        return
    print_line(heading)
    print_line()
    print_metrics(result.metrics, result.definitions)
