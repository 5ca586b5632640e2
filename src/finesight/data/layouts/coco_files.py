"""Which COCO files of a folder are read, each as which split, and their images."""

import re
from collections import defaultdict
from pathlib import PurePosixPath

from finesight.data.annotations.coco import CocoFile, read_coco
from finesight.data.annotations.drawn_masks import Annotated
from finesight.data.annotations.json_files import looks_like_coco
from finesight.data.layouts.annotated import Found, ImageFinder, list_files, make_splits, split_of
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.leftovers import Note, quote_some
from finesight.errors import DataError

# Files of cocodataset.org beside instances_train2017.json that hold no classes of outlines.
OTHERS = frozenset(["captions", "info", "keypoints", "panoptic", "stuff", "densepose"])


def fits_coco(survey: Survey) -> bool:
    return bool(survey.images) and bool(_list_files(survey))


def read_coco_files(survey: Survey) -> Splits:
    files = _list_files(survey)
    if not files:
        raise DataError(f"{str(survey.root)!r} holds no COCO file: JSON with images, annotations and categories.")
    found, finder = Found(), ImageFinder(survey)
    listed: dict[tuple[str, str], str] = {}
    for key in files:
        split = "train" if survey.named else split_of(key) or "train"
        coco = read_coco(survey.root / key)
        found.names += coco.names
        found.notes += [note for text in coco.notes if (note := Note(text)) not in found.notes]
        for image in _place(survey, key, split, coco, finder, found):
            if (before := listed.setdefault((split, image.key), key)) != key:
                raise DataError(
                    f"{before!r} and {key!r} both annotate {image.key!r}: name the one to read with --data."
                )
            found.images[split].append(image)
    return make_splits(survey, found)


def _list_files(survey: Survey) -> list[str]:
    """Keys of COCO files. Of those of one folder that have other tasks too, the files called `instances`."""
    files = [key for key in list_files(survey, ".json") if looks_like_coco(survey.root / key)]
    if survey.named:
        return files
    plain = [key for key in files if not OTHERS & _words(key)]
    return plain or files


def _words(key: str) -> set[str]:
    return set(re.findall("[a-z]+", PurePosixPath(key).stem.lower()))


def _place(survey: Survey, key: str, split: str, coco: CocoFile, finder: ImageFinder, found: Found) -> list[Annotated]:
    """The images of a file that are there."""
    by_name = {}
    for image in coco.images:
        if image.file_name in by_name:
            raise DataError(f"{key!r} lists the image {image.file_name!r} twice: keep one.")
        by_name[image.file_name] = image
    keys = finder.find(list(by_name), key.rpartition("/")[0], split_of(key))
    found.missing += [name for name in by_name if name not in keys]
    doubles: dict[str, list[str]] = defaultdict(list)
    for name, image_key in keys.items():
        doubles[image_key].append(name)
    if same := next((names for names in doubles.values() if len(names) > 1), None):
        raise DataError(f"{key!r} lists one image under two names, {quote_some(same)}: write their folders.")
    return [
        Annotated(keys[name], survey.root / keys[name], image.shapes, image.size)
        for name, image in by_name.items()
        if name in keys
    ]
