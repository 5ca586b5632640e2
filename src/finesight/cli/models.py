from typing import Annotated, Any

from typer import Argument, Option

from finesight.cli.options import JsonOption, print_json


def models(
    name: Annotated[str, Argument(metavar="[NAME]", help="Model to print. Default: list all.")] = "",
    other: Annotated[str, Argument(metavar="[OTHER]", help="Model to compare it with.")] = "",
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
    from finesight.app.models import compare_models, describe_model, list_models

    if not name:
        rows = list_models()
        print_json({"models": rows}) if json_output else _print_table(rows)
    elif not other:
        network = describe_model(name, classes, freeze_before)
        text = network.pop("text")
        print_json(network) if json_output else _print_network(network, text)
    else:
        difference = compare_models(name, other, classes, freeze_before)
        print_json(difference) if json_output else _print_difference(difference)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("model", "task"):
        table.add_column(heading)
    table.add_column("parameters", justify="right")
    table.add_column("weights")
    for row in rows:
        millions = f"{row['parameters'] / 1e6:.1f} M" if row["parameters"] else "–"
        table.add_row(row["name"], row["task"], millions, ", ".join(row["weights"]))
    Console().print(table)
    print("\nAlso timm/NAME, fcn/timm/NAME and smp/ARCH/ENCODER. Weights can always be none, or a file's path.")


def _print_network(network: dict[str, Any], text: str) -> None:
    from finesight.models.summary import format_layers

    print(text)
    print()
    for count in ("parameters", "trainable", "frozen"):
        print(f"{count:10} {network[count]:>14,}")
    print("\nlayers in forward order: name, type, output shape, parameters")
    print("\n".join(format_layers(network)))


def _print_difference(difference: dict[str, Any]) -> None:
    for side in ("first", "second"):
        each = difference[side]
        print(f"{each['name']}: {each['parameters']:,} parameters, {each['frozen']:,} frozen")
    only = len(difference["only_first"]), len(difference["only_second"])
    print(f"{only[0]} layers only in the first, {only[1]} only in the second, {len(difference['changed'])} changed\n")
    print("\n".join(difference["diff"]) or "The same layers.")
