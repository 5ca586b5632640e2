"""What an evaluation of a segmenter leaves in the run folder: images.csv, counts.safetensors and masks."""

from safetensors import SafetensorError
from safetensors.numpy import load_file

from finesight.classes import ClassList
from finesight.errors import RunError, blame_files
from finesight.metrics.image_statistics import ImageStatistics
from finesight.run import schema
from finesight.run.folder import RunFolder, read_csv
from finesight.run.old_names import find_file

COLUMNS = ("key", "pixel_accuracy", "miou")


def read_statistics(run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
    """What was counted of each image, in the order of images.csv."""
    path = run.evaluation(split) / schema.COUNTS
    try:
        counts = load_file(path)["counts"]
    except (OSError, KeyError, SafetensorError) as error:
        raise RunError(f"{path} is missing or damaged: {error}. Evaluate again.") from None
    with blame_files(run.path):
        keys = [row[0] for row in read_csv(find_file(run.evaluation(split), schema.IMAGES), COLUMNS)]
        if counts.shape != (len(keys), len(classes) + 1, len(classes)):
            raise RunError(f"{path} does not count {len(keys)} images of {len(classes)} classes. Evaluate again.")
        return ImageStatistics.of_pixels(keys, counts, [i for i in range(len(classes)) if i != classes.ignore])
