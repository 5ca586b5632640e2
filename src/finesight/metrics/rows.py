"""What is measured of each row of a large matrix alone, a block of rows at a time, so that memory stays small."""

from collections.abc import Callable

import torch
from torch import Tensor

VALUES = 1 << 24  # of a block: 64 MB of float32, 128 of float64


def measure_rows(measure: Callable[..., Tensor], *columns: Tensor, chosen: Tensor | None = None) -> Tensor:
    """What `measure` makes of blocks of rows, joined.

    columns: (n, …) each, of which the first is the matrix (n, C). chosen: indices of the rows, None for all of them.
    measure: takes a block of each; what it makes of a row must not depend on the other rows.
    """
    matrix = columns[0]
    size = max(1, VALUES // max(1, matrix.shape[1]))
    if chosen is not None:
        return _join([measure(*(each[some] for each in columns)) for some in torch.split(chosen, size)])
    return _join([measure(*block) for block in zip(*(torch.split(each, size) for each in columns), strict=True)])


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
