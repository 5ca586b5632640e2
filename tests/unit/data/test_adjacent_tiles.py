"""Crops of one scene are found where they adjoin, and nowhere else, whatever their texture."""

import numpy as np
import pytest
from PIL import Image

from finesight.data import adjacent_tiles as tiles
from finesight.data.adjacent_tiles import MIN_SIDE, find_adjacent, take_edges

ROWS, COLUMNS, SIDE = 6, 7, 64
RIGHT = {(f"{row},{column}", f"{row},{column + 1}", False) for row in range(ROWS) for column in range(COLUMNS - 1)}
BELOW = {(f"{row},{column}", f"{row + 1},{column}", True) for row in range(ROWS - 1) for column in range(COLUMNS)}


def make_scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Texture in which neighbouring pixels are alike, as in a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def cut(scene: np.ndarray, step: int = SIDE, offset: int = 0) -> dict[str, np.ndarray]:
    """Edges of crops every `step` pixels."""
    edges = {}
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, left = offset + row * step, offset + column * step
            found = take_edges(scene[top : top + SIDE, left : left + SIDE])
            assert found is not None
            edges[f"{row},{column}"] = found
    return edges


def find(edges: dict[str, np.ndarray]) -> set[tuple[str, str, bool]]:
    return {(pair.first, pair.second, pair.is_above) for pair in find_adjacent(edges)}


def test_neighbours_are_found_on_their_side() -> None:
    """Most of them: edges of 64 pixels hold little texture."""
    found = find_adjacent(cut(make_scene(ROWS * SIDE, COLUMNS * SIDE)))
    pairs = {(pair.first, pair.second, pair.is_above) for pair in found}
    assert len(pairs & (RIGHT | BELOW)) > 0.7 * len(RIGHT | BELOW)
    assert len(pairs - RIGHT - BELOW) <= tiles.CHANCE * len(pairs)
    similarity = [pair.similarity for pair in found]
    assert similarity == sorted(similarity, reverse=True)


def test_the_order_of_images_does_not_matter() -> None:
    edges = cut(make_scene(ROWS * SIDE, COLUMNS * SIDE))
    keys = np.random.default_rng(1).permutation(list(edges))
    assert find({key: edges[key] for key in keys}) == find(edges)


@pytest.mark.parametrize("seed", range(8))
def test_crops_that_do_not_adjoin_are_not_found(seed: int) -> None:
    apart = SIDE + 24
    assert find(cut(make_scene(ROWS * apart, COLUMNS * apart, seed), apart)) == set()


def test_images_of_one_frame_are_not_neighbours() -> None:
    """Logos, borders and flat backgrounds are the same in every image."""
    random = np.random.default_rng(0)
    edges = {}
    for number in range(60):
        image = np.full((SIDE, SIDE, 3), 255, np.uint8)
        image[:6, :20] = random.integers(0, 256, (6, 20, 3)) if number % 2 else 90
        image[20:50, 20:50] = random.integers(0, 256, 3)
        edges[str(number)] = take_edges(image)
    assert find({key: edge for key, edge in edges.items() if edge is not None}) == set()


def test_too_short_edges_tell_nothing() -> None:
    assert take_edges(np.zeros((MIN_SIDE, MIN_SIDE - 1, 3), np.uint8)) is None
    edges = take_edges(np.zeros((MIN_SIDE, 3 * MIN_SIDE, 3), np.uint8))
    assert edges is not None
    assert edges.shape == (4, tiles.SAMPLES)


def test_blocks_and_a_limit_change_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = cut(make_scene(ROWS * SIDE, COLUMNS * SIDE))
    lines = tiles._texture(np.stack(list(edges.values()))[:, 0])
    at_once, in_blocks = tiles._match(lines, lines[::-1]), tiles._match(lines, lines[::-1], block=5)
    assert [pair[1:] for pair in in_blocks] == [pair[1:] for pair in at_once]
    monkeypatch.setattr(tiles, "MAX_IMAGES", 30)
    drawn = {key for pair in find_adjacent(edges) for key in (pair.first, pair.second)}
    assert len(drawn) <= 30


def test_few_images() -> None:
    assert find_adjacent({}) == []
    edges = cut(make_scene(ROWS * SIDE, COLUMNS * SIDE))
    assert find({key: edges[key] for key in list(edges)[:3]}) == set()
