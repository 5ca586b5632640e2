"""Every file of a run folder, named once. Paths are relative to the folder, with `/`; FILES says what each holds.

Format 1. Text is UTF-8, tensors are safetensors, nothing is a pickle.
"""

from pathlib import PurePosixPath

# What training writes
CONFIG = "config.toml"
ENVIRONMENT = "environment.json"
MODEL = "model.json"
ARCHITECTURE = "architecture.json"
ARCHITECTURE_TEXT = "architecture.txt"
CLASSES = "classes.json"
MASK_RULE = "masks.json"
SPLITS = "splits.csv"
CLASS_COUNTS = "class_counts.json"
STRIDE_BOUNDS = "stride_ceiling.json"
THRESHOLDS = "thresholds.json"
JOURNAL = "journal.jsonl"
TIMINGS = "timings.jsonl"
FREEZING = "freezing.jsonl"
NOTES = "notes.md"
PREVIEW = "preview.png"
BUDGET = "budget.json"
RANGE_TEST = "range_test.json"
SELFTEST = "selftest.safetensors"
LOCK = ".lock"
STARTING = ".starting"  # empty; there until the folder is a run

# In checkpoints/NAME
CHECKPOINTS = "checkpoints"
WEIGHTS = "weights.safetensors"
TRAINING = "training.safetensors"

# In evaluation/SPLIT
EVALUATION = "evaluation"
METRICS = "metrics.json"
CONFUSION = "confusion.csv"
PREDICTIONS = "predictions.csv"
LOGITS = "logits.safetensors"
IMAGES = "images.csv"
COUNTS = "counts.safetensors"
COMPUTED_BY = "computed_by.json"
PREDICTED_MASKS = "masks"

# In embedding/SPLIT; FEATURES and SAMPLES also in REGIONS, a folder of it
EMBEDDING = "embedding"
FEATURES = "features.safetensors"
SAMPLES = "samples.csv"
NEIGHBOURS = "neighbours.safetensors"
PROJECTION = "map.json"
PROJECTION_POINTS = "map.safetensors"
PROJECTION_PLOT = "map.png"
CLOSE_CLASSES = "close_classes.json"
REGIONS = "regions"

# What training keeps of a few validation images
HISTORY = "film"
SNAPSHOTS = "film/index.json"
SNAPSHOT_SCORES = "film/scores.json"
SNAPSHOT_TRUTH = "truth"  # folder in HISTORY, beside those of the epochs
HISTORY_SAMPLES = "film/samples.csv"
HISTORY_MAPS = "film/maps.json"
HISTORY_POINTS = "film/maps.safetensors"

# What other commands add
FINDINGS = "findings"
LABEL_ERRORS = "label_errors"
COMPARISON = "comparison.json"
REPORT = "report.html"
COMPARISON_REPORT = "comparison.html"


def checkpoint(name: str) -> str:
    """Folder of checkpoint `last` or `best`."""
    return f"{CHECKPOINTS}/{name}"


def evaluation(split: str) -> str:
    return f"{EVALUATION}/{split}"


def embedding(split: str) -> str:
    return f"{EMBEDDING}/{split}"


def calibration(tta: bool = False) -> str:
    """tta: of test-time augmentation."""
    return "calibration_tta.json" if tta else "calibration.json"


def findings(split: str) -> str:
    return f"{FINDINGS}/{split}.json"


def label_errors(split: str, ending: str) -> str:
    """ending: `csv` or `json`."""
    return f"{LABEL_ERRORS}/{split}.{ending}"


def label_outlines(split: str) -> str:
    """Folder of the suspected regions of masks."""
    return f"{LABEL_ERRORS}/{split}"


def mask_file(key: str) -> str:
    """Of a sample, in a folder of masks or outlines."""
    return str(PurePosixPath(key).with_suffix(".png"))


def history_features(epoch: int) -> str:
    return f"{HISTORY}/{epoch}.safetensors"


IN_EVALUATION, IN_EMBEDDING = evaluation("SPLIT"), embedding("SPLIT")
FILES = {
    CONFIG: "settings as resolved",
    ENVIRONMENT: "format number, start time, versions, device, precision, command line",
    MODEL: "task, name, head, preprocessing, where the weights come from",
    ARCHITECTURE: "layers with shapes and sizes",
    ARCHITECTURE_TEXT: "the network as torch prints it",
    CLASSES: "ids, names, colours, ignored class",
    MASK_RULE: "masks: which colour or value is which class; every later command reads masks by it",
    SPLITS: "`split,key,label` of every sample",
    CLASS_COUNTS: "images, or pixels, of each class in the training split",
    STRIDE_BOUNDS: "masks: the mIoU upper bound of each output stride on the training split",
    THRESHOLDS: "several labels per image: the probability threshold of each class",
    JOURNAL: "one line per epoch: metrics, and which epoch is kept; the same for the same seed",
    TIMINGS: "one line per epoch: seconds, images per second; never the same twice",
    NOTES: "what you wrote about the run: `train --note`, `report --note`, or any editor",
    FREEZING: "the freeze ledger, one line per epoch",
    BUDGET: "of `--hours`: the hours, seconds used, and what steps and epochs were measured to cost",
    RANGE_TEST: "of `--lr auto`: rates, losses, smoothed losses, the chosen rate and why",
    PREVIEW: "images of the first training batch as the network gets them, with their labels or masks",
    SELFTEST: "an image, its logits, and the arithmetic they were computed with; checked whenever the model is loaded",
    LOCK: "empty; locked while the run is trained",
    calibration(): "temperature, the split it was fitted on, ECE and bins before and after; why it is not used",
    calibration(tta=True): "the same of test-time augmentation, fitted by `evaluate --tta` on its mean probabilities",
    f"{checkpoint('NAME')}/{WEIGHTS}": "of checkpoint `last` or `best`; both may be one file with two names",
    f"{checkpoint('last')}/{TRAINING}": "optimiser; where the weights are averages (EMA), the network's own",
    f"{IN_EVALUATION}/{METRICS}": "`num_samples`, `metrics` (path → number), `definitions`; `SPLIT_tta` is of TTA",
    f"{IN_EVALUATION}/{COMPUTED_BY}": "what predicted the split: engine, version, device, precision, folded layers",
    f"{IN_EVALUATION}/{CONFUSION}": "header row and first column are class names; rows are truth, columns prediction",
    f"{IN_EVALUATION}/{PREDICTIONS}": "images of one class: `key,target,prediction,confidence`, as class ids",
    f"{IN_EVALUATION}/{LOGITS}": "images of one class: `logits` float32 n×C in the order of predictions.csv",
    f"{IN_EVALUATION}/{IMAGES}": "masks: `key,pixel_accuracy,miou`",
    f"{IN_EVALUATION}/{COUNTS}": "masks: `counts` int64 n×(C+1)×C, the last row unknown truth; `boundary` n×3×C",
    f"{IN_EVALUATION}/{PREDICTED_MASKS}/KEY.png": "masks: predicted class indices",
    f"{IN_EMBEDDING}/{FEATURES}": "`features` float32 n×d: the head's input, in the order of samples.csv",
    f"{IN_EMBEDDING}/{SAMPLES}": "`key,target,prediction`; for masks the class of most known pixels, empty without any",
    f"{IN_EMBEDDING}/{NEIGHBOURS}": "the six nearest images of each: indices int32, similarities float32",
    f"{IN_EMBEDDING}/{PROJECTION}": "method, package, settings and quality of the projection",
    f"{IN_EMBEDDING}/{PROJECTION_POINTS}": "`points` float32 n×2, in the order of samples.csv",
    f"{IN_EMBEDDING}/{PROJECTION_PLOT}": "the projection, drawn",
    f"{IN_EMBEDDING}/{CLOSE_CLASSES}": "which classes are similar, and how that agrees with the errors",
    f"{IN_EMBEDDING}/{REGIONS}/{FEATURES}": "masks: as for images, a row for each class in each image",
    f"{IN_EMBEDDING}/{REGIONS}/{SAMPLES}": "masks: as for images, a row for each class in each image",
    SNAPSHOTS: "masks: the watched images, their frames, the epochs",
    SNAPSHOT_SCORES: "masks: mIoU of each frame, computed by `report`",
    f"{HISTORY}/EPOCH/KEY.png": "masks: what was predicted after the epoch; `truth/` holds the true masks",
    f"{HISTORY}/{SNAPSHOT_TRUTH}/KEY.png": "masks: the true masks",
    HISTORY_SAMPLES: "images of one class: `key,target` of those whose features are kept",
    f"{HISTORY}/EPOCH.safetensors": "their features after the first, the middle and the last epoch",
    HISTORY_MAPS: "how classes drew apart, and in words",
    HISTORY_POINTS: "`points` of each of these epochs",
    findings("SPLIT"): "what was found, what is well, what could not be judged and why",
    label_errors("SPLIT", "csv"): "suspected labels, the most certain first",
    label_errors("SPLIT", "json"): "the same, with where the judgement comes from",
    f"{label_outlines('SPLIT')}/KEY.png": "masks: the suspected regions, numbered",
    COMPARISON: "of the run that was last compared with another: verdict, intervals",
    REPORT: "the report of this run",
    COMPARISON_REPORT: "the report of this run and those before it",
}
