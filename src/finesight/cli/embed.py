from typing import Annotated

from typer import Option

from finesight.cli.options import DataOption, EngineOption, JsonOption, RunArgument, SplitOption, print_json, print_line
from finesight.cli.starting import starting


def embed(
    run: RunArgument,
    data: DataOption = "",
    split: SplitOption = "",
    method: Annotated[str, Option(metavar="tsne|umap|pca", help="Projection to two dimensions.")] = "tsne",
    package: Annotated[
        str, Option(metavar="opentsne|sklearn", help="Package for t-SNE; sklearn: with its default settings.")
    ] = "opentsne",
    perplexity: Annotated[float | None, Option(help="t-SNE: effective number of neighbours.")] = None,
    seed: Annotated[int | None, Option(help="Seed of the projection.")] = None,
    onto: Annotated[str, Option(metavar="SPLIT", help="Add the images to the projection of this split.")] = "",
    stability: Annotated[
        bool,
        Option(
            "--stability", help="Check whether similar classes stay similar in six more projections. Takes a minute."
        ),
    ] = False,
    engine: EngineOption = "auto",
    json_output: JsonOption = False,
) -> None:
    """Save the embedding of every image, plot its projection, and report which classes are similar.

    Examples:

    `finesight embed runs/p1`

    `finesight embed runs/p1 --package sklearn --stability`

    `finesight embed runs/p1 --data new/ --split new --onto val`
    """
    with starting(f"Embedding the images of {run}.", [run], [data]):
        from finesight.app.embed import embed as run_embedding

    result = run_embedding(
        run, data=data, split=split, method=method, package=package, perplexity=perplexity, seed=seed, onto=onto,
        stability=stability, engine=engine,
    )  # fmt: skip
    if json_output:
        print_json(result)
        return
    print_line(f"{result.num_samples} images × {result.dimensions} features, split {result.split}")
    history = result.through_training
    more = [history["paragraph"]] if history else []
    for line in (result.map_in_words, "", *result.close_classes["paragraphs"], *more, "", str(result.image)):
        print_line(line)
