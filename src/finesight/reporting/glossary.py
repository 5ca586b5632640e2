"""Definitions of the numbers of a page. Those of metrics come from metrics.json, the others from here."""

from collections.abc import Mapping
from dataclasses import dataclass

from finesight.analysis.nearest_images import NEIGHBOURS
from finesight.metrics.confusion import DEFINITIONS
from finesight.metrics.metric_labels import label_metric

# name → (title, definition)
TERMS = {
    "interval": (
        "95 % interval",
        "Wilson's confidence interval of a fraction (1927, JASA 22:209). It assumes that these images are a random "
        "sample of those the model will meet; it does not cover images of another kind.",
    ),
    "images": ("Images", "Number of images of the class in this split."),
    "count": ("Confusions", "Number of images, regions or pixels of one class that are predicted as the other."),
    "confidence": (
        "Confidence", "Softmax probability of the predicted class. Neural networks are often overconfident.",
    ),
    "similarity": (
        "Similarity",
        "Cosine similarity of the embeddings of two images (the input of the model's head). 1: same direction, "
        "0: unrelated.",
    ),
    "neighbours": (
        "Nearest images",
        f"The {NEIGHBOURS} other images of this split with the most similar embeddings. Images of another class among "
        "them show what the model confuses.",
    ),
    "neighbourhood_preservation": (
        "Neighbours preserved",
        "Mean fraction of an image's nearest neighbours in embedding space that are also among its nearest neighbours "
        "on the projection.",
    ),
    "neighbourhood_chance": ("Neighbours preserved by chance", "The same fraction for random positions."),
    "knn_accuracy_features": (
        "kNN accuracy, embeddings",
        "Fraction of images whose class is the most frequent one among their nearest neighbours in embedding space.",
    ),
    "knn_accuracy_projection": ("kNN accuracy, projection", "The same with nearest neighbours on the projection."),
    "class_similarity": (
        "Class similarity",
        "Fraction of an image's nearest images (for masks, of a region's nearest regions) that belong to the other "
        "class, averaged over both classes. 0: never neighbours. 0.5: cannot be separated.",
    ),
    "parameters": ("Parameters", "All weights and biases of the model."),
    "trainable": ("Trainable", "Parameters that the first epoch could update."),
    "frozen": ("Frozen", "Parameters that the first epoch could not update."),
    "loss": (
        "Loss",
        "Training: mean over the batches of an epoch, with its augmentation, label smoothing and class weights. "
        "Validation: log loss of the unaugmented images after the epoch. Without smoothing or mixing, a widening gap "
        "means overfitting.",
    ),
    "learning_rate": ("Learning rate", "Value at the end of the epoch, the largest over all layers."),
    "images_per_second": (
        "Images per second", "Training throughput of an epoch, including reading and augmentation.",
    ),
    "size": ("Input size", "Height and width of the model's input in pixels."),
    "pixel_fraction": ("Pixels per class", "Percentage of all labelled pixels."),
    "stride_bound": (
        "mIoU upper bound",
        "The best mIoU at this output stride: of a prediction that knows the fraction of every class in each cell of "
        "stride × stride pixels, but nothing finer.",
    ),
    "difference": ("Difference", "Value of the run minus value of the first run."),
    "bootstrap": (
        "95 % interval of a difference",
        "Paired bootstrap: images are resampled with replacement, the same for both runs; 95 % of the differences lie "
        "in the interval. An interval that includes zero is compatible with chance in the choice of images. It does "
        "not cover other seeds or other data.",
    ),
    "mcnemar": (
        "McNemar's test",
        "Probability that the numbers of images that only one of the runs classifies correctly differ at least this "
        "much by chance. Exact test (McNemar 1947, Psychometrika 12:153).",
    ),
}  # fmt: skip


def _begin(text: str) -> str:
    """A definition as a sentence of the glossary."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


@dataclass(frozen=True)
class Term:
    """path: of a metric, as files and commands write it."""

    name: str
    title: str
    definition: str
    path: str = ""


class Glossary:
    """The terms a page uses."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        """definitions: of metrics.json by metric; `f1/wolf` is found under `f1`."""
        self._known = {name: Term(name, *text) for name, text in TERMS.items()}
        for metric, text in (DEFINITIONS | dict(definitions)).items():
            name = metric.split("/", 1)[0]
            self._known[name] = Term(name, label_metric(name), _begin(text), name)
        self._used: dict[str, Term] = {}

    def link(self, name: str) -> str:
        """Anchor of a term on the page; "" for a metric without a definition."""
        if name not in self._known:
            return ""
        self._used[name] = self._known[name]
        return f"#term-{name}"

    @property
    def terms(self) -> list[Term]:
        return sorted(self._used.values(), key=lambda term: term.title.casefold())
