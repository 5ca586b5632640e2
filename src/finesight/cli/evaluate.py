from typing import Annotated, Any

import typer

from finesight.cli.options import DataOption, JsonOption, SplitOption, print_json, print_line, print_metrics
from finesight.errors import ConfigError


def evaluate(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Run folder that `finesight train` wrote.")] = "",
    data: DataOption = "",
    split: SplitOption = "",
    tta: Annotated[bool, typer.Option("--tta", help="Mean over the flips and turns of training, kept apart.")] = False,
    truth: Annotated[str, typer.Option(metavar="MASKS", help="Without a run: folder of true masks.")] = "",
    pred: Annotated[str, typer.Option(metavar="MASKS", help="Folder of predicted masks of the same names.")] = "",
    classes: Annotated[str, typer.Option(metavar="FILE", help="Their colours: TOML, JSON, CSV, or `deepglobe`.")] = "",
    boundary: Annotated[bool, typer.Option("--boundary", help="Also boundary IoU of the two folders; slower.")] = False,
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where to keep the mask scores; nowhere by default.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Score a run on pictures whose classes are known, or two folders of masks.

    Examples:

    `finesight evaluate runs/p1`

    `finesight evaluate runs/p1 --data held_out/ --split test`

    `finesight evaluate --truth masks/ --pred predicted/ --classes deepglobe`
    """
    result, heading = _score(run, data, split, tta, truth, pred, classes, boundary, out)
    if json_output:
        print_json(result)
        return
    print_line(heading)
    print_line()
    print_metrics(result["metrics"], result["definitions"])


def _score(
    run: str, data: str, split: str, tta: bool, truth: str, pred: str, classes: str, boundary: bool, out: str
) -> tuple[dict[str, Any], str]:
    """(result, what was scored)."""
    if truth or pred:
        if run or data or split or tta or not (truth and pred):
            raise ConfigError("--truth and --pred go together, without a run: two folders of masks.")
        from finesight.app.score_masks import score_masks

        result = score_masks(truth, pred, classes=classes, boundary=boundary, out=out)
        return result, f"{result['num_samples']} masks"
    if not run or classes or boundary or out:
        raise ConfigError("Name a run folder, or two folders of masks with --truth and --pred.")
    from finesight.app.evaluate import evaluate as run_evaluation

    result = run_evaluation(run, data=data, split=split, tta=tta)
    return result, f"{result['num_samples']} pictures, split {result['split']}"
