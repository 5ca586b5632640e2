"""What people read for a metric's path: `val/iou/annual_crop` is "IoU, annual crop"."""

from finesight.classes import write_plainly

SPLITS = ("train", "val")  # what the journal puts before a metric

# path without class → label
LABELS = {
    "accuracy": "Accuracy",
    "top5": "Top-5 accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "log_loss": "Log loss",
    "ece": "Expected calibration error",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "iou": "IoU",
    "boundary_iou": "Boundary IoU",
    "class_accuracy": "Mean class accuracy",
    "miou": "Mean IoU",
    "miou_unmasked": "Mean IoU with unlabelled pixels",
    "frequency_weighted_iou": "Frequency-weighted IoU",
    "pixel_accuracy": "Pixel accuracy",
    "map": "Mean average precision",
    "ap": "Average precision",
    "exact_match": "Exact match",
    "label_accuracy": "Label accuracy",
}


def label_metric(path: str) -> str:
    """`Mean IoU`; of a class `IoU, forest`. A name not in LABELS is written plainly."""
    head, _, rest = path.partition("/")
    if head in SPLITS and rest:
        return label_metric(rest)
    label = LABELS.get(head) or write_plainly(head).capitalize()
    return f"{label}, {write_plainly(rest)}" if rest else label


def mention_metric(path: str) -> str:
    """The label inside a sentence: `mean IoU`, but `IoU`."""
    label = label_metric(path)
    first, *rest = label.split(" ")
    return " ".join([first.lower() if first.isalpha() and first.istitle() else first, *rest])
