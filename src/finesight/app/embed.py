"""Embed: what the last layer sees of every image, a map of it, and which classes lie close to each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.analysis.class_similarity import check_stability, measure_class_similarity
from finesight.analysis.distance import Floats, Indices
from finesight.analysis.features import load_features, save_features
from finesight.analysis.nearest_images import find_nearest_images, save_nearest_images
from finesight.analysis.projection import describe_projection, load_projection, measure_quality, save_projection
from finesight.analysis.projection_history import project_history
from finesight.analysis.projection_methods import place, project
from finesight.analysis.projection_plot import draw_projection
from finesight.analysis.region_features import Regions
from finesight.app.evaluate import open_run_split
from finesight.app.run_data import RunData
from finesight.classes import ClassList
from finesight.data.loader import Batch, ImageDataset
from finesight.errors import ConfigError
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.metrics.confusion import count_confusion
from finesight.models.contract import pool
from finesight.progress import say
from finesight.run import schema
from finesight.run.results import Embedded
from finesight.task import Score
from finesight.tasks.contract import Task


def embed(
    run: str | Path | RunData,
    *,
    data: str | Path = "",
    split: str = "",
    method: str = "tsne",
    engine: str = "opentsne",
    perplexity: float | None = None,
    seed: int | None = None,
    onto: str = "",
    stability: bool = False,
) -> Embedded:
    """Saves features and a two-dimensional map of a split under embedding/SPLIT, and its evaluation with them.

    An image with a mask is of the class of most of its pixels. Close classes are told by its regions, what the last
    layer saw of each of its classes, which are kept too.

    method, engine: of insight.projection.PROJECTIONS. perplexity, seed: None takes the engine's defaults.
    onto: a split whose map is there already: the images are placed on it, and it does not move.
    stability: draw six more maps, and say on how many of them each group of close classes is still one.
    """
    own = RunData.of(run)
    folder, settings, model, classes = own.run, own.settings, restore_model(own.run), own.run.read_classes()
    split, dataset = open_run_split(own, data, split)
    if onto == split:
        raise ConfigError(f"--onto names another split's map; {split!r} are the images to place.")
    base = (load_projection(folder.embedding(onto)), load_features(folder.embedding(onto)).features) if onto else None
    score = own.task.new_score(classes, run=own.run)
    seen = compute_features(Predictor.here(model, settings), dataset, own.task, score)
    score.save(folder.evaluation(split), dataset.keys)
    features, (targets, predictions) = seen.images, score.judge_images()
    where = folder.embedding(split)
    save_features(where, features, dataset.keys, pick(classes, targets), pick(classes, predictions))
    save_nearest_images(where, find_nearest_images(features))
    if base:
        drawn = replace(base[0], points=place(*base, features), settings=base[0].settings | {"placed_on": onto})
    else:
        say(f"Projecting {len(features)} × {features.shape[1]} features by {method}.")
        drawn = project(features, method=method, engine=engine, perplexity=perplexity, seed=seed)
    drawn = replace(drawn, quality=measure_quality(features, drawn.points, targets))
    save_projection(where, drawn)
    title = f"{folder.path.name}: {split}, {len(features)} images"
    plot = where / schema.PROJECTION_PLOT
    draw_projection(drawn, targets, classes, plot, title, own.task.list_colours(classes))
    close = find_close(seen, score, dataset.keys, classes, where, stability)
    folder.write_json(f"{schema.embedding(split)}/{schema.CLOSE_CLASSES}", close)
    return Embedded(
        split=split,
        num_samples=len(dataset),
        dimensions=features.shape[1],
        map=drawn.settings,
        map_in_words=describe_projection(drawn),
        quality=drawn.quality,
        close_classes=close,
        through_training=project_history(folder, classes) if split == "val" and not data else None,
        image=plot,
    )


@dataclass(frozen=True, eq=False)
class Seen:
    """What the last layer saw. images: float32 (n, d). regions: of images with masks."""

    images: Floats
    regions: Regions | None


@torch.inference_mode()
def compute_features(predictor: Predictor, dataset: ImageDataset, task: Task, score: Score | None = None) -> Seen:
    """In one pass, in which `score` collects the predictions.

    Of images that are predicted in tiles the features are those of a tile at the centre.
    """

    def see(batch: Batch) -> tuple[Tensor, Tensor]:
        return predictor.features(predictor.centre(batch.images, batch.images))

    features, regions, order = [], [], []
    for batch, (logits, seen) in predictor.over(dataset, "Embedding", see):
        if score:
            whole = predictor.logits(batch.images) if predictor.tile(batch.images) else logits
            score.update(whole.float().cpu(), batch.targets)
        features.append(pool(seen).float().cpu())
        targets, size = predictor.centre(batch.targets, batch.images), predictor.input_size(batch.images)
        if found := task.average_regions(seen, targets, batch.indices, size):
            regions.append(found)
        order.extend(batch.indices.tolist())
    if score:
        score.arrange(order)
    rows = torch.cat(features)[np.argsort(order)].numpy()
    return Seen(rows, Regions.join(regions).arrange() if regions else None)


def find_close(
    seen: Seen, score: Score, keys: Sequence[str], classes: ClassList, where: Path, stability: bool
) -> dict[str, object]:
    """Which classes lie close, and how that agrees with the mistakes, as close_classes.json holds it.

    Of images with masks it is asked of their regions, which are written into a folder of `where`.
    """
    features, (targets, predictions), owners = seen.images, score.judge_images(), None
    if seen.regions:
        features, targets, owners = seen.regions.features, seen.regions.classes, seen.regions.images
        predictions, keys = score.judge_regions(owners, targets), [keys[image] for image in owners]
        save_features(where / schema.REGIONS, features, keys, pick(classes, targets), pick(classes, predictions))
    pair = torch.from_numpy(targets), torch.from_numpy(predictions)
    confusion = count_confusion(*pair, len(classes), ignore_index=None).numpy()
    close = measure_class_similarity(features, targets, confusion, classes.names, classes.ids, keys, owners)
    if not stability:
        return close.to_dict()
    return replace(close, stability=check_stability(features, targets, close, owners)).to_dict()


def pick(classes: ClassList, indices: Indices) -> list[str]:
    """Ids of class indices; "" of -1."""
    return ["" if index < 0 else classes.ids[index] for index in indices]
