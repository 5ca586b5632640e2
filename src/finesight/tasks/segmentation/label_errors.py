"""Regions of masks that are probably wrong."""

import shutil

import torch

from finesight.analysis.label_errors import HELD_OUT, LabelErrors
from finesight.analysis.label_regions import RegionFinder
from finesight.metrics.segmentation import enlarge
from finesight.run import schema
from finesight.run.files import replace_folder, write_atomically
from finesight.tasks.contract import LabelSearch

TRAINED = "the model itself, which was trained on these masks, so wrong ones that it memorised are missed"


@torch.inference_mode()
def find_wrong_regions(search: LabelSearch) -> LabelErrors:
    """Writes the regions' outlines, too: label_errors/SPLIT/KEY.png, whose values are their numbers."""
    run, dataset, predictor = search.run, search.open_split(), search.predictor()
    classes = run.read_classes()
    finder = RegionFinder(len(classes), classes.ignore)
    for batch, logits in predictor.over(dataset, "Finding wrong regions", lambda batch: predictor.logits(batch.images)):
        masks = batch.targets
        logits = enlarge(logits, (masks.shape[-2], masks.shape[-1]))
        finder.add(logits, masks, [dataset.keys[index] for index in batch.indices])
    errors, outlines = finder.finish()
    folder = run.path / schema.label_outlines(search.split)
    fresh = folder.with_name(f".{search.split}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for key, outline in outlines.items():
        write_atomically(fresh / schema.mask_file(key), outline)
    replace_folder(folder, fresh)
    return LabelErrors(search.split, len(dataset), TRAINED if search.split == "train" else HELD_OUT, tuple(errors))
