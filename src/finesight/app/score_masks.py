"""Score masks: two folders of mask files compared, without a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings, load_settings
from finesight.data.class_files import load_classes
from finesight.data.layouts.mask_pairs import pair_files
from finesight.data.layouts.survey import survey_folder
from finesight.data.masks.codes import count_pairs
from finesight.data.masks.comparison import choose_rules
from finesight.data.masks.looks import Look, UnreadableMask, look_at_pairs, read_mask, summarise
from finesight.data.masks.rule import MaskRule
from finesight.data.threads import map_in_threads
from finesight.errors import ConfigError
from finesight.metrics.boundary import count_boundary
from finesight.metrics.confusion import definitions
from finesight.metrics.evaluation import Metrics
from finesight.metrics.segmentation import segmentation_metrics
from finesight.progress import say, track
from finesight.run.results import ScoredMasks
from finesight.tasks.segmentation.score import save_counts

Rules = tuple[MaskRule, MaskRule]  # of true and of predicted masks


@dataclass(frozen=True)
class PairLook:
    """Both masks of a pair, and how often which code of the truth meets which of the prediction."""

    truth: Look
    prediction: Look
    joint: Mapping[tuple[int, int], int]


def score_masks(
    truth: str | Path,
    prediction: str | Path,
    *,
    classes: str = "",
    boundary: bool = False,
    out: str | Path = "",
    settings: Mapping[str, Any] | None = None,
) -> ScoredMasks:
    """Scores a folder of predicted masks against one of true masks, paired by name.

    classes: a class file or a preset; without it the colours or values of both folders are the classes.
    boundary: also boundary IoU, which takes a second look at every pair.
    out: folder for metrics.json, confusion.csv, images.csv and counts.safetensors; empty: nothing is written.
    settings: how masks are read, such as `{"data.ignore": 255}`; only those of `data`.
    Raises DataError for masks without partner, of different size or with values that no class has, and where truth and
    predictions do not mean the same classes.
    """
    chosen = _read_settings(settings or {})
    known = load_classes(classes or chosen.classes) if classes or chosen.classes else None
    pairs = _find_pairs(truth, prediction)
    looks = look_at_pairs(pairs, lambda pair: _look_at_pair(*pair), "Comparing masks", lambda: "compared")
    rules, class_list, notes = choose_rules(
        [each.truth for each in looks], [each.prediction for each in looks], known, chosen
    )
    for line in "\n".join(notes).splitlines():
        say(line)
    counts = torch.stack([_count(each, rules, class_list) for each in looks])
    borders = _count_borders(pairs, rules, class_list) if boundary else None
    pooled = None if borders is None else borders.sum(0)
    values = segmentation_metrics(counts.sum(0), class_list.names, class_list.ignore, pooled)
    metrics = Metrics(len(looks), values, definitions(values))
    if out:
        save_counts(Path(out), [name for name, _, _ in pairs], counts[:, :, :-1], class_list, metrics, borders)
    return ScoredMasks(metrics.num_samples, values, metrics.definitions, class_list.names)


def _read_settings(settings: Mapping[str, Any]) -> DataSettings:
    if other := next((name for name in settings if not name.startswith("data.")), ""):
        raise ConfigError(f"Scoring two folders of masks takes only data settings, such as data.ignore, not {other}.")
    return load_settings(overrides=settings).data


def _find_pairs(truth: str | Path, prediction: str | Path) -> list[tuple[str, Path, Path]]:
    """(name, true mask, predicted mask); images that lie beside masks are passed over, and said."""
    one, other = survey_folder(truth), survey_folder(prediction)
    for role, survey in (("truth", one), ("prediction", other)):
        for note in survey.notes:
            say(f"Note on the folder of the {role}: {note.text}")
    found = pair_files(one.images, other.images)
    if found.images:
        some = f"{len(found.images):,} images beside the masks, such as {found.images[0]}"
        say(f"Skipped: {some}; {len(found.pairs):,} masks are scored.")
    return [(name, one.root / name, other.root / predicted) for name, predicted in found.pairs]


def _look_at_pair(name: str, truth: Path, prediction: Path) -> PairLook | str:
    """Or a sentence on what is wrong with the pair."""
    names = f"truth/{name}", f"prediction/{prediction.name}"
    try:
        one, other = read_mask(truth, names[0]), read_mask(prediction, names[1])
    except UnreadableMask as error:
        return f"mask {error.key!r} {error.reason}"
    if one.codes.shape != other.codes.shape:
        sizes = " but ".join(f"{mask.codes.shape[0]}x{mask.codes.shape[1]}" for mask in (one, other))
        return f"{name!r} is {sizes} predicted"
    joint = count_pairs(one.codes, other.codes)
    margins: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for codes, count in joint.items():
        for margin, code in zip(margins, codes, strict=True):
            margin[code] += count
    return PairLook(summarise(one, names[0], margins[0]), summarise(other, names[1], margins[1]), joint)


def _count(each: PairLook, rules: Rules, classes: ClassList) -> torch.Tensor:
    """int64 (C + 1, C + 1); the last row is unknown truth, the last column predictions of no class at all."""
    counts = torch.zeros(len(classes) + 1, len(classes) + 1, dtype=torch.int64)
    no_class = len(classes) if classes.ignore is None else classes.ignore
    for (code, predicted), count in each.joint.items():
        truth = rules[0].find(each.truth, code)
        guess = rules[1].find(each.prediction, predicted)
        row = len(classes) if truth == IGNORE_INDEX else truth
        counts[row, no_class if guess == IGNORE_INDEX else guess] += count
    return counts


def _count_borders(pairs: Sequence[tuple[str, Path, Path]], rules: Rules, classes: ClassList) -> torch.Tensor:
    """int64 (n, 3, C) of `count_boundary`."""
    no_class = len(classes) if classes.ignore is None else classes.ignore

    def count(pair: tuple[str, Path, Path]) -> torch.Tensor:
        target, guess = (
            torch.from_numpy(each.apply(read_mask(path))) for each, path in zip(rules, pair[1:], strict=True)
        )
        guess[guess == IGNORE_INDEX] = no_class
        return count_boundary(target, guess, len(classes) + 1)[:, :-1]

    return torch.stack(list(track(map_in_threads(count, pairs, chunk=4), "Comparing boundaries", len(pairs), "masks")))
