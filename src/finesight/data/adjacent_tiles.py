"""Adjacent tiles of one scene, found by their edges: the last row of one continues in the first row of the other.

An edge is 256 grey values minus their moving mean, so that only texture counts. Similarity is the correlation of two
edges. The threshold comes from the data: reversed edges cannot continue each other, so their similarities show how many
real pairs exceed a value by chance (target and decoy: Elias and Gygi 2007, doi:10.1038/nmeth1019).

Found are tiles of one size without gap or overlap, not rotated or rescaled. On 2,000 tiles of 512 px adjacent ones
correlate at 0.7; a gap of four pixels halves that, one of eight leaves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

SAMPLES = 256  # grey values of an edge
TEXTURE = 17  # samples of the moving mean
MIN_SIDE = 64  # pixels; shorter edges hold too little texture to tell
MIN_CONTRAST = 2.0  # standard deviation in levels; below is the noise of flat water and of JPEG
CHANCE = 0.05  # fraction of the reported pairs that may be chance
MAX_IMAGES = 20_000  # compared, each with each; of more, as many are drawn


@dataclass(frozen=True)
class AdjacentTiles:
    """first lies left of second, or above it."""

    first: str
    second: str
    is_above: bool
    similarity: float


def take_edges(image: np.ndarray) -> np.ndarray | None:
    """uint8 (4, SAMPLES): top, bottom, left, right of uint8 RGB (h, w, 3); None where a side is below MIN_SIDE."""
    if min(image.shape[:2]) < MIN_SIDE:
        return None
    edges = (image[:1], image[-1:], image[:, :1].swapaxes(0, 1), image[:, -1:].swapaxes(0, 1))
    lines = (Image.fromarray(np.ascontiguousarray(edge)).convert("L") for edge in edges)
    return np.concatenate([np.asarray(line.resize((SAMPLES, 1), Image.Resampling.BOX)) for line in lines])


def find_adjacent(edges: Mapping[str, np.ndarray], seed: int = 0) -> list[AdjacentTiles]:
    """edges: by key, of images of one size. The most similar pairs first; none where chance explains them."""
    keys = list(edges)
    if len(keys) > MAX_IMAGES:
        keys = [keys[i] for i in np.sort(np.random.default_rng(seed).choice(len(keys), MAX_IMAGES, replace=False))]
    if len(keys) < 2:
        return []
    lines = np.stack([edges[key] for key in keys])
    top, bottom, left, right = (_texture(lines[:, side]) for side in range(4))
    real, chance = [], []
    for first, second, is_above in ((bottom, top, True), (right, left, False)):
        real += [(similarity, one, other, is_above) for similarity, one, other in _match(first, second)]
        chance += [similarity for similarity, _, _ in _match(first, second[:, ::-1])]
    real.sort(reverse=True)
    count = _count_reliable(np.array([pair[0] for pair in real]), np.array(chance))
    return [AdjacentTiles(keys[one], keys[other], above, similarity) for similarity, one, other, above in real[:count]]


def _texture(lines: np.ndarray) -> np.ndarray:
    """float32 (n, SAMPLES) of length one, shorter where there is no contrast."""
    half = TEXTURE // 2
    sums = np.cumsum(np.pad(lines.astype(np.float64), ((0, 0), (half + 1, half)), mode="edge"), axis=1)
    rough = lines - (sums[:, TEXTURE:] - sums[:, :-TEXTURE]) / TEXTURE
    lengths = np.linalg.norm(rough, axis=1, keepdims=True)
    texture: np.ndarray = (rough / np.maximum(lengths, MIN_CONTRAST * SAMPLES**0.5)).astype(np.float32)
    return texture


def _match(firsts: np.ndarray, seconds: np.ndarray, block: int = 512) -> list[tuple[float, int, int]]:
    """(similarity, one, other) where each is the most similar to the other; no image continues itself."""
    num = len(firsts)
    best_second, best_first = np.zeros(num, np.int64), np.zeros(num, np.int64)
    similarity, most = np.zeros(num, np.float32), np.full(num, -2, np.float32)
    for start in range(0, num, block):
        table = firsts[start : start + block] @ seconds.T
        rows = np.arange(len(table))
        table[rows, start + rows] = -2
        best_second[start : start + block] = table.argmax(1)
        similarity[start : start + block] = table.max(1)
        better = table.max(0) > most
        best_first[better] = start + table.argmax(0)[better]
        most = np.maximum(most, table.max(0))
    mutual = np.flatnonzero(best_first[best_second] == np.arange(num))
    return [(float(similarity[one]), int(one), int(best_second[one])) for one in mutual]


def _count_reliable(real: np.ndarray, chance: np.ndarray) -> int:
    """How many of the highest `real` (descending) are reliable: at most CHANCE of them are chance."""
    by_chance = len(chance) - np.searchsorted(np.sort(chance), real, side="left")
    reliable = np.flatnonzero((1 + by_chance) <= CHANCE * np.arange(1, len(real) + 1))
    return int(reliable[-1]) + 1 if len(reliable) else 0
