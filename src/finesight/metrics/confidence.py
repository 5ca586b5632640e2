"""Probabilities of logits, in float64: so that predictions and evaluations write the same digits."""

import numpy as np

VALUES_AT_ONCE = 1 << 22  # of logits: what is made of them takes 32 MB each


def predict_classes(logits: np.ndarray, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(class, its probability) of each row of logits (n, C): int64 (n,), float64 (n,).

    temperature: by which logits are divided, a block of rows at a time, so that memory stays small.
    """
    classes, size = logits.argmax(1), max(1, VALUES_AT_ONCE // logits.shape[1])
    confidence = np.empty(len(logits))
    for start in range(0, len(logits), size):
        rows = logits[start : start + size].astype(np.float64)
        below = (rows - rows.max(1, keepdims=True)) / temperature
        confidence[start : start + size] = 1 / np.exp(below).sum(1)
    return classes, confidence


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """float64, of logits of any shape."""
    with np.errstate(over="ignore"):  # exp(800) is infinite: a probability of 0
        probabilities: np.ndarray = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return probabilities
