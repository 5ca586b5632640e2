"""Files of two folders of masks, true ones and predicted ones, paired by name; images that lie beside them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.names import IMAGE_WORDS, MASK_WORDS
from finesight.data.masks.looks import LOSSY
from finesight.errors import DataError, list_problems

PREDICTIONS = "pred preds predict predicted prediction predictions out output outputs result results"
MASKS = MASK_WORDS | {*PREDICTIONS.split(), "ground_truth", "gtfine_labelids", "segmentationclass"}
WORDS = MASKS | IMAGE_WORDS
SUFFIX = re.compile(f"(.+?)[_.-]({'|'.join(sorted(WORDS))})", re.IGNORECASE)
PREFIX = re.compile(f"({'|'.join(sorted(WORDS))})[_.-](.+)", re.IGNORECASE)


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
    (truth, some), (predicted, others) = _part_images(list(truth)), _part_images(list(predicted))
    pairs: list[tuple[str, str]] = []
    for name_of in (_without_suffix, common_name, _file_name):
        pairs += _match(truth, predicted, name_of)
        taken = [{pair[side] for pair in pairs} for side in (0, 1)]
        truth = [key for key in truth if key not in taken[0]]
        predicted = [key for key in predicted if key not in taken[1]]
    alone = [f"{key!r} (truth) is not predicted" for key in truth]
    alone += [f"{key!r} (prediction) has no true mask" for key in predicted]
    if alone:
        raise DataError(list_problems(f"{len(alone):,} masks have no partner of the same name:", alone))
    if not pairs:
        raise DataError("The two folders contain no masks.")
    return MaskPairs(tuple(sorted(pairs)), (*some, *others))


def _match(truth: Iterable[str], predicted: Iterable[str], name_of: Callable[[str], str]) -> list[tuple[str, str]]:
    """Raises DataError where several files of a folder have one name that the other folder has too.

    File names alone may occur in many folders: those are left without a partner.
    """
    ours, theirs = _group(truth, name_of), _group(predicted, name_of)
    common = [name for name in ours if name in theirs]
    double = {
        name: f"{' and '.join(map(repr, found[name][:3]))} ({role})"
        for role, found in (("truth", ours), ("prediction", theirs))
        for name in common
        if len(found[name]) > 1
    }
    if double and name_of is not _file_name:
        raise DataError(list_problems(f"{len(double):,} masks exist twice; keep one of each:", [*double.values()]))
    return [(ours[name][0], theirs[name][0]) for name in common if name not in double]


def _group(keys: Iterable[str], name_of: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        groups[name_of(key)].append(key)
    return groups


def _part_images(keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """(masks, images beside them). What looks like an image is one only if others like it lie beside a mask of the same
    common name: masks may well be called `scene_sat` or be JPEGs."""
    signs = {key: _sign(key) for key in keys}
    groups = _group(keys, common_name)
    beside = dict.fromkeys(("image", "lossy", "plain"), 0)
    for group in groups.values():
        held = {signs[key] for key in group}
        for sign in beside.keys() & held:
            beside[sign] += bool(held & {"mask", *({"plain"} if sign != "plain" else ())})
    found = {sign for sign in ("image", "lossy") if beside[sign]}
    if 2 * beside["plain"] > len(groups):  # one mask may be called `scene_target` beside `scene`, most are not
        found.add("plain")
    return [key for key in keys if signs[key] not in found], [key for key in keys if signs[key] in found]


def _sign(key: str) -> str:
    """What a file's name or folder says of it: image, mask, or nothing; then lossy (a JPEG, as masks seldom are) or
    plain."""
    path = PurePosixPath(key)
    end = SUFFIX.fullmatch(path.stem)
    words = {part.lower() for part in path.parts[:-1]} | ({end[2].lower()} if end else set())
    if words & IMAGE_WORDS:
        return "image"
    if words & MASKS:
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
        while match := pattern.fullmatch(stem):
            stem = match[group]
    return "/".join([*(part for part in path.parts[:-1] if part.lower() not in WORDS), stem]).lower()
