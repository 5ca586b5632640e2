"""Images and label files of YOLO: polygons in text files, with or without a data.yaml, or masks of values with one."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finesight.data.annotations.drawn_masks import Annotated, ValueMask
from finesight.data.annotations.yolo import (
    BoxLines,
    YoloData,
    find_entry,
    guess_shape,
    is_data_yaml,
    read_data_yaml,
    read_labels,
    swap_folder,
)
from finesight.data.images.image import IMAGE_SUFFIXES, image_sizes
from finesight.data.layouts.annotated import Found, convert_splits, key_of, make_splits, split_of
from finesight.data.layouts.survey import Splits, Survey, survey_folder
from finesight.data.layouts.yolo_names import find_names
from finesight.data.leftovers import Note, count_of
from finesight.data.sample import Item
from finesight.errors import DataError

MASK_ENDINGS = (".png", ".PNG", ".bmp", ".tif")  # those of Ultralytics
YAML = (".yaml", ".yml")
PROBE = 100  # label files that are opened to recognise the layout without a data.yaml
SHOWN = 3  # names in a note
IGNORED = 255  # value of a mask's pixels without a class, in Ultralytics


def fits_yolo(survey: Survey) -> bool:
    if not any(key.endswith(".txt") for key in survey.others):
        return False
    if (data := _find_data(survey)) is not None:
        return not data.masks_dir
    yamls = [key for key in survey.others if key.lower().endswith(YAML)]
    if survey.named or any(is_data_yaml(survey.root / key) for key in yamls):
        return False
    return bool(_find_labels(survey, "polygon"))


def explain_boxes(survey: Survey) -> str:
    """That there are only boxes in label files; "" where there are none."""
    if not (found := _find_labels(survey, "box")):
        return ""
    return (
        f"The label files in {str(survey.root)!r} hold boxes, such as {found!r}: segmentation needs polygons, "
        "classification a label for each image, such as a folder for each class."
    )


def _find_labels(survey: Survey, shape: str) -> str:
    """Key of a label file of an image, whose first shape is of that kind; "" for none among the first."""
    texts = [key for key in survey.others if key.endswith(".txt")]
    found = {key for key in texts[:PROBE] if guess_shape(survey.root / key) == shape}
    return next((label for key in survey.images if (label := _label_key(key)) in found), "") if found else ""


def fits_masks_dir(survey: Survey) -> bool:
    return (data := _find_data(survey)) is not None and bool(data.masks_dir)


def _find_data(survey: Survey) -> YoloData | None:
    """Of the one data.yaml that --data names, or that lies in its folder."""
    keys = [survey.named] if survey.named else [key for key in survey.others if "/" not in key]
    found = [key for key in keys if key.lower().endswith(YAML) and is_data_yaml(survey.root / key)]
    return read_data_yaml(survey.root / found[0]) if len(found) == 1 else None


def _label_key(image: str) -> str:
    return swap_folder(Path(image), "labels", ".txt").as_posix()


@dataclass(frozen=True)
class _Labelled:
    """Images by split, and the class of each number. source: what names the classes; where: the data, for messages."""

    images: Mapping[str, Sequence[Path]]
    names: Mapping[int, str]
    source: str
    where: str


def read_yolo(survey: Survey) -> Splits:
    """Without a data.yaml the splits are folders, and a file beside the labels, or --classes, names the classes."""
    found = Found(winner="the smaller shape")
    data = _find_data(survey)
    labelled = _list_by_yaml(survey, data, found.notes) if data else _list_by_folders(survey, found.notes)
    found.names += labelled.names.values()
    faults: list[str] = []
    boxes: list[BoxLines] = []
    unlabelled: list[str] = []
    for split, paths in labelled.images.items():
        keys = [key_of(path, survey.root) for path in paths]
        sizes = image_sizes([Item(key, path) for key, path in zip(keys, paths, strict=True)])
        for key, path, size in zip(keys, paths, sizes, strict=True):
            labels = swap_folder(path, "labels", ".txt")
            unlabelled += [] if labels.is_file() else [key]
            try:
                shapes = (
                    read_labels(labels, labelled.names, size or (1, 1), labelled.source) if labels.is_file() else []
                )
            except BoxLines as error:
                boxes.append(error)
            except DataError as error:
                faults.append(str(error))
            else:
                found.images[split].append(Annotated(key, path, tuple(shapes)))
    _refuse(labelled.where, boxes, faults)
    total = sum(map(len, found.images.values()))
    if unlabelled and len(unlabelled) == total:
        missing = swap_folder(survey.root / unlabelled[0], "labels", ".txt")
        raise DataError(f"No image of {labelled.where!r} has a label file, such as {str(missing)!r}.")
    if unlabelled:
        text = f"{count_of(len(unlabelled), 'image')} without a label file, on which nothing is annotated then."
        found.notes.append(Note(text, tuple(unlabelled)))
    return make_splits(survey, found)


def _list_by_yaml(survey: Survey, data: YoloData, notes: list[Note]) -> _Labelled:
    return _Labelled(dict(_list_images(survey, data, notes)), data.names, data.file.name, str(data.file))


def _list_by_folders(survey: Survey, notes: list[Note]) -> _Labelled:
    """All images. Raises DataError where none has a label file, or nothing names the classes."""
    labels = set(survey.others) & set(map(_label_key, survey.images))
    if not labels:
        raise DataError(
            f"{str(survey.root)!r} holds no data.yaml that names the classes and the images of train, and no label "
            "file of an image, such as labels/1.txt for images/1.jpg."
        )
    names, source = find_names(survey, labels)
    shown = ", ".join(f"{number} is {names[number]!r}" for number in sorted(names)[:SHOWN])
    notes.append(Note(f"The classes of the label files are named by {source!r}: {shown}."))
    images: dict[str, list[Path]] = defaultdict(list)
    for key in survey.images:
        images[split_of(f"{key.rpartition('/')[0]}/") or "train"].append(survey.root / key)
    return _Labelled(images, names, source, str(survey.root))


def _refuse(where: str, boxes: Sequence[BoxLines], faults: Sequence[str]) -> None:
    if boxes:
        lines = count_of(sum(each.count for each in boxes), "line")
        raise DataError(
            f"The labels of {where!r} hold boxes: {lines} of {count_of(len(boxes), 'file')} ({boxes[0]}). "
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
