"""Embed: what the last layer sees of every image, a map of it, and which classes lie close to each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finesight.analysis.class_similarity import find_close_classes
from finesight.analysis.class_similarity_stability import check_stability
from finesight.analysis.distance import Floats, Indices
from finesight.analysis.features import load_features, save_features
from finesight.analysis.history_maps import draw_film
from finesight.analysis.nearest_images import find_similar, save_similar
from finesight.analysis.projection import load_map, place, project, save_map
from finesight.analysis.projection_plot import draw_map
from finesight.analysis.projection_quality import describe_map, map_quality
from finesight.analysis.region_features import Regions, average_regions
from finesight.app.evaluate import open_run_split
from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.data.loader import ImageDataset, evaluation_batches, load_batches
from finesight.data.transforms import cut_centre, prepare
from finesight.errors import ConfigError
from finesight.inference.predictor import answer, evaluation_batch
from finesight.inference.restore import restore_model
from finesight.inference.tiling import choose_tile
from finesight.metrics.confusion import count_confusion
from finesight.models.contract import Model, pool
from finesight.progress import progress_bar, say
from finesight.reporting.mask_images import list_colours
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.task import Score
from finesight.tasks import TASKS


def embed(
    run: str | Path,
    *,
    data: str | Path = "",
    split: str = "",
    method: str = "tsne",
    engine: str = "opentsne",
    perplexity: float | None = None,
    seed: int | None = None,
    onto: str = "",
    stability: bool = False,
) -> dict[str, Any]:
    """Saves features and a two-dimensional map of a split under embedding/SPLIT, and its evaluation with them.

    An image with a mask is of the class of most of its pixels. Close classes are told by its regions, what the last
    layer saw of each of its classes, which are kept too.

    method, engine: of insight.projection.PROJECTIONS. perplexity, seed: None takes the engine's defaults.
    onto: a split whose map is there already: the images are placed on it, and it does not move.
    stability: draw six more maps, and say on how many of them each group of close classes is still one.
    Returns `split`, `num_samples`, `dimensions`, `map` (settings), `map_in_words`, `quality` (how far the map can be
    trusted), `close_classes`, `through_training` (how classes drew apart, None where training did not keep it) and
    `image` (the drawn map).
    """
    folder = RunFolder.open(run)
    settings, model, classes = folder.read_settings(), restore_model(folder), folder.read_classes()
    split, dataset = open_run_split(folder, settings, model, data, split)
    if onto == split:
        raise ConfigError(f"--onto names another split's map; {split!r} are the images to place.")
    base = (load_map(folder.embedding(onto)), load_features(folder.embedding(onto)).features) if onto else None
    machine = Machine.resolve_here(settings.machine)
    machine.place(model.network)
    score = TASKS[model.task].new_score(classes)
    seen = compute_features(model, dataset, machine, evaluation_batch(settings), settings.data.workers, score)
    score.save(folder.evaluation(split), dataset.keys)
    features, (targets, predictions) = seen.images, score.judge_images()
    where = folder.embedding(split)
    save_features(where, features, dataset.keys, pick(classes, targets), pick(classes, predictions))
    save_similar(where, find_similar(features))
    if base:
        drawn = replace(base[0], points=place(*base, features), settings=base[0].settings | {"placed_on": onto})
    else:
        say(f"Projecting {len(features)} × {features.shape[1]} features by {method}.")
        drawn = project(features, method=method, engine=engine, perplexity=perplexity, seed=seed)
    drawn = replace(drawn, quality=map_quality(features, drawn.points, targets))
    save_map(where, drawn)
    title = f"{folder.path.name}: {split}, {len(features)} images"
    known, colours = targets >= 0, list_colours(classes) if seen.regions else ()
    plot = where / schema.PROJECTION_PLOT
    draw_map(drawn.points[known], targets[known], classes.ids, classes.names, plot, title, describe_map(drawn), colours)
    close = find_close(seen, score, dataset.keys, classes, where, stability)
    folder.write_json(f"{schema.embedding(split)}/{schema.CLOSE_CLASSES}", close)
    return {
        "split": split,
        "num_samples": len(dataset),
        "dimensions": features.shape[1],
        "map": drawn.settings,
        "map_in_words": describe_map(drawn),
        "quality": drawn.quality,
        "close_classes": close,
        "through_training": draw_film(folder, classes) if split == "val" and not data else None,
        "image": str(plot),
    }


@dataclass(frozen=True, eq=False)
class Seen:
    """What the last layer saw. images: float32 (n, d). regions: of images with masks."""

    images: Floats
    regions: Regions | None


@torch.inference_mode()
def compute_features(
    model: Model, dataset: ImageDataset, machine: Machine, batch_size: int, workers: int, score: Score | None = None
) -> Seen:
    """In one pass, in which `score` collects the answers.

    Of images that are answered in tiles the features are those of a tile at the centre.
    """
    model.eval()
    features, regions, order = [], [], []
    with progress_bar("Embedding", len(dataset), "images") as bar:
        for batch in load_batches(dataset, evaluation_batches(dataset, batch_size), workers):
            stored, targets = batch.images, batch.targets
            tile = choose_tile(model.preprocessing, (stored.shape[-2], stored.shape[-1]))
            if tile:
                stored, targets = cut_centre(stored, tile), cut_centre(targets, tile)
            images = prepare(stored.to(machine.device), model.preprocessing)
            with machine.autocast():
                logits, seen = model.forward_and_see(images)
            if score:
                logits = answer(model, batch.images, machine) if tile else logits
                score.update(logits.float().cpu(), batch.targets)
            features.append(pool(seen).float().cpu())
            if targets.ndim == 3:
                size = (images.shape[-2], images.shape[-1])
                regions.append(average_regions(seen, targets.to(seen.device), batch.indices, size))
            order.extend(batch.indices.tolist())
            bar.advance(len(batch.indices))
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
    close = find_close_classes(features, targets, confusion, classes.names, classes.ids, keys, owners)
    if not stability:
        return close.to_dict()
    return close.to_dict() | {"stability": check_stability(features, targets, close, owners).to_dict(close)}


def pick(classes: ClassList, indices: Indices) -> list[str]:
    """Ids of class indices; "" of -1."""
    return ["" if index < 0 else classes.ids[index] for index in indices]
