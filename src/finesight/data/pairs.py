"""Pictures and their masks, paired by name: `0007_sat.jpg` with `0007_mask.png`, `images/7.jpg` with `masks/7.png`."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from finesight.data.sample import Item
from finesight.data.splits import split_name
from finesight.data.survey import Survey
from finesight.errors import DataError

PICTURE_WORDS = "sat|image|images|img|rgb|picture|photo|input|im|leftImg8bit"
MASK_WORDS = "mask|masks|label|labels|lbl|gt|gtf|seg|segmentation|annotation|target|truth|ground_truth|gtFine_labelIds"
PICTURE_SUFFIX = re.compile(f"^(.*?)[_.-]({PICTURE_WORDS})$", re.IGNORECASE)
MASK_SUFFIX = re.compile(f"^(.*?)[_.-]({MASK_WORDS})$", re.IGNORECASE)
PICTURE_FOLDERS = frozenset((PICTURE_WORDS + "|imgs|pictures|photos|input|inputs|jpegimages").lower().split("|"))
MASK_FOLDERS = frozenset(
    (MASK_WORDS + "|annotations|gts|groundtruth|targets|segs|segmentations|segmentationclass|gtfine").lower().split("|")
)
Splits = dict[str, list[Item]]


@dataclass(frozen=True)
class Half:
    """One file of a pair. name: what both halves have in common, below their split."""

    split: str
    name: str
    key: str
    is_mask: bool


def fits_mask_suffix(survey: Survey) -> bool:
    """Most files are halves of a pair told by their names' ends; some may lack their partner."""
    return _fits(survey, by_suffix)


def read_mask_suffix(survey: Survey) -> Splits:
    return _read(survey, by_suffix)


def fits_mask_folders(survey: Survey) -> bool:
    return _fits(survey, by_folder)


def read_mask_folders(survey: Survey) -> Splits:
    return _read(survey, by_folder)


def by_suffix(key: str) -> Half:
    path = PurePosixPath(key)
    mask = MASK_SUFFIX.match(path.stem)
    split, folders = _split_off(path.parts[:-1])
    return Half(split, "/".join((*folders, mask[1] if mask else picture_stem(path.stem))), key, mask is not None)


def by_folder(key: str) -> Half | None:
    """None for a file in no folder of pictures or masks."""
    path = PurePosixPath(key)
    words = [folder.lower() in MASK_FOLDERS for folder in path.parts[:-1] if folder.lower() in FOLDERS]
    if len(words) != 1:
        return None
    split, folders = _split_off([folder for folder in path.parts[:-1] if folder.lower() not in FOLDERS])
    mask = MASK_SUFFIX.match(path.stem) if words[0] else None
    return Half(split, "/".join((*folders, mask[1] if mask else picture_stem(path.stem))), key, words[0])


FOLDERS = PICTURE_FOLDERS | MASK_FOLDERS
Halve = Callable[[str], Half | None]


def picture_stem(stem: str) -> str:
    """`0007` of `0007_sat`."""
    match = PICTURE_SUFFIX.match(stem)
    return match[1] if match else stem


def mask_name(key: str) -> str:
    """File of a picture's predicted mask: `a/0007_mask.png` for `a/0007_sat.jpg`, `a/0007.png` for `a/0007.jpg`."""
    path = PurePosixPath(key)
    common = picture_stem(path.stem)
    return str(path.with_name(f"{common}_mask.png" if common != path.stem else f"{path.stem}.png"))


def is_mask_half(key: str) -> bool:
    """Whether a file's name or folder says that it is a mask."""
    path = PurePosixPath(key)
    return MASK_SUFFIX.match(path.stem) is not None or any(part.lower() in MASK_FOLDERS for part in path.parts[:-1])


def _split_off(folders: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """(split, folders without it): the first folder called like one."""
    folders = tuple(folders)
    for position, folder in enumerate(folders):
        if split := split_name(folder):
            return split, folders[:position] + folders[position + 1 :]
    return "train", folders


def _fits(survey: Survey, halve: Halve) -> bool:
    halves = [half for key in survey.pictures if (half := halve(key))]
    masks = {(half.split, half.name) for half in halves if half.is_mask}
    pictures = {(half.split, half.name) for half in halves if not half.is_mask}
    return len(halves) == len(survey.pictures) and 2 * len(masks & pictures) >= max(len(masks), len(pictures), 1)


def _read(survey: Survey, halve: Halve) -> Splits:
    """A half without partner becomes an item whose other half is the file that should be there."""
    halves: dict[tuple[str, str], dict[bool, str]] = {}
    for key in survey.pictures:
        half = halve(key)
        if half is None:
            raise DataError(
                f"{key!r} in {str(survey.root)!r} lies in no folder of pictures or masks; move it into one."
            )
        pair = halves.setdefault((half.split, half.name), {})
        if half.is_mask in pair:
            raise DataError(
                f"{key!r} and {pair[half.is_mask]!r} in {str(survey.root)!r} would be the same half of a pair."
            )
        pair[half.is_mask] = key
    whole = [pair for pair in halves.values() if len(pair) == 2]
    if not whole:
        raise DataError(f"No picture in {str(survey.root)!r} has a mask of the same name.")
    splits: Splits = {}
    for (split, _), pair in halves.items():
        picture = pair.get(False) or _guess(pair[True], whole, of_mask=False)
        mask = pair.get(True) or _guess(pair[False], whole, of_mask=True)
        splits.setdefault(split, []).append(Item(picture, survey.root / picture, mask=survey.root / mask))
    return splits


def _guess(key: str, whole: list[dict[bool, str]], of_mask: bool) -> str:
    """Where the missing half of `key` would be, as the most common change of ending in whole pairs says."""
    endings = Counter(_changed(pair[not of_mask], pair[of_mask]) for pair in whole)
    ours, theirs = endings.most_common(1)[0][0]
    return str(Path(key).with_name(Path(key).name.removesuffix(ours) + theirs))


def _changed(ours: str, theirs: str) -> tuple[str, str]:
    """How the names of two halves end where they begin to differ."""
    one, other = PurePosixPath(ours).name, PurePosixPath(theirs).name
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[same:], other[same:]
