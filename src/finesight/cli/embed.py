from typing import Annotated

import typer

from finesight.cli.options import DataOption, JsonOption, RunArgument, SplitOption, print_json, print_line


def embed(
    run: RunArgument,
    data: DataOption = "",
    split: SplitOption = "",
    method: Annotated[str, typer.Option(metavar="tsne|umap|pca", help="How to draw the map.")] = "tsne",
    engine: Annotated[
        str, typer.Option(metavar="opentsne|sklearn", help="sklearn: the settings most reports are made with.")
    ] = "opentsne",
    perplexity: Annotated[float | None, typer.Option(help="t-SNE: about how many neighbours count.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the map.")] = None,
    onto: Annotated[str, typer.Option(metavar="SPLIT", help="Place the images on this split's map.")] = "",
    stability: Annotated[
        bool, typer.Option("--stability", help="Draw six more maps: are close classes close on each? Takes a minute.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Save what the last layer sees, draw a map of it, and say which classes lie close.

    Examples:

    `finesight embed runs/p1`

    `finesight embed runs/p1 --engine sklearn --stability`

    `finesight embed runs/p1 --data new/ --split new --onto val`
    """
    from finesight.app.embed import embed as run_embedding

    result = run_embedding(
        run, data=data, split=split, method=method, engine=engine, perplexity=perplexity, seed=seed, onto=onto,
        stability=stability,
    )  # fmt: skip
    if json_output:
        print_json(result)
        return
    print_line(f"{result['num_samples']} images × {result['dimensions']} features, split {result['split']}")
    close, film = result["close_classes"], result["through_training"]
    more = [close["stability"]["paragraph"]] if stability else []
    more += [film["paragraph"]] if film else []
    for line in (result["map_in_words"], "", *close["paragraphs"], *more, "", result["image"]):
        print_line(line)
