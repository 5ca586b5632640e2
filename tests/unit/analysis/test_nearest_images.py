"""The nearest images of each, found and on disk."""

from pathlib import Path

import numpy as np
import pytest

from finesight.analysis.nearest_images import NEIGHBOURS, find_nearest_images, load_nearest_images, save_nearest_images
from finesight.errors import RunError
from finesight.run.schema import NEIGHBOURS as NEIGHBOURS_FILE

FEATURES = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)


def test_neighbours_are_those_of_the_whole_table_of_cosines() -> None:
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    found = find_nearest_images(FEATURES * np.arange(1, 41)[:, None])  # lengths do not count
    assert np.array_equal(found.indices, np.argsort(-cosines, axis=1)[:, :NEIGHBOURS])
    assert np.allclose(found.similarities, -np.sort(-cosines, axis=1)[:, :NEIGHBOURS], atol=1e-5)


@pytest.mark.parametrize(("count", "shape"), [(0, (0, 0)), (1, (1, 0)), (3, (3, 2))])
def test_few_images_have_few_neighbours(count: int, shape: tuple[int, int]) -> None:
    found = find_nearest_images(FEATURES[:count])
    assert found.indices.shape == found.similarities.shape == shape


def test_they_come_back_from_disk(tmp_path: Path) -> None:
    assert load_nearest_images(tmp_path, 40) is None
    saved = find_nearest_images(FEATURES)
    save_nearest_images(tmp_path, saved)
    found = load_nearest_images(tmp_path, 40)
    assert found
    assert np.array_equal(found.indices, saved.indices)
    assert np.allclose(found.similarities, saved.similarities)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    save_nearest_images(tmp_path, find_nearest_images(FEATURES))
    with pytest.raises(RunError, match="does not match the 39 images"):
        load_nearest_images(tmp_path, 39)
    (tmp_path / NEIGHBOURS_FILE).write_bytes(b"no tensors")
    with pytest.raises(RunError, match="is missing or damaged"):
        load_nearest_images(tmp_path, 40)
