"""Files of two folders of masks, true ones and predicted ones, paired by name; images that lie beside them."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.mask_names import IMAGE_FOLDERS, IMAGE_SUFFIX, IMAGE_WORDS, MASK_FOLDERS, MASK_WORDS
from finesight.data.masks.looks import LOSSY, list_problems
from finesight.errors import DataError

PREDICTION_WORDS = "pred|preds|predict|predicted|prediction|predictions|out|output|outputs|result|results"
PREDICTION_FOLDERS = frozenset(PREDICTION_WORDS.split("|"))
WORDS = f"{MASK_WORDS}|{IMAGE_WORDS}|{PREDICTION_WORDS}"
SUFFIX = re.compile(f"^(.+?)[_.-]({WORDS})$", re.IGNORECASE)
PREFIX = re.compile(f"^({WORDS})[_.-](.+)$", re.IGNORECASE)
MASK_END = re.compile(f"^(.+?)[_.-]({MASK_WORDS}|{PREDICTION_WORDS})$", re.IGNORECASE)


@dataclass(frozen=True)
class MaskPairs:
    """pairs: (true mask, predicted mask). images: files of either folder that are passed over, in order."""

    pairs: tuple[tuple[str, str], ...]
    images: tuple[str, ...]


def pair_files(truth: Iterable[str], predicted: Iterable[str]) -> MaskPairs:
    """Masks of the same name; where that finds none, of the same name but for words such as `_mask` and `pred_` and
    folders such as `masks/`; at last of the same file name, whatever the folder.

    Raises DataError listing those without a partner, and those of which two would be one.
    """
    (truth, some), (predicted, others) = part_images(list(truth)), part_images(list(predicted))
    pairs: list[tuple[str, str]] = []
    for name_of in (_without_suffix, common_name, _file_name):
        found = _match(truth, predicted, name_of)
        pairs += found
        truth, predicted = (
            _leave_out(truth, {one for one, _ in found}),
            _leave_out(predicted, {one for _, one in found}),
        )
    alone = [f"{key!r} (truth) is not predicted" for key in truth]
    alone += [f"{key!r} (prediction) has no truth" for key in predicted]
    if alone:
        raise DataError(list_problems(f"{len(alone):,} masks have no partner of the same name:", alone))
    if not pairs:
        raise DataError("The two folders hold no masks.")
    return MaskPairs(tuple(sorted(pairs)), (*some, *others))


def _leave_out(keys: Iterable[str], taken: Collection[str]) -> list[str]:
    return [key for key in keys if key not in taken]


def _match(truth: Iterable[str], predicted: Iterable[str], name_of: Callable[[str], str]) -> list[tuple[str, str]]:
    """Raises DataError where several files of a folder have one name that the other folder has too.

    File names alone may occur in many folders: those are left without a partner.
    """
    groups = {"truth": _group(truth, name_of), "prediction": _group(predicted, name_of)}
    common = [name for name in groups["truth"] if name in groups["prediction"]]
    double = {
        name: f"{' and '.join(map(repr, found[name][:3]))} ({role})"
        for role, found in groups.items()
        for name in common
        if len(found[name]) > 1
    }
    if double and name_of is not _file_name:
        raise DataError(list_problems(f"{len(double):,} masks are there twice; leave one of each:", [*double.values()]))
    return [(groups["truth"][name][0], groups["prediction"][name][0]) for name in common if name not in double]


def _group(keys: Iterable[str], name_of: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        groups[name_of(key)].append(key)
    return groups


def part_images(keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """(masks, images beside them). What looks like an image is one only if others like it lie beside a mask of the same
    common name: masks may well be called `scene_sat` or be JPEGs."""
    looks = {key: _sign(key) for key in keys}
    groups = _group(keys, common_name)
    beside = dict.fromkeys(("image", "lossy", "plain"), 0)
    for group in groups.values():
        signs = {looks[key] for key in group}
        for sign in beside.keys() & signs:
            beside[sign] += bool(signs & {"mask", *({"plain"} if sign != "plain" else ())})
    found = {sign for sign in ("image", "lossy") if beside[sign]}
    if 2 * beside["plain"] > len(groups):  # one mask may be called `scene_target` beside `scene`, most are not
        found.add("plain")
    return [key for key in keys if looks[key] not in found], [key for key in keys if looks[key] in found]


def _sign(key: str) -> str:
    """What a file's name or folder says of it: image, mask, or nothing; then lossy (a JPEG, as masks seldom are) or
    plain."""
    path = PurePosixPath(key)
    folders = {part.lower() for part in path.parts[:-1]}
    if IMAGE_SUFFIX.match(path.stem) or folders & IMAGE_FOLDERS:
        return "image"
    if MASK_END.match(path.stem) or folders & (MASK_FOLDERS | PREDICTION_FOLDERS):
        return "mask"
    return "lossy" if key.lower().endswith(LOSSY) else "plain"


def _without_suffix(key: str) -> str:
    return str(PurePosixPath(key).with_suffix(""))


def _file_name(key: str) -> str:
    return PurePosixPath(common_name(key)).name


def common_name(key: str) -> str:
    """What the names of a pair share: `a/7` of `a/masks/7.png`, `a/7_mask_pred.tif`, `a/Pred_7.png`, `a/7.jpg.png`."""
    path = PurePosixPath(key)
    stem = path.stem
    while PurePosixPath(stem).suffix.lower() in IMAGE_SUFFIXES:
        stem = PurePosixPath(stem).stem
    for pattern, group in ((SUFFIX, 1), (PREFIX, 2)):
        while match := pattern.match(stem):
            stem = match[group]
    known = MASK_FOLDERS | IMAGE_FOLDERS | PREDICTION_FOLDERS
    return "/".join([*(part for part in path.parts[:-1] if part.lower() not in known), stem]).lower()
