"""What an evaluation of a segmenter leaves in the run folder: images.csv, counts.safetensors and masks."""

from finesight.classes import ClassList
from finesight.errors import RunError, blame_files
from finesight.metrics.evaluation import Evaluation, ImageResult, read_confusion
from finesight.metrics.image_statistics import ImageStatistics
from finesight.run import schema
from finesight.run.files import read_csv, read_tensors
from finesight.run.folder import RunFolder
from finesight.run.old_names import find_file

COLUMNS = ("key", "pixel_accuracy", "miou")


def read_evaluation(run: RunFolder, split: str, classes: ClassList) -> Evaluation:
    folder = run.evaluation(split)
    with blame_files(run.path):
        counts = read_confusion(folder, classes)
        rows = read_csv(find_file(folder, schema.IMAGES), COLUMNS)
        images = [ImageResult(key, fraction_right=float(accuracy) if accuracy else None) for key, accuracy, _ in rows]
        return Evaluation.read(run, split, counts, images)


def read_statistics(run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
    """Of each image, in the order of images.csv."""
    path = run.evaluation(split) / schema.COUNTS
    (counts,) = read_tensors(path, "counts")
    keys = read_evaluation(run, split, classes).keys
    if counts.shape != (len(keys), len(classes) + 1, len(classes)):
        raise RunError(f"{path} does not count {len(keys)} images of {len(classes)} classes. Evaluate again.")
    return ImageStatistics.of_pixels(keys, counts, [i for i in range(len(classes)) if i != classes.ignore])
