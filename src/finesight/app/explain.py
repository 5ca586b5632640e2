"""Explain: saliency maps of a run's predictions, over the images and in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from finesight.analysis.evidence import read_evidence
from finesight.analysis.gradcam import compute_saliency, locate_saliency
from finesight.analysis.saliency_overlay import encode_png, encode_webp, fit_to_image, overlay_saliency
from finesight.config import Preprocessing
from finesight.data.formats import list_unmasked
from finesight.data.images.image import UnreadableImage, fit_image, read_image
from finesight.data.images.reading_notes import say_reading
from finesight.data.sample import Item
from finesight.errors import ConfigError, DataError, ModelError
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.progress import progress_bar, say, track
from finesight.reporting.originals import Looked, Originals
from finesight.reporting.thumbnails import data_uri
from finesight.run.files import write_atomically
from finesight.run.folder import RunFolder
from finesight.run.results import Explained, Focus, Unreadable
from finesight.tasks import find_task
from finesight.tasks.contract import Task


def explain(
    run: str | Path, *images: str | Path, out: str | Path = "explained", classes: Sequence[str] = ()
) -> Explained:
    """Writes each image under its saliency map (Grad-CAM), at the image's size.

    images: files or folders. classes: ids or names to explain; by default the predicted or, for masks, the largest.
    Raises ModelError for a model that keeps no height and width, as many transformers do not.
    """
    folder = RunFolder.open(run)
    settings, model, names = folder.read_settings(), restore_model(folder), folder.read_classes()
    requested = [names.index(label) for label in classes]
    items = [item for path in images for item in list_unmasked(path)]
    if not items:
        raise ConfigError("Name an image, or a folder of images, to explain.")
    say_reading(items, model.preprocessing)
    predictor = in_float32(Predictor.here(model, settings))
    found: list[Focus] = []
    unreadable: Unreadable = []
    layer = ""
    with progress_bar("Explaining", len(items), "images") as bar:
        for item in items:
            try:
                seen = model.preprocessing
                image = read_image(item.path, item.key, seen.least_px, seen.scale)
            except UnreadableImage as error:
                unreadable.append((item.key, error.reason))
                continue
            for result in explain_image(predictor, image, requested, find_task(folder)):
                layer, c = result.layer, result.class_index
                file = _write(Path(out), item, names.ids[c], overlay_saliency(image, result.saliency))
                focus = (result.half_area, result.where, result.inside, result.probability)
                found.append(Focus(item.key, names.names[c], *focus, file))
            bar.advance()
    if not found:
        key, reason = unreadable[0]
        raise DataError(f"None of the {len(items)} images could be read: {key!r} {reason}.")
    return Explained(Path(out), layer, tuple(found), unreadable)


def in_float32(predictor: Predictor) -> Predictor:
    """The same without autocast: gradients of Grad-CAM are small."""
    return Predictor(predictor.model, replace(predictor.machine, precision="fp32"), predictor.settings)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Of one class in an image: as Focus. saliency: float32 (h, w) of the image."""

    class_index: int
    half_area: float | None
    where: str
    inside: float | None
    probability: float
    layer: str
    saliency: np.ndarray


def explain_image(
    predictor: Predictor, image: np.ndarray, requested: Sequence[int], task: Task
) -> Iterator[Explanation]:
    """Of each class in `requested`, by default those the task chooses. image: uint8 (h, w, 3)."""
    model, stored = predictor.model, store_image(image, predictor.model.preprocessing)
    logits, images = predictor.logits(stored).float(), predictor.prepare(stored)
    for c in requested or task.choose_explained(logits):
        found = compute_saliency(model, images, [c])
        map_ = found.maps[0].cpu().numpy()
        area, where = locate_saliency(map_)
        probability, region = task.describe_class(logits, c, (images.shape[-2], images.shape[-1]))
        inside = None if region is None else _fraction_inside(map_, region)
        saliency = fit_to_image(map_, image.shape[:2], model.preprocessing)
        yield Explanation(c, area, where, inside, probability, found.layer, saliency)


def store_image(image: np.ndarray, preprocessing: Preprocessing) -> torch.Tensor:
    """An image uint8 (h, w, 3) as it would be stored, uint8 (1, 3, h', w'): of one in tiles the centre tile."""
    stored = preprocessing.decoded_size()
    if preprocessing.fit == "native":
        stored = min(stored[0], image.shape[0]), min(stored[1], image.shape[1])
    fitted = fit_image(image, stored, preprocessing.fit, preprocessing.interpolation)
    return torch.from_numpy(fitted).permute(2, 0, 1)[None]


def _fraction_inside(saliency: np.ndarray, region: np.ndarray) -> float | None:
    saliency = np.asarray(Image.fromarray(saliency).resize(region.shape[::-1], Image.Resampling.BILINEAR))
    return float(saliency[region].sum() / saliency.sum()) if saliency.sum() > 0 else None


def _write(out: Path, item: Item, class_id: str, image: np.ndarray) -> Path:
    """OUT/IMAGE-CLASS.png; a class's id may hold what a file's name cannot."""
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in class_id)[:40]
    path = out / PurePosixPath(item.key).with_suffix("")
    path = path.with_name(f"{path.name}-{safe}.png")
    if path.resolve() == item.path.resolve():
        raise ConfigError(f"{path} is the image itself; name another --out.")
    try:
        write_atomically(path, encode_png(image))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}. Name another --out.") from None
    return path


def explain_errors(run: RunFolder, split: str, originals: Originals) -> dict[str, Looked]:
    """By key, of the errors a report shows: the saliency map of the class that was predicted wrongly.

    Empty for a model that Grad-CAM cannot explain.
    """
    task = find_task(run)
    evidence = read_evidence(run, split, task)
    classes = evidence.classes
    false_classes = {key: c for key, c in task.list_false_classes(evidence, originals).items() if c < len(classes)}
    paths = {key: path for key in false_classes if (path := originals.find_image(key))}
    if not paths:
        return {}
    model = restore_model(run)
    predictor = in_float32(Predictor.here(model, run.read_settings()))
    overlays = {}
    for key, path in track(paths.items(), "Saliency maps", len(paths), "images"):
        try:
            image = read_image(path, key, model.preprocessing.least_px, model.preprocessing.scale)
            (result,) = explain_image(predictor, image, [false_classes[key]], task)
        except UnreadableImage:
            continue
        except ModelError as error:
            say(f"Note: the report has no saliency maps: {error}")
            break
        overlay = data_uri("image/webp", encode_webp(overlay_saliency(image, result.saliency), task.overlay_side))
        overlays[key] = Looked(overlay, classes.labels[false_classes[key]])
    return overlays
