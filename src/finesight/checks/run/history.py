"""What checks share that read how training went: its curve and its freeze ledger."""

import numpy as np

from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import Case

FEWEST_EPOCHS = 4  # below, a curve has no shape
LAST_PART = 0.25  # of the epochs: an unfinished training still improves in it, a stuck one no longer


def check_length(num_epochs: int) -> None:
    if num_epochs < FEWEST_EPOCHS:
        raise NotApplicable(f"This check needs at least {FEWEST_EPOCHS} epochs; the run has {num_epochs}.")


def last_part(num_epochs: int) -> int:
    """Number of epochs in it."""
    return max(1, round(LAST_PART * num_epochs))


def guessing_loss(case: Case) -> float | None:
    """Cross-entropy of always predicting the classes' frequencies in the training split; None where unknown.

    Also where another loss was trained, or classes were weighted.
    """
    loss, counts = case.evidence.settings.loss, case.evidence.class_counts.get("train")
    if loss.name != "cross_entropy" or loss.class_weights != "none" or not counts or not sum(counts):
        return None
    frequencies = np.array(counts)[np.array(counts) > 0] / sum(counts)
    return float(-(frequencies * np.log(frequencies)).sum())


def count_layers(case: Case) -> tuple[int, int]:
    """(frozen, trained) layers with weights in the last epoch."""
    if not case.evidence.ledger:
        raise NotApplicable("The run has no freeze ledger: no epoch was finished.")
    layers = case.evidence.ledger[-1].layers
    frozen = sum(layer.is_frozen for layer in layers)
    return frozen, len(layers) - frozen
