"""What training writes after each epoch: journal.jsonl, timings.jsonl, and the freeze ledger freezing.jsonl."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finesight.config import check
from finesight.run.plain import Result


@dataclass(frozen=True)
class EpochNumbers:
    """A line of the journal or of the timings. numbers: path such as `val/accuracy` or `images_per_second` → value.

    best_epoch: the one whose weights are kept; None in timings, and in journals of version 0.1.
    """

    epoch: int
    best_epoch: int | None
    numbers: Mapping[str, float]

    @classmethod
    def parse(cls, line: Mapping[str, Any]) -> "EpochNumbers":
        """Raises ValueError."""
        named = {
            name: value for name, value in line.items() if name not in ("epoch", "best_epoch") and value is not None
        }
        return check(cls, {"epoch": line.get("epoch"), "best_epoch": line.get("best_epoch"), "numbers": named})


@dataclass(frozen=True)
class LayerState(Result):
    """A layer in an epoch. state: frozen or tuned. lr: the epoch's last. norm: of batch statistics, fixed or tracking.

    hash: of a frozen layer's weights and buffers, see `training.freezing.hash_tensors`.
    """

    name: str
    state: str
    lr: float = 0.0
    norm: str | None = None
    hash: str | None = None

    @property
    def is_frozen(self) -> bool:
        return self.state == "frozen"


@dataclass(frozen=True)
class LedgerEntry(Result):
    """An epoch of the freeze ledger. freeze_before: the first trained layer; empty where none is frozen."""

    epoch: int
    freeze_before: str
    layers: tuple[LayerState, ...]
