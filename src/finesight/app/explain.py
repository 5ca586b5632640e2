"""Explain: where a run's network looks in images, as heat over them and in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from finesight.analysis.evidence import read_evidence
from finesight.analysis.gradcam import find_attention, find_focus
from finesight.analysis.saliency_overlay import encode_png, encode_webp, lay_heat, spread_map
from finesight.app.datasets import say_reading
from finesight.config import Preprocessing
from finesight.data.formats import list_unmasked
from finesight.data.images.image import UnreadableImage, fit_image, read_image
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
    """Writes each image under the heat of where the network looks: Grad-CAM, at the image's size.

    images: files or folders. classes: ids or names to look for; by default the predicted class, of masks the largest.
    Raises ModelError for a network that keeps no height and width, as many transformers do not.
    """
    folder = RunFolder.open(run)
    settings, model, names = folder.read_settings(), restore_model(folder), folder.read_classes()
    asked = [names.index(label) for label in classes]
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
                image = read_image(item.path, item.key, scale=model.preprocessing.scale)
            except UnreadableImage as error:
                unreadable.append((item.key, error.reason))
                continue
            for look in look_at(predictor, image, asked, find_task(folder)):
                layer, c = look.layer, look.class_index
                file = _write(Path(out), item, names.ids[c], lay_heat(image, look.heat))
                focus = (look.half_area, look.where, look.inside, look.probability)
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
class Look:
    """What the model sees of a class in an image: as Focus. heat: float32 (h, w) of the image."""

    class_index: int
    half_area: float | None
    where: str
    inside: float | None
    probability: float
    layer: str
    heat: np.ndarray


def look_at(predictor: Predictor, image: np.ndarray, asked: Sequence[int], task: Task) -> Iterator[Look]:
    """A look for each class in `asked`, by default those the task chooses. image: uint8 (h, w, 3)."""
    model, stored = predictor.model, show(image, predictor.model.preprocessing)
    logits, images = predictor.logits(stored).float(), predictor.prepare(stored)
    for c in asked or task.choose_explained(logits):
        attention = find_attention(model, images, [c])
        map_ = attention.maps[0].cpu().numpy()
        area, where = find_focus(map_)
        probability, region = task.describe_class(logits, c, (images.shape[-2], images.shape[-1]))
        inside = None if region is None else _share_inside(map_, region)
        heat = spread_map(map_, image.shape[:2], model.preprocessing)
        yield Look(c, area, where, inside, probability, attention.layer, heat)


def show(image: np.ndarray, preprocessing: Preprocessing) -> torch.Tensor:
    """An image uint8 (h, w, 3) as it would be stored, uint8 (1, 3, h', w'): of one in tiles the centre tile."""
    stored = preprocessing.stored or preprocessing.size
    if preprocessing.fit == "native":
        stored = min(stored[0], image.shape[0]), min(stored[1], image.shape[1])
    fitted = fit_image(image, stored, preprocessing.fit, preprocessing.interpolation)
    return torch.from_numpy(fitted).permute(2, 0, 1)[None]


def _share_inside(map_: np.ndarray, region: np.ndarray) -> float | None:
    heat = np.asarray(Image.fromarray(map_).resize(region.shape[::-1], Image.Resampling.BILINEAR))
    return float(heat[region].sum() / heat.sum()) if heat.sum() > 0 else None


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
    """By key, of the mistakes a report shows: where it looked for what it said wrongly, of a mask for the most of that.

    Empty for a network that cannot be looked into.
    """
    task = find_task(run)
    evidence = read_evidence(run, split, task)
    classes = evidence.classes
    sought = {key: c for key, c in task.list_false_classes(evidence, originals).items() if c < len(classes)}
    paths = {key: path for key in sought if (path := originals.find_image(key))}
    if not paths:
        return {}
    model = restore_model(run)
    predictor = in_float32(Predictor.here(model, run.read_settings()))
    looked = {}
    for key, path in track(paths.items(), "Where it looked", len(paths), "images"):
        try:
            image = read_image(path, key, scale=model.preprocessing.scale)
            (look,) = look_at(predictor, image, [sought[key]], task)
        except UnreadableImage:
            continue
        except ModelError as error:
            say(f"Note: the report does not show where the network looks: {error}")
            break
        overlay = data_uri("image/webp", encode_webp(lay_heat(image, look.heat), task.overlay_side))
        looked[key] = Looked(overlay, classes.names[sought[key]])
    return looked
