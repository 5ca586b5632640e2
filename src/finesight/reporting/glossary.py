"""What each number on a page means. Metrics bring their definitions along in metrics.json; the rest is said here."""

from collections.abc import Mapping
from dataclasses import dataclass

from finesight.analysis.nearest_images import NEIGHBOURS
from finesight.metrics.confusion import DEFINITIONS

# name → (what it is called on the page, definition)
TERMS = {
    "interval": (
        "95 % interval",
        "Where the true share lies with 95 % confidence, if these images are a fair draw of those the network will "
        "meet. Wilson's interval of a share (1927, JASA 22:209). It knows nothing of images of another kind.",
    ),
    "guessing": ("Guessing", "Always answering with the class that has the most images in this part."),
    "images": ("Images", "How many images of the class there are in this part."),
    "count": ("Confusions", "How many images, regions or pixels of the first class were taken for the second."),
    "probability": (
        "Probability",
        "How sure the network says it is: the softmax of its logits, at the class it answers with. Networks tend to be "
        "surer than they are right.",
    ),
    "similarity": (
        "Similarity",
        "Cosine of the angle between the features of two images, as the network's last layer sees them: 1 is alike, "
        "0 has nothing in common.",
    ),
    "neighbours": (
        "Nearest images",
        f"The {NEIGHBOURS} other images of this part whose features are most similar. Images of another class "
        "among them show what the network mixes up.",
    ),
    "neighbourhood_preservation": (
        "Neighbours kept",
        "Of an image's nearest images in feature space, the mean share that are still among its nearest on the map.",
    ),
    "neighbourhood_chance": ("Neighbours kept by chance", "The same share on a map whose dots lie anywhere."),
    "knn_accuracy_features": (
        "kNN accuracy, full features",
        "Share of images whose class is the most frequent one among their nearest images in feature space.",
    ),
    "knn_accuracy_map": ("kNN accuracy, on the map", "The same with the nearest dots on the map."),
    "affinity": (
        "Affinity",
        "Of an image's nearest images, of masks a region's nearest regions, the share that belong to the other "
        "class; the mean over both classes. 0: the two never meet. 0.5: they cannot be told apart.",
    ),
    "parameters": ("Parameters", "Numbers the network has learned: all its weights and biases."),
    "trainable": ("Trainable", "Parameters that training could change in the first epoch."),
    "frozen": ("Frozen", "Parameters that training could not change in the first epoch."),
    "loss": (
        "Loss",
        "What training makes small. Training: the mean over the epoch's batches as they came, of augmented images, "
        "with the recipe's smoothing or weights. Validation: the log loss of whole images after the epoch. Without "
        "smoothing or mixing, a gap that widens means learning by heart.",
    ),
    "learning_rate": ("Learning rate", "How far a step goes, at the end of the epoch; the largest of all layers."),
    "images_per_second": (
        "Images a second",
        "Images trained on in an epoch by the seconds it took, reading and augmenting included.",
    ),
    "size": ("Size", "Height and width in pixels of what the network is shown."),
    "pixel_share": ("Share of pixels", "Pixels of the class among all pixels that are of a known class."),
    "stride_ceiling": (
        "Reach of a stride",
        "The mean IoU of a network that knew the share of every class in each cell of so many pixels and could say "
        "nothing finer. Measured on the training masks.",
    ),
    "difference": ("Difference", "The number of the run less that of the first run."),
    "bootstrap": (
        "95 % interval of a difference",
        "A paired bootstrap: the images are drawn anew many times, the same ones for both runs, and 95 % of the "
        "differences lie in the interval. One that crosses zero is not distinguishable from chance in the choice of "
        "images. It says nothing of other seeds or other data.",
    ),
    "mcnemar": (
        "McNemar's test",
        "How likely it is that the two numbers of images, those that only one of the runs tells right, differ so "
        "much by chance alone. Exact test (McNemar 1947, Psychometrika 12:153).",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    name: str
    title: str
    definition: str


class Glossary:
    """The terms a page uses."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        """definitions: metric → what it is, of metrics.json; those of a class, such as `f1/wolf`, under `f1`."""
        self._known = {name: Term(name, *text) for name, text in TERMS.items()}
        for metric, text in (DEFINITIONS | dict(definitions)).items():
            name = metric.split("/", 1)[0]
            self._known[name] = Term(name, name, text)
        self._used: dict[str, Term] = {}

    def link(self, name: str) -> str:
        """Address of a term on the page; "" where a metric was recorded without a definition."""
        if name not in self._known:
            return ""
        self._used[name] = self._known[name]
        return f"#term-{name}"

    @property
    def terms(self) -> list[Term]:
        return sorted(self._used.values(), key=lambda term: term.title.casefold())
