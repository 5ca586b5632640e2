"""Labels: which labels of a run's own data are probably wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finesight.analysis.distance import Indices, find_nearest, normalise_rows
from finesight.analysis.evidence import read_evidence
from finesight.analysis.label_errors import (
    ODDS,
    LabelErrors,
    cross_fit_probabilities,
    find_doubtful_labels,
    save_label_errors,
)
from finesight.analysis.label_regions import RegionFinder
from finesight.analysis.projection import elect
from finesight.analysis.wording import count_of
from finesight.app.embed import compute_features, embed
from finesight.app.evaluate import check_split_name, evaluate
from finesight.app.run_data import RunData
from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import NEIGHBOURS, Case
from finesight.checks.run.doubtful_labels import align_votes, list_doubtful
from finesight.errors import ConfigError, DataError, blame_files
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.metrics.segmentation import enlarge
from finesight.progress import say
from finesight.run import schema
from finesight.run.files import replace_folder, write_atomically

HELD_OUT = "the network itself, which has not learned from these labels"
CROSS_FITTED = (
    "linear classifiers on the network's features, each asked about a fifth it has not seen; the network's features "
    "have learned from all of these labels, so some wrong ones are no longer contradicted"
)
RULE = f"at least {ODDS} to 1, and where the nearest images could be asked, with them"
AGREED = ", and by the classes of the ten nearest images"
LEARNED = (
    "the network itself, which has learned from these masks: what it has learned by heart it no longer contradicts"
)


def labels(run: str | Path | RunData, *, split: str = "val", out: str | Path = "") -> dict[str, Any]:
    """Finds labels that are probably wrong in a split, and saves them as label_errors/SPLIT.csv and .json in the run.

    Images of one class are judged one by one, masks by connected regions. out: a copy of the CSV file.
    Returns `split`, `num_samples`, `source` (whose probabilities contradict the labels), `num_errors`, `errors` (`key`,
    `given`, `suggested` as class ids, `score`; of masks also the region's place), `names` of the class ids, and `csv`.
    """
    own = RunData.of(run)
    folder = own.run
    check_split_name(split)
    found = FINDERS[own.task.name](own, split)
    classes = folder.read_classes()
    path = save_label_errors(folder, found, classes)
    if out:
        try:
            write_atomically(Path(out), path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    saved = folder.read_json(schema.label_errors(split, "json"))
    names = dict(zip(classes.ids, classes.names, strict=True))
    return {**saved, "num_errors": len(found.errors), "names": names, "csv": str(out or path)}


def find_wrong_images(own: RunData, split: str) -> LabelErrors:
    """Of images the network was not trained on by its own answers; of the others by cross-fitted classifiers."""
    if split == "train":
        return _find_learned_images(own)
    run = own.run
    if not run.is_evaluated(split):
        evaluate(own, split=split)
    case = Case(run, read_evidence(run, split, own.task))
    votes = _ask_neighbours(own, case)
    with blame_files(run.path):
        errors = list_doubtful(case, votes)
    mistakes = sum(image.is_error for image in case.predictions)
    say(f"Of {count_of(mistakes, 'label')} that the network contradicts, {len(errors):,} doubtful: {RULE}.")
    return LabelErrors(split, len(case.keys), HELD_OUT + AGREED * (votes is not None), tuple(errors))


def _ask_neighbours(own: RunData, case: Case) -> Indices | None:
    """Votes on each answer; None, and said so, where the images are gone or too few."""
    try:
        if case.evidence.embedding is None:
            embed(own, split=case.split)
            case = Case(case.run, read_evidence(case.run, case.split, own.task))
        return align_votes(case)
    except (DataError, NotApplicable) as error:
        say(f"Note: the nearest images are not asked: {error}")
        return None


def _find_learned_images(own: RunData) -> LabelErrors:
    model, dataset = restore_model(own.run), own.open_split("train")
    features = compute_features(Predictor.here(model, own.settings), dataset).images
    targets = np.asarray(dataset.targets)
    say("Fitting linear classifiers on four fifths of the features, five times.")
    probabilities = cross_fit_probabilities(features, targets, model.num_classes)
    votes = None
    if len(features) > NEIGHBOURS:
        votes = elect(targets[find_nearest(normalise_rows(features), NEIGHBOURS)])
    errors = find_doubtful_labels(probabilities, targets, dataset.keys, votes)
    return LabelErrors("train", len(dataset), CROSS_FITTED + AGREED * (votes is not None), tuple(errors))


@torch.inference_mode()
def find_wrong_regions(own: RunData, split: str) -> LabelErrors:
    """Writes the regions' outlines, too: label_errors/SPLIT/KEY.png, whose values are their numbers."""
    run, settings, dataset = own.run, own.settings, own.open_split(split)
    model, classes = restore_model(run), run.read_classes()
    predictor, finder = Predictor.here(model, settings), RegionFinder(len(classes), classes.ignore)
    for batch, logits in predictor.over(dataset, "Finding wrong regions", lambda batch: predictor.logits(batch.images)):
        masks = batch.targets
        logits = enlarge(logits, (masks.shape[-2], masks.shape[-1]))
        finder.add(logits, masks, [dataset.keys[index] for index in batch.indices])
    errors, outlines = finder.finish()
    folder = run.path / schema.label_outlines(split)
    fresh = folder.with_name(f".{split}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for key, outline in outlines.items():
        write_atomically(fresh / schema.mask_file(key), outline)
    replace_folder(folder, fresh)
    return LabelErrors(split, len(dataset), LEARNED if split == "train" else HELD_OUT, tuple(errors))


FINDERS: dict[str, Callable[[RunData, str], LabelErrors]] = {
    "classification": find_wrong_images,
    "segmentation": find_wrong_regions,
}
