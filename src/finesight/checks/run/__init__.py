"""Checks of a run: what is wrong with it or worth knowing."""

from finesight.checks.contract import Check
from finesight.checks.run import borders, calibration, classes, data, freezing, labels, learning_rate, training
from finesight.checks.run.case import Case

CHECKS: dict[str, Check[Case]] = {
    "V001": Check("V001", "Training images are known far better than others", "warning", "fast", training.find_gap),
    "V002": Check(
        "V002",
        "No better than always guessing the largest class",
        "error",
        "fast",
        classes.find_no_better_than_guessing,
    ),
    "V003": Check("V003", "A class is never predicted", "error", "fast", classes.find_never_predicted),
    "V004": Check("V004", "Too few images of a class to judge it", "note", "fast", classes.find_too_few),
    "V005": Check("V005", "Two classes are taken for each other", "warning", "fast", classes.find_confused_pairs),
    "V006": Check("V006", "Surer than it is right", "warning", "fast", calibration.find_over_confidence),
    "V007": Check("V007", "Labels that may be wrong", "warning", "fast", labels.find_label_errors),
    "V008": Check("V008", "The same image in training and here", "error", "slow", data.find_identical),
    "V009": Check("V009", "Nearly the same image in training and here", "warning", "slow", data.find_near),
    "V010": Check("V010", "A class falls into groups", "note", "fast", labels.find_split_classes),
    "V011": Check("V011", "Errors sit on borders", "note", "slow", borders.find_border_errors),
    "V012": Check("V012", "Still improving when training ended", "note", "fast", training.find_unfinished),
    "V013": Check("V013", "Too much may be frozen", "warning", "fast", freezing.find_too_deep),
    "V014": Check("V014", "Too little may be frozen", "warning", "slow", freezing.find_too_shallow),
    "V015": Check("V015", "The learning rate looks out of range", "warning", "fast", learning_rate.find_bad_rate),
    "V016": Check("V016", "Rare classes lose to frequent ones", "warning", "fast", classes.find_imbalance),
}
