"""Images and labels that a data.yaml of Ultralytics names: polygons in text files, or masks of values."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from finesight.data.annotations.drawn_masks import Annotated, ValueMask
from finesight.data.annotations.yolo import (
    BoxLines,
    YoloData,
    find_entry,
    is_data_yaml,
    read_data_yaml,
    read_labels,
    swap_folder,
)
from finesight.data.images.image import IMAGE_SUFFIXES, image_sizes
from finesight.data.layouts.annotated import Found, convert_splits, key_of, make_splits
from finesight.data.layouts.survey import Splits, Survey, survey_folder
from finesight.data.leftovers import Note, count_of
from finesight.data.sample import Item
from finesight.errors import DataError

MASK_ENDINGS = (".png", ".PNG", ".bmp", ".tif")  # those of Ultralytics
IGNORED = 255  # value of a mask's pixels without a class, in Ultralytics


def fits_yolo(survey: Survey) -> bool:
    has_labels = any(key.endswith(".txt") for key in survey.others)
    return has_labels and (data := _find_data(survey)) is not None and not data.masks_dir


def fits_masks_dir(survey: Survey) -> bool:
    return (data := _find_data(survey)) is not None and bool(data.masks_dir)


def _find_data(survey: Survey) -> YoloData | None:
    """Of the one data.yaml that --data names, or that lies in its folder."""
    keys = [survey.named] if survey.named else [key for key in survey.others if "/" not in key]
    found = [key for key in keys if key.lower().endswith((".yaml", ".yml")) and is_data_yaml(survey.root / key)]
    return read_data_yaml(survey.root / found[0]) if len(found) == 1 else None


def read_yolo(survey: Survey) -> Splits:
    data = _need_data(survey)
    found = Found(names=list(data.names.values()), winner="the smaller shape")
    faults: list[str] = []
    boxes: list[BoxLines] = []
    unlabelled: list[str] = []
    for split, paths in _list_images(survey, data, found.notes):
        keys = [key_of(path, survey.root) for path in paths]
        sizes = image_sizes([Item(key, path) for key, path in zip(keys, paths, strict=True)])
        for key, path, size in zip(keys, paths, sizes, strict=True):
            labels = swap_folder(path, "labels", ".txt")
            unlabelled += [] if labels.is_file() else [key]
            try:
                shapes = read_labels(labels, data.names, size or (1, 1)) if labels.is_file() else []
            except BoxLines as error:
                boxes.append(error)
            except DataError as error:
                faults.append(str(error))
            else:
                found.images[split].append(Annotated(key, path, tuple(shapes)))
    _refuse(data, boxes, faults)
    total = sum(map(len, found.images.values()))
    if unlabelled and len(unlabelled) == total:
        where = swap_folder(survey.root / unlabelled[0], "labels", ".txt")
        raise DataError(f"No image of {str(data.file)!r} has a label file, such as {str(where)!r}.")
    if unlabelled:
        text = f"{count_of(len(unlabelled), 'image')} without a label file, on which nothing is annotated then."
        found.notes.append(Note(text, tuple(unlabelled)))
    return make_splits(survey, found)


def _refuse(data: YoloData, boxes: Sequence[BoxLines], faults: Sequence[str]) -> None:
    if boxes:
        lines = count_of(sum(each.count for each in boxes), "line")
        raise DataError(
            f"The labels of {str(data.file)!r} hold boxes: {lines} of {count_of(len(boxes), 'file')} ({boxes[0]}). "
            "Segmentation needs polygons: export outlines, or remove the boxes."
        )
    if faults:
        more = f" {len(faults) - 1:,} more label files are at fault." if len(faults) > 1 else ""
        raise DataError(f"{faults[0]}{more}")


def read_masks_dir(survey: Survey) -> Splits:
    data = _need_data(survey)
    notes: list[Note] = []
    names = {**data.names, IGNORED: None}
    images = {
        split: [ValueMask(key_of(path, survey.root), path, _find_mask(path, data), names) for path in paths]
        for split, paths in _list_images(survey, data, notes)
    }
    return convert_splits(survey, images, [data.names[index] for index in sorted(data.names)], notes)


def _find_mask(image: Path, data: YoloData) -> Path:
    paths = [swap_folder(image, data.masks_dir, ending) for ending in MASK_ENDINGS]
    return next((path for path in paths if path.is_file()), paths[0])


def _need_data(survey: Survey) -> YoloData:
    if (data := _find_data(survey)) is None:
        raise DataError(f"{str(survey.root)!r} holds no data.yaml that names the classes and the images of train.")
    return data


def _list_images(survey: Survey, data: YoloData, notes: list[Note]) -> Iterator[tuple[str, list[Path]]]:
    """(split, images). Raises DataError where train or val are not there."""
    if data.missing_root:
        text = f"Paths of {data.file.name!r} begin in its own folder, as its path {data.missing_root!r} is not there."
        notes.append(Note(text))
    for split, entries in data.splits.items():
        places = {entry: find_entry(data, entry) for entry in entries}
        if absent := [entry for entry, place in places.items() if place is None]:
            if split == "test":
                notes.append(Note(f"Split test: {absent[0]!r} of {data.file.name!r} is not there, so it is left out."))
                continue
            raise DataError(f"{str(data.file)!r} names {absent[0]!r} for {split}, which is not in {str(data.root)!r}.")
        paths = [path for place in places.values() if place for path in _list_place(place, data, notes)]
        if not paths:
            raise DataError(f"{str(data.file)!r} names {entries[0]!r} for {split}, which holds no images.")
        yield split, list(dict.fromkeys(paths))


def _list_place(place: Path, data: YoloData, notes: list[Note]) -> list[Path]:
    """The images of a folder, or those that a .txt file lists."""
    if place.is_dir():
        survey = survey_folder(place)
        return [place / key for key in survey.images]
    try:
        lines = [line.strip().replace("\\", "/") for line in place.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{str(place)!r} should list images, a path a line: {error}.") from None
    found = {line: _find_listed(line, place, data) for line in lines if line}
    if missing := [line for line, path in found.items() if path is None]:
        text = f"{count_of(len(missing), 'image')} listed in {place.name!r} not there ({missing[0]!r}): left out."
        notes.append(Note(text, tuple(missing), hurts=True))
    return [path for path in found.values() if path]


def _find_listed(line: str, place: Path, data: YoloData) -> Path | None:
    """Ultralytics takes what begins with ./ for relative to the list; others write paths below the data's folder."""
    if Path(line).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    return next((path for folder in (place.parent, data.root) if (path := folder / line).is_file()), None)
