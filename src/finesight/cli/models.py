from collections.abc import Sequence
from typing import Annotated

from typer import Argument, Option

from finesight.cli.completion import complete_models
from finesight.cli.options import JsonOption, print_json
from finesight.cli.starting import starting
from finesight.run.architecture import DescribedModel, ListedModel, NetworkDifference


def models(
    name: Annotated[
        str, Argument(metavar="[NAME]", help="Model to print. Default: list all.", autocompletion=complete_models)
    ] = "",
    other: Annotated[
        str, Argument(metavar="[OTHER]", help="Model to compare it with.", autocompletion=complete_models)
    ] = "",
    classes: Annotated[int, Option(min=1, metavar="N", help="Outputs of the head.")] = 1000,
    freeze_before: Annotated[
        str, Option(metavar="LAYER", help="Count every layer before this one as frozen; `head`: all but the head.")
    ] = "",
    json_output: JsonOption = False,
) -> None:
    """List the models, print the layers of one, or compare two. Nothing is downloaded.

    Examples:

    `finesight models resnet50 --classes 50 --freeze-before layer1.1`

    `finesight models resnet18 resnet34`
    """
    with starting("Loading the models."):
        from finesight.app.models import compare_models, describe_model, list_models

    if not name:
        rows = list_models()
        print_json({"models": rows}) if json_output else _print_table(rows)
    elif not other:
        model = describe_model(name, classes, freeze_before)
        print_json(model.network) if json_output else _print_model(model)
    else:
        difference = compare_models(name, other, classes, freeze_before)
        print_json(difference) if json_output else _print_difference(difference)


def _print_table(rows: Sequence[ListedModel]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("model", "task"):
        table.add_column(heading)
    table.add_column("parameters", justify="right")
    table.add_column("weights")
    for row in rows:
        millions = f"{row.parameters / 1e6:.1f} M" if row.parameters else "–"
        table.add_row(row.name, row.task, millions, ", ".join(row.weights))
    Console().print(table)
    print("\nAlso timm/NAME, fcn/timm/NAME and smp/ARCH/ENCODER. Weights can always be none, or a file's path.")


def _print_model(model: DescribedModel) -> None:
    from finesight.models.summary import format_layers

    network = model.network
    print(model.text)
    print()
    for name, count in (
        ("parameters", network.parameters),
        ("trainable", network.trainable),
        ("frozen", network.frozen),
    ):
        print(f"{name:10} {count:>14,}")
    print("\nlayers in forward order: name, type, output shape, parameters")
    print("\n".join(format_layers(network)))


def _print_difference(found: NetworkDifference) -> None:
    for each in (found.first, found.second):
        print(f"{each.name}: {each.parameters:,} parameters, {each.frozen:,} frozen")
    only = len(found.only_first), len(found.only_second)
    print(f"{only[0]} layers only in the first, {only[1]} only in the second, {len(found.changed)} changed\n")
    print("\n".join(found.diff) or "The same layers.")
