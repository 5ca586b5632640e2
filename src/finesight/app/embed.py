"""Embed: what the head sees of every image, a projection of it, and which classes are similar."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from finesight.analysis.class_similarity import check_stability, measure_class_similarity
from finesight.analysis.distance import Floats, Indices
from finesight.analysis.features import ComputedFeatures, compute_features, load_features, save_features
from finesight.analysis.nearest_images import find_nearest_images, save_nearest_images
from finesight.analysis.projection import (
    Projection,
    describe_projection,
    load_projection,
    measure_quality,
    save_projection,
)
from finesight.analysis.projection_history import project_history
from finesight.analysis.projection_methods import place, project
from finesight.analysis.projection_plot import draw_projection
from finesight.app.evaluate import open_run_split
from finesight.app.run_data import RunData
from finesight.classes import ClassList
from finesight.errors import ConfigError
from finesight.inference.engine_choice import choose_engine, record_engine
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.metrics.confusion import count_confusion
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.results import Embedded
from finesight.task import Score


def embed(
    run: str | Path | RunData,
    *,
    data: str | Path = "",
    split: str = "",
    method: str = "tsne",
    package: str = "opentsne",
    perplexity: float | None = None,
    seed: int | None = None,
    onto: str = "",
    stability: bool = False,
    engine: str = "auto",
) -> Embedded:
    """Saves features and a two-dimensional projection of a split under embedding/SPLIT, and its evaluation.

    An image with a mask counts for the class of most of its pixels. Class similarity is measured on its regions, the
    mean features of each of its classes, which are saved too.

    method, package: of analysis.projection_methods. perplexity, seed: None takes the package's defaults.
    engine: what computes the features, `torch`, `openvino`, or `auto`, that of the run's validation figures.
    onto: a split with a projection: the images are placed on it, and it does not move.
    stability: make six more projections, and count on how many of them each group of similar classes is still one.
    """
    own = RunData.of(run)
    folder, classes = own.run, own.run.read_classes()
    model = restore_model(folder)
    split, dataset = open_run_split(own, data, split)
    base = _load_base(folder, onto, split) if onto else None
    score = own.task.new_score(classes, run=folder)
    predictor = choose_engine(folder, Predictor.here(model, own.settings), engine)
    features = compute_features(predictor, dataset, own.task.average_regions, score)
    targets, predictions = score.judge_images()
    where = folder.embedding(split)
    score.save(folder.evaluation(split), dataset.keys)
    record_engine(folder, split, predictor)
    save_features(where, features.images, dataset.keys, pick(classes, targets), pick(classes, predictions))
    save_nearest_images(where, find_nearest_images(features.images))
    if base:
        projection = _place_onto(base, onto, features.images)
    else:
        say(f"Projecting {len(dataset)} × {features.images.shape[1]} features by {method}.")
        projection = project(features.images, method, package, perplexity, seed)
    projection = replace(projection, quality=measure_quality(features.images, projection.points, targets))
    save_projection(where, projection)
    plot = _draw(projection, targets, own, split)
    similarity = measure_similarity(features, score, dataset.keys, classes, where, stability)
    folder.write_json(f"{schema.embedding(split)}/{schema.CLOSE_CLASSES}", similarity)
    return Embedded(
        split=split,
        num_samples=len(dataset),
        dimensions=features.images.shape[1],
        map=projection.settings,
        map_in_words=describe_projection(projection),
        quality=projection.quality,
        close_classes=similarity,
        through_training=project_history(folder, classes) if split == "val" and not data else None,
        image=plot,
    )


def _draw(projection: Projection, targets: Indices, own: RunData, split: str) -> Path:
    """Where the plot of a split's projection was written."""
    classes, plot = own.run.read_classes(), own.run.embedding(split) / schema.PROJECTION_PLOT
    title = f"{own.run.path.name}: {split}, {len(targets)} images"
    draw_projection(projection, targets, classes, plot, title, own.task.list_colours(classes))
    return plot


def _load_base(run: RunFolder, onto: str, split: str) -> tuple[Projection, Floats]:
    """The projection of another split, and the features it was made of."""
    if onto == split:
        raise ConfigError(f"--onto is {split!r}, the split whose images are placed: name another split's projection.")
    where = run.embedding(onto)
    return load_projection(where), load_features(where).features


def _place_onto(base: tuple[Projection, Floats], onto: str, features: Floats) -> Projection:
    """The images on the projection of split `onto`, which does not move."""
    projection, of_others = base
    points = place(projection, of_others, features)
    return replace(projection, points=points, settings=projection.settings | {"placed_on": onto})


def measure_similarity(
    computed: ComputedFeatures, score: Score, keys: Sequence[str], classes: ClassList, where: Path, stability: bool
) -> dict[str, object]:
    """Which classes are similar, and how that agrees with the errors, as close_classes.json holds it.

    Of images with masks it is measured on their regions, which are saved in a folder of `where`.
    """
    features, (targets, predictions), groups = computed.images, score.judge_images(), None
    if computed.regions:
        features, targets, groups = computed.regions.features, computed.regions.classes, computed.regions.images
        predictions, keys = score.judge_regions(groups, targets), [keys[image] for image in groups]
        save_features(where / schema.REGIONS, features, keys, pick(classes, targets), pick(classes, predictions))
    if not (known := targets >= 0).all():  # an image without any label is of no class
        features, targets, predictions = features[known], targets[known], predictions[known]
        keys = [key for key, is_known in zip(keys, known, strict=True) if is_known]
        groups = None if groups is None else groups[known]
    pair = torch.from_numpy(targets), torch.from_numpy(predictions)
    confusion = count_confusion(*pair, len(classes), ignore_index=None).numpy()
    similarity = measure_class_similarity(features, targets, confusion, classes.labels, keys, groups)
    if stability:
        similarity = replace(similarity, stability=check_stability(features, targets, similarity, groups))
    return similarity.to_dict()


def pick(classes: ClassList, indices: Indices) -> list[str]:
    """Ids of class indices; "" of -1."""
    return ["" if index < 0 else classes.ids[index] for index in indices]
