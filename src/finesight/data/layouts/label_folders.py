"""Labels from where images lie or what they are called: a folder a class, or names such as `wolf_7.png`.

Above either there may be folders called like splits. A few misplaced images are skipped, with a note.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import repeat

from finesight.data.layouts.survey import Splits, Survey, list_items
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.splits import split_name
from finesight.errors import DataError
from finesight.progress import quote

# How a name divides into label and number. Only the first is so usual that few names need to prove it.
NAMES = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (r"(.*)_([^_]*[0-9][^_]*)", r"(.*)\.([0-9]+)", r"(.*)-([0-9]+)", r"(.*?) ?\(([0-9]+)\)")
)
UNLABELLED = "unlabelled"
UNLABELLED_NAMES = frozenset(("unlabelled", "unlabeled", "pred", "predict"))


@dataclass(frozen=True, slots=True)
class Placed:
    """The images that lie directly in one folder. folders: those between its split's folder and the files."""

    split: str
    keys: Sequence[str]
    folders: tuple[str, ...]


def place(survey: Survey) -> list[Placed]:
    """Folders are splits only if all images, but for a few, lie in folders called like them, one a split."""
    return place_keys(survey.images)


@lru_cache(maxsize=1)  # asked several times of one survey; cleared once it is read
def place_keys(keys: tuple[str, ...]) -> list[Placed]:
    images = _place_in_train(keys)
    splits = name_splits(images)
    inside = [each for each in images if each.folders and each.folders[0] in splits]
    labelled = {folder: split for folder, split in splits.items() if split != UNLABELLED}
    if len(set(labelled.values())) < max(1, len(labelled)) or not is_few(_count(images) - _count(inside), len(keys)):
        return images
    placed = [
        (each.folders[0], replace(each, split=labelled[each.folders[0]], folders=each.folders[1:]))
        for each in inside
        if each.folders[0] in labelled
    ]
    # Archives often hold `train/train/fox`: the second `train` says nothing.
    single = {each.split for top, each in placed if each.folders[:1] != (top,)}
    return [each if each.split in single else replace(each, folders=each.folders[1:]) for _, each in placed]


def _place_in_train(keys: Iterable[str]) -> list[Placed]:
    by_folder: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_folder[key.rpartition("/")[0]].append(key)
    return [Placed("train", some, tuple(folder.split("/") if folder else ())) for folder, some in by_folder.items()]


def _count(placed: Iterable[Placed]) -> int:
    return sum(len(each.keys) for each in placed)


def _list_keys(placed: Iterable[Placed]) -> list[str]:
    return [key for each in placed for key in each.keys]


def name_splits(images: Iterable[Placed]) -> dict[str, str]:
    """The split of each folder in the root that holds images and is called like one.

    Folders such as `unlabelled` or `pred` count if there are splits. `seg_train` and `seg_test` are splits as
    well: their names are no more than splits once what all begin with is cut off.
    """
    folders = sorted({each.folders[0] for each in images if each.folders})
    starts = {re.sub("[^_.-]*$", "", folder) for folder in folders}
    start = starts.pop() if len(starts) == 1 and len(folders) > 1 else ""
    for cut in ("", start):
        names = {folder: folder.removeprefix(cut) for folder in folders}
        splits = {folder: split for folder, name in names.items() if (split := split_name(name))}
        if splits:
            return splits | {folder: UNLABELLED for folder, name in names.items() if name.lower() in UNLABELLED_NAMES}
    return {}


def is_few(number: int, total: int) -> bool:
    """Whether so few images are out of place that it is an oversight, not another layout."""
    return number * 5 <= total and (number <= 3 or number * 100 <= total)


def fits_class_folders(survey: Survey) -> bool:
    """Every image in one folder below its split; two folders called like splits are not classes."""
    placed = place(survey)
    inside = [each for each in placed if len(each.folders) == 1]
    outside = [each for each in placed if len(each.folders) != 1]
    labels = {each.folders[0] for each in inside}
    looks_like_splits = sum(bool(split_name(label)) for label in labels) > 1
    fits = is_few(_count(outside) - _count(_unlabelled_test(inside, outside)), len(survey.images))
    fits = fits and not any(len(each.folders) > 1 for each in placed)
    return fits and len(labels) > 1 and not looks_like_splits


def read_class_folders(survey: Survey) -> Splits:
    """The first folder below the split is the class, however deep an image lies in it."""
    # the latter: folders called like splits that are classes
    for find_folders in (place_keys, _place_in_train):
        placed = find_folders(survey.images)
        inside = [each for each in placed if each.folders]
        outside = [each for each in placed if not each.folders]
        tests = _unlabelled_test(inside, outside)
        if is_few(_count(outside) - _count(tests), _count(placed)):
            break
    else:
        key = outside[0].keys[0]
        raise DataError(f"Image {key!r} in {str(survey.root)!r} should lie in a folder named after its class.")
    nested = {each.folders[0] for each in inside if len(each.folders) > 1}
    if len(called := sorted(folder for folder in nested if split_name(folder))) > 1:
        raise DataError(describe_splits(survey, called))
    _note_unused(survey, inside, tests, "in no folder of a class")
    _note_empty(survey, inside)
    splits: Splits = {}
    for each in inside:
        splits.setdefault(each.split, []).extend(list_items(survey.root, each.keys, repeat(each.folders[0])))
    return splits


def describe_splits(survey: Survey, called: list[str]) -> str:
    """Why folders called like splits cannot be read as such."""
    names = {folder: split_name(folder) for folder in called}
    for split in dict.fromkeys(names.values()):
        if len(same := [folder for folder in called if names[folder] == split]) > 1:
            return (
                f"{quote_some(same)} in {str(survey.root)!r} are both called like the split {split}: keep one of them."
            )
    others = sorted({key.split("/")[0] if "/" in key else key for key in survey.images} - set(called))
    what = f"{quote_some(called)} in {str(survey.root)!r} are called like splits"
    is_flat = all(key.count("/") == 1 for key in survey.images)
    if not others:
        return f"{what} and hold no folders: if they are classes, give --format class_folders."
    advice = "if all are classes, give --format class_folders" if is_flat else "call it train, val or test"
    return f"{what}, but {quote_some(others, 3)} beside them is not: move it away, or {advice}."


def fits_name_prefix(survey: Survey) -> bool:
    """The id must hold a digit, so that pairs like 0007_sat.jpg and 0007_mask.png are not taken for classes."""
    return any(_is_clear(survey, pattern) for pattern in NAMES)


def _is_clear(survey: Survey, pattern: re.Pattern[str]) -> bool:
    placed = [each for each in place(survey) if each.split != "test"] or place(survey)
    if any(each.folders for each in placed):
        return False
    counts = Counter(_label(key, pattern) for key in _list_keys(placed))
    if "" in counts or len(counts) < 2 or all(map(split_name, counts)):
        return False
    return pattern is NAMES[0] or (min(counts.values()) > 1 and all(re.search(r"[^\W\d_]", label) for label in counts))


def read_name_prefix(survey: Survey) -> Splits:
    placed = place(survey)
    pattern = next((pattern for pattern in NAMES if _is_clear(survey, pattern)), NAMES[0])
    tests = [each for each in placed if each.split == "test"]
    inside = [each for each in placed if each.split != "test"]
    labels = {label for key in _list_keys(inside) if (label := _label(key, pattern))}
    if not labels or labels & {_label(key, pattern) for key in _list_keys(tests)}:
        tests, inside = [], placed
    found = {key: "" if each.folders else _label(key, pattern) for each in inside for key in each.keys}
    if wrong := [key for key, label in found.items() if not label]:
        where = f"Image {min(wrong)!r} in {str(survey.root)!r}"
        raise DataError(f"{where} should be called CLASS_ID and lie in no folder.")
    _note_unused(survey, inside, tests, "not called CLASS_ID")
    splits: Splits = {}
    for each in inside:
        splits.setdefault(each.split, []).extend(list_items(survey.root, each.keys, map(found.get, each.keys)))
    return splits


def _label(key: str, pattern: re.Pattern[str]) -> str:
    """`willow_tree` of willow_tree_7.png; "" where the name has none."""
    match = pattern.fullmatch(key.rpartition("/")[2].rpartition(".")[0])
    return match[1] if match else ""


def _unlabelled_test(inside: list[Placed], outside: list[Placed]) -> list[Placed]:
    """The images of a split `test` of which none has a label while those of train have."""
    if any(each.split == "test" for each in inside) or not any(each.split == "train" for each in inside):
        return []
    return [each for each in outside if each.split == "test"]


def _note_unused(survey: Survey, inside: list[Placed], tests: list[Placed], where: str) -> None:
    if _count(inside) + _count(tests) < len(survey.images):
        known = set(_list_keys([*inside, *tests]))
        outside = tuple(key for key in survey.images if key not in known)
        text = f"Skipped: {count_of(len(outside), 'image')} {where} ({quote_some(outside, 2)})."
        survey.notes.append(Note(text, outside))
    if tests:
        keys = tuple(sorted(_list_keys(tests)))
        text = f"Skipped: {count_of(len(keys), 'image')} of test without a label ({quote_some(keys, 1)})."
        survey.notes.append(Note(text, keys))


def _note_empty(survey: Survey, inside: list[Placed]) -> None:
    """Folders where classes are that are empty, or hold only images which are not read."""
    labels = {each.folders[0] for each in inside}
    depths = {tuple(each.keys[0].split("/")[: -len(each.folders) - 1]) for each in inside}  # folders of the splits

    def cut(keys: Iterable[str]) -> set[str]:
        return {"/".join(key.split("/")[: len(depth) + 1]) for key in keys for depth in depths}

    noted = [key for note in survey.notes for key in note.keys]
    is_runs = {folder for folder in cut(noted) if any(key.startswith(f"{folder}/") for key in survey.never_data)}
    about = cut(key for key in noted if key not in survey.never_data)
    companions = cut(survey.others) - about
    candidates = {folder for folder in survey.folders if tuple(folder.split("/")[:-1]) in depths}
    filled = cut(each.keys[0] for each in _place_in_train(survey.images))
    empty = candidates - filled - companions - is_runs
    found = tuple(sorted(folder for folder in empty if folder.rpartition("/")[2] not in labels))
    if found:
        verb = "Folder holds" if len(found) == 1 else "Folders hold"
        survey.notes.append(Note(f"{verb} no readable image, so it is not a class: {quote_some(found)}.", found, True))


def explain_misfit(survey: Survey) -> Iterator[str]:
    """What keeps images from being read as classes: the culprit first, then what to do."""
    placed = place(survey)
    root = str(survey.root)
    tops = sorted({key.split("/")[0] for key in survey.images if "/" in key})
    called = [folder for folder in tops if split_name(folder)]
    flat_splits = len(called) == len(tops) and not any(each.folders for each in placed)
    if len(called) > 1 and (flat_splits or all(each.split == "train" for each in placed)):
        yield describe_splits(survey, called)
    folders = {each.folders[0] for each in placed if each.folders}
    flat = _list_keys(each for each in placed if not each.folders)
    nested = _list_keys(each for each in placed if len(each.folders) > 1)
    if len(folders) > 1 and nested:
        top = nested[0].split("/")[0]
        second = f", and --data {quote(survey.root / top)} the second" if top in folders else ""
        yield (
            f"{nested[0]!r} in {root!r} lies in a folder of a folder: --format class_folders takes the first of them "
            f"as its class{second}."
        )
    if len(folders) > 1 and flat:
        verb = "lies" if len(flat) == 1 else f"and {len(flat) - 1:,} more lie"
        yield f"{flat[0]!r} {verb} in {root!r} beside {len(folders)} class folders: move what has no class elsewhere."
    if len(folders) == 1 and not flat:
        yield f"{root!r} holds one folder of images, {folders.pop()!r}; at least two are needed, one per class."
