"""labelme's files beside their images: one JSON an image, splits by folders."""

from collections import Counter

from finesight.classes import natural_key
from finesight.data.annotations.drawn_masks import Annotated
from finesight.data.annotations.labelme import LabelmeFile, is_labelme, read_labelme
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.annotated import Found, key_of, make_splits, split_of
from finesight.data.layouts.names import stem_of
from finesight.data.layouts.survey import Splits, Survey, locate
from finesight.data.leftovers import Note, count_of
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError

PROBE = 3  # files that are opened to recognise the layout


def fits_labelme(survey: Survey) -> bool:
    return not survey.named and any(is_labelme(survey.root / key) for key in _list_files(survey)[:PROBE])


def _list_files(survey: Survey) -> list[str]:
    """JSON files called like an image, which may lie in another folder."""
    files = [key for key in survey.others if key.lower().endswith(".json")]
    stems = {stem_of(key) for key in survey.images} if files else set()  # there may be a million
    return [key for key in files if stem_of(key) in stems]


def read_labelme_files(survey: Survey) -> Splits:
    """An image without a file keeps the path that its file should have, as one without a mask."""
    found, undrawn = Found(), Counter[str]()
    keys = _list_files(survey)
    files = zip(keys, map_in_threads(lambda key: read_labelme(survey.root / key), keys), strict=True)
    used: dict[str, str] = {}
    for key, file in files:
        image = _find_image(survey, key, file)
        if image is None:
            found.missing.append(file.image or key)
            continue
        if (before := used.setdefault(image, key)) != key:
            raise DataError(f"{before!r} and {key!r} both annotate {image!r}: keep one.")
        undrawn += file.undrawn
        found.images[split_of(f"{image.rpartition('/')[0]}/") or "train"].append(
            Annotated(image, survey.root / image, file.shapes, file.size)
        )
    found.names += sorted(
        {name for some in found.images.values() for each in some for name, _ in each.shapes if name}, key=natural_key
    )
    if undrawn:
        kinds = ", ".join(f"{count_of(number, kind)}" for kind, number in undrawn.items())
        found.notes.append(Note(f"Shapes without an inside are passed over: {kinds}."))
    unlabelled = [key for key in survey.images if key not in used]
    splits = make_splits(survey, found, note_others=False)
    for key in unlabelled:
        item = Item(key, survey.root / key, (survey.root / key).with_suffix(".json"))
        splits.setdefault(split_of(f"{key.rpartition('/')[0]}/") or "train", []).append(item)
    return splits


def _find_image(survey: Survey, key: str, file: LabelmeFile) -> str | None:
    """The image that the file names, relative to itself, or the one beside it of the same name."""
    path = survey.root / key
    if file.image and (named := locate(path.parent / file.image)).is_file() and named.is_relative_to(survey.root):
        return key_of(named, survey.root)
    beside = [path.with_suffix(ending) for ending in sorted(IMAGE_SUFFIXES)]
    return next((key_of(each, survey.root) for each in beside if each.is_file()), None)
