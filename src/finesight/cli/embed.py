from typing import Annotated

import typer

from finesight.cli.options import DataOption, JsonOption, RunArgument, SplitOption, print_json


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
    json_output: JsonOption = False,
) -> None:
    """Save what the last layer sees, draw a map of it, and say which classes lie close.

    Examples:

    `finesight embed runs/p1`

    `finesight embed runs/p1 --engine sklearn`
    """
    from finesight.app.embed import embed as run_embedding

    result = run_embedding(run, data=data, split=split, method=method, engine=engine, perplexity=perplexity, seed=seed)
    if json_output:
        print_json(result)
        return
    print(f"{result['num_samples']} pictures × {result['dimensions']} features, split {result['split']}")
    print(f"{result['map_in_words']}\n")
    for paragraph in result["close_classes"]["paragraphs"]:
        print(paragraph)
    print(f"\n{result['picture']}")
