"""The search for nearest neighbours: exact, or approximate in cells of points that lie close together.

The exact search compares every query with every point. The approximate one divides the points into cells by k-means,
and compares a query with the points of the cells nearest to its own: the inverted file of Jégou, Douze and Schmid 2011,
TPAMI 33(1):117. How many cells that takes is measured on a sample of the queries whose true neighbours are known, so
every approximate search knows its recall. It is deterministic, which the graphs of HNSW are not with several threads.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1024  # queries at a time: bounds memory at BLOCK x n distances
CELL = 1000  # points in a cell, about
LARGEST_CELL = 4 * CELL  # equal points cannot be divided by k-means: they are dealt out
SAMPLE = 1000  # queries whose true neighbours are searched
RECALL = 0.98  # fraction of the true neighbours that is to be found in the cells searched
MOST_CELLS = 64  # a query is compared with, whatever the recall
ROUNDS = 5  # of k-means, on FITTED points for each cell
FITTED = 64


class Found(NamedTuple):
    """Nearest first: indices int64 (queries, k), distances float32 (queries, k).

    recall: fraction of the true neighbours found, measured on a sample; None of an exact search.
    """

    indices: Tensor
    distances: Tensor
    recall: float | None = None


@dataclass(frozen=True, eq=False)
class Queries:
    """The k nearest of `cloud` (n, d) are asked of each row (m, d); never those of the same group.

    groups: int64 (n,); of_rows: int64 (m,), the group of each row.
    """

    rows: Tensor
    cloud: Tensor
    k: int
    of_rows: Tensor
    groups: Tensor

    def select(self, chosen: Tensor) -> "Queries":
        """Some of the rows."""
        return Queries(self.rows[chosen], self.cloud, self.k, self.of_rows[chosen], self.groups)

    def among(self, points: Tensor) -> "Queries":
        """In some of the points."""
        return Queries(self.rows, self.cloud[points], self.k, self.of_rows, self.groups[points])


def search_exactly(queries: Queries) -> Found:
    """Every query is compared with every point. Points of a query's group come last, at an infinite distance."""
    indices = torch.empty((len(queries.rows), queries.k), dtype=torch.int64)
    lengths = torch.empty((len(queries.rows), queries.k))
    for start in range(0, len(queries.rows), BLOCK):
        block = slice(start, start + BLOCK)
        distances = measure(queries.rows[block], queries.cloud)  # (block, n)
        distances[queries.of_rows[block, None] == queries.groups] = float("inf")
        lengths[block], indices[block] = distances.topk(queries.k, largest=False)
    return Found(indices, lengths)


def search_in_cells(queries: Queries, seed: int = 0) -> Found:
    """Every query is compared with the points of the nearest cells, as many as RECALL takes."""
    cells = make_cells(queries.cloud, seed)
    at_home = cells.place(queries.rows)
    num_cells, recall = _choose_number(queries, cells, at_home, seed)
    indices = torch.empty((len(queries.rows), queries.k), dtype=torch.int64)
    lengths = torch.empty((len(queries.rows), queries.k))
    for cell, asked in enumerate(_group(at_home, len(cells.members))):
        if not len(asked):
            continue
        points = cells.gather(cell, num_cells, fewest=2 * queries.k)
        found = search_exactly(queries.select(asked).among(points))
        indices[asked], lengths[asked] = points[found.indices], found.distances
    lost = lengths.isinf().any(1).nonzero()[:, 0]  # too few points of other groups in these cells
    if len(lost):
        indices[lost], lengths[lost], _ = search_exactly(queries.select(lost))
    return Found(indices, lengths, recall)


@dataclass(frozen=True, eq=False)
class Cells:
    """centres: (c, d). members: the points of each cell. order: (c, c), all cells by their distance from each."""

    centres: Tensor
    members: list[Tensor]
    order: Tensor

    def place(self, points: Tensor) -> Tensor:
        """The nearest cell of each point, int64 (n,)."""
        return torch.cat([measure(block, self.centres).argmin(1) for block in torch.split(points, BLOCK)])

    def gather(self, cell: int, num_cells: int, fewest: int) -> Tensor:
        """The points of the nearest cells of a cell: of so many, or of more until there are `fewest` points."""
        sizes = torch.tensor([len(self.members[each]) for each in self.order[cell].tolist()]).cumsum(0)
        enough = int((sizes < min(fewest, int(sizes[-1]))).sum()) + 1
        return torch.cat([self.members[each] for each in self.order[cell, : max(num_cells, enough)].tolist()])


def make_cells(cloud: Tensor, seed: int) -> Cells:
    """By k-means from random points, fitted to a random sample."""
    number = max(1, len(cloud) // CELL)
    sample = cloud[torch.randperm(len(cloud), generator=torch.Generator().manual_seed(seed))[: FITTED * number]]
    centres = sample[:number].clone()
    for _ in range(ROUNDS):
        nearest = torch.cat([measure(block, centres).argmin(1) for block in torch.split(sample, BLOCK)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, sample)
        sizes = torch.bincount(nearest, minlength=number)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    homes = torch.cat([measure(block, centres).argmin(1) for block in torch.split(cloud, BLOCK)])
    parts = [list(torch.split(members, LARGEST_CELL)) for members in _group(homes, number)]
    centres = centres.repeat_interleave(torch.tensor([len(each) for each in parts]), dim=0)
    order = measure(centres, centres).fill_diagonal_(-1).argsort(dim=1, stable=True)
    return Cells(centres, [members for each in parts for members in each], order)


def _choose_number(queries: Queries, cells: Cells, at_home: Tensor, seed: int) -> tuple[int, float]:
    """(how many of the nearest cells are searched, the recall of that)."""
    chosen = torch.randperm(len(queries.rows), generator=torch.Generator().manual_seed(seed))[:SAMPLE]
    true = search_exactly(queries.select(chosen)).indices  # (sample, k)
    home_of_point = torch.empty(len(queries.cloud), dtype=torch.int64)
    for cell, members in enumerate(cells.members):
        home_of_point[members] = cell
    places = cells.order.argsort(1)[at_home[chosen][:, None], home_of_point[true]]  # of the true neighbours' cells
    recalls = torch.bincount(places.flatten(), minlength=MOST_CELLS)[:MOST_CELLS].cumsum(0) / places.numel()
    number = min(int((recalls < RECALL).sum()), MOST_CELLS - 1)
    return number + 1, float(recalls[number])


def _group(cells: Tensor, number: int) -> list[Tensor]:
    """The places of each cell's number, in order."""
    return list(torch.split(cells.argsort(stable=True), torch.bincount(cells, minlength=number).tolist()))


def measure(rows: Tensor, points: Tensor) -> Tensor:
    """Euclidean distances (m, n)."""
    few_dimensions = points.shape[1] <= 8  # where the direct formula is cheap, and exact
    mode = "donot_use_mm_for_euclid_dist" if few_dimensions else "use_mm_for_euclid_dist"
    return torch.cdist(rows, points, compute_mode=mode)
