"""Probabilities of many images and classes, a block of images at a time: whole they may not fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from finesight.analysis.distance import Floats, Indices

VALUES = 1 << 23  # of a block: 64 MB


@dataclass(frozen=True, eq=False)
class Probabilities:
    """Softmax of logits (n, C), float64, computed of the rows that are asked for: an array that may lie on disk.

    rows: the rows of the logits that these are, (n,); None for all of them.
    """

    logits: Floats
    rows: Indices | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.logits if self.rows is None else self.rows), self.logits.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: slice | Indices) -> Floats:
        """Of some rows, (m, C)."""
        logits = np.asarray(self.logits[chosen if self.rows is None else self.rows[chosen]], dtype=np.float64)
        raised = np.exp(logits - logits.max(1, keepdims=True))
        probabilities: Floats = raised / raised.sum(1, keepdims=True)
        return probabilities

    def select(self, rows: Indices) -> "Probabilities":
        """Some of the rows; none is computed yet."""
        return Probabilities(self.logits, rows if self.rows is None else self.rows[rows])

    def blocks(self) -> Iterator[Floats]:
        """All rows."""
        return (self[block] for block in split_rows(*self.shape))

    def pick(self, classes: Indices) -> Floats:
        """One class of each row, (n,)."""
        blocks = split_rows(*self.shape)
        return join([np.take_along_axis(self[block], classes[block, None], 1)[:, 0] for block in blocks])


def split_rows(number: int, width: int) -> Iterator[slice]:
    """Blocks of the rows of a matrix."""
    size = max(1, VALUES // max(1, width))
    return (slice(start, start + size) for start in range(0, number, size))


def join(parts: Sequence[np.ndarray], kind: type = float) -> np.ndarray:
    """What was measured of the rows of each block, as numbers of a kind."""
    return np.concatenate(parts).astype(kind, copy=False) if parts else np.empty(0, kind)
