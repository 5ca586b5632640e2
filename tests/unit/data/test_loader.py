"""Batches: every image once, in an order that is a function of seed and epoch, the same with and without workers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finesight.data.batches import MOST_PIXELS, batch_by_size
from finesight.data.loader import ImageDataset, load_batches, order_batches


class Pixels:
    """Image i is filled with i."""

    note = ""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def read(self, indices: list[int]) -> np.ndarray:
        return np.stack([np.full((4, 6, 3), index, np.uint8) for index in indices])


@pytest.fixture
def dataset() -> ImageDataset:
    return ImageDataset(Pixels(10), np.arange(10) % 3, [f"{index}.png" for index in range(10)])  # type: ignore[arg-type]


@given(st.integers(1, 60), st.integers(1, 20), st.none() | st.tuples(st.integers(0, 9), st.integers(1, 9)))
def test_every_image_once(count: int, batch_size: int, shuffle: tuple[int, int] | None) -> None:
    batches = order_batches(count, batch_size, shuffle)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(count))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert 1 <= len(batches[-1]) <= batch_size + 1
    if shuffle is None:
        assert flat == list(range(count))
    elif len(batches) > 1 and batch_size > 1:
        assert len(batches[-1]) > 1  # batch statistics of one image mean nothing
    assert batches == order_batches(count, batch_size, shuffle)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([8, 3000, 9000])), max_size=30), st.integers(1, 9))
def test_masks_of_one_size_are_evaluated_together(sizes: list[tuple[int, int]], batch_size: int) -> None:
    batches = batch_by_size(sizes, batch_size)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    for batch in batches:
        assert batch == sorted(batch)
        ((height, width),) = {sizes[index] for index in batch}
        assert len(batch) == 1 or len(batch) <= min(batch_size, MOST_PIXELS // max(height * width, 1))
    if len(set(sizes)) == 1 and sizes[0][1] == 8:
        assert batches == order_batches(len(sizes), batch_size)  # as it was before sizes could differ


def test_the_order_is_of_seed_and_epoch() -> None:
    orders = [order_batches(50, 50, shuffle) for shuffle in ((0, 1), (0, 2), (1, 1), (1, 2))]
    assert all(first != second for i, first in enumerate(orders) for second in orders[:i])


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_hold_what_was_asked_for(dataset: ImageDataset, workers: int) -> None:
    batches = [[3, 1], [9, 0, 4]]
    loaded = list(load_batches(dataset, batches, workers))
    assert len(loaded) == 2
    for indices, batch in zip(batches, loaded, strict=True):
        assert batch.images.shape == (len(indices), 3, 4, 6)
        assert batch.images.dtype == torch.uint8
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.images[:, 0, 0, 0].tolist() == indices
        assert batch.targets.tolist() == [index % 3 for index in indices]
        assert batch.targets.dtype == torch.int64
        assert batch.indices.tolist() == indices


@pytest.mark.parametrize("workers", [0, 4])
def test_no_batches_need_no_workers(dataset: ImageDataset, workers: int) -> None:
    assert list(load_batches(dataset, [], workers)) == []


def test_pixels_targets_and_keys_belong_together() -> None:
    with pytest.raises(AssertionError):
        ImageDataset(Pixels(3), np.zeros(2, np.int64), ["a", "b", "c"])  # type: ignore[arg-type]
