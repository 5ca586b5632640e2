"""Score masks: two folders of mask files compared, without a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data.class_files import load_classes
from finesight.data.mask_rules import choose_rule
from finesight.data.masks import (
    CODE_BITS,
    Look,
    MaskRule,
    UnreadableMask,
    count_codes,
    list_problems,
    read_mask,
    summarise,
)
from finesight.data.pairs import is_mask_half, pair_files
from finesight.data.survey import survey_folder
from finesight.data.threads import map_in_threads
from finesight.errors import DataError
from finesight.metrics.boundary import count_boundary
from finesight.metrics.confusion import definitions
from finesight.metrics.segmentation import segmentation_metrics
from finesight.progress import progress_bar, say
from finesight.tasks.contract import Metrics
from finesight.tasks.segmentation import save_counts


@dataclass(frozen=True)
class PairLook:
    """Both masks of a pair, and how often which code meets which: truth + (prediction << CODE_BITS) → pixels."""

    truth: Look
    prediction: Look
    joint: dict[int, int]


def score_masks(
    truth: str | Path, prediction: str | Path, *, classes: str = "", boundary: bool = False, out: str | Path = ""
) -> dict[str, Any]:
    """Scores a folder of predicted masks against one of true masks, paired by name.

    classes: a class file or a preset; without it the true masks' colours or values are the classes.
    boundary: also boundary IoU, which takes a second look at every pair.
    out: folder for metrics.json, confusion.csv, pictures.csv and counts.safetensors; empty: nothing is written.
    Returns `metrics`, `num_samples`, `definitions` and `classes`. Raises DataError for masks without partner, of
    different size, or that hold what is no class.
    """
    pairs = _find_pairs(truth, prediction)
    looks = _look_at_pairs(pairs)
    known = load_classes(classes) if classes else None
    settings = DataSettings()
    rule, class_list, notes = choose_rule([each.truth for each in looks], known, settings)
    predicted_rule, _, more = choose_rule([each.prediction for each in looks], class_list, settings)
    for line in "\n".join((*notes, *(f"Predicted masks: {note}" for note in more))).splitlines():
        say(line)
    counts = torch.stack([_count(each, rule, predicted_rule, class_list) for each in looks])
    borders = _count_borders(pairs, rule, predicted_rule, class_list) if boundary else None
    pooled = None if borders is None else borders.sum(0)
    values = segmentation_metrics(counts.sum(0), class_list.names, class_list.ignore, pooled)
    metrics = Metrics(len(looks), values, definitions(values))
    if out:
        save_counts(Path(out), [name for name, _, _ in pairs], counts[:, :, :-1], class_list, metrics, borders)
    return {**metrics.to_dict(), "classes": list(class_list.names)}


def _find_pairs(truth: str | Path, prediction: str | Path) -> list[tuple[str, Path, Path]]:
    """(name, true mask, predicted mask); pictures that lie beside masks are passed over."""
    surveys = [survey_folder(folder) for folder in (truth, prediction)]
    names = []
    for survey in surveys:
        masks = [key for key in survey.pictures if is_mask_half(key)]
        names.append(masks or list(survey.pictures))
    pairs = pair_files(*names)
    return [(one, surveys[0].root / one, surveys[1].root / other) for one, other in pairs]


def _look_at_pairs(pairs: Sequence[tuple[str, Path, Path]]) -> list[PairLook]:
    looks: list[PairLook] = []
    problems: list[str] = []
    with progress_bar("Comparing", len(pairs), "masks") as bar:
        for result in map_in_threads(lambda pair: _look_at_pair(*pair), pairs, chunk=4):
            if isinstance(result, str):
                problems.append(result)
            else:
                looks.append(result)
            bar.advance()
    if problems:
        raise DataError(list_problems(f"{len(problems):,} of {len(pairs):,} pairs cannot be compared:", problems))
    return looks


def _look_at_pair(name: str, truth: Path, prediction: Path) -> PairLook | str:
    try:
        one, other = read_mask(truth, name), read_mask(prediction, prediction.name)
    except UnreadableMask as error:
        return f"mask {error.key!r} {error.reason}"
    if one.codes.shape != other.codes.shape:
        sizes = " but ".join(f"{mask.codes.shape[0]}x{mask.codes.shape[1]}" for mask in (one, other))
        return f"{name!r} is {sizes} predicted"
    joint = count_codes(one.codes, other.codes)
    margins: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for code, count in joint.items():
        for margin, part in zip(margins, (code & (1 << CODE_BITS) - 1, code >> CODE_BITS), strict=True):
            margin[part] = margin.get(part, 0) + count
    return PairLook(summarise(one, name, margins[0]), summarise(other, prediction.name, margins[1]), joint)


def _count(each: PairLook, rule: MaskRule, predicted_rule: MaskRule, classes: ClassList) -> torch.Tensor:
    """int64 (C + 1, C + 1); the last row is unknown truth, the last column predictions of no class at all."""
    counts = torch.zeros(len(classes) + 1, len(classes) + 1, dtype=torch.int64)
    no_class = len(classes) if classes.ignore is None else classes.ignore
    for code, count in each.joint.items():
        truth = rule.find(each.truth.kind, code & (1 << CODE_BITS) - 1, each.truth.palette)
        guess = predicted_rule.find(each.prediction.kind, code >> CODE_BITS, each.prediction.palette)
        row = len(classes) if truth == IGNORE_INDEX else truth
        counts[row, no_class if guess == IGNORE_INDEX else guess] += count
    return counts


def _count_borders(
    pairs: Sequence[tuple[str, Path, Path]], rule: MaskRule, predicted_rule: MaskRule, classes: ClassList
) -> torch.Tensor:
    """int64 (n, 3, C) of `count_boundary`."""
    no_class = len(classes) if classes.ignore is None else classes.ignore

    def count(pair: tuple[str, Path, Path]) -> torch.Tensor:
        target, guess = (
            torch.from_numpy(each.apply(read_mask(path)))
            for each, path in zip((rule, predicted_rule), pair[1:], strict=True)
        )
        guess[guess == IGNORE_INDEX] = no_class
        return count_boundary(target, guess, len(classes) + 1)[:, :-1]

    with progress_bar("Following borders", len(pairs), "masks") as bar:
        found = []
        for counts in map_in_threads(count, pairs, chunk=4):
            found.append(counts)
            bar.advance()
    return torch.stack(found)
