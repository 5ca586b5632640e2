"""However batches reach the device, they are the same bits: read in a step, by a thread or a process, or kept there."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from finesight.data import resident
from finesight.data.loader import Batch, ImageDataset, MaskTargets, load_batches, order_batches
from finesight.data.resident import ResidentDataset, make_resident
from finesight.errors import DataError

CPU = torch.device("cpu")


class Rows:
    note = ""

    def __init__(self, count: int, *shape: int) -> None:
        self.rows = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: list[int]) -> np.ndarray:
        return self.rows[np.asarray(indices)]


def make_dataset(count: int = 11, masks: bool = False) -> ImageDataset:
    targets = MaskTargets(Rows(count, 4, 6)) if masks else np.arange(count) % 3
    return ImageDataset(Rows(count, 4, 6, 3), targets, [f"{index}.png" for index in range(count)])


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the batches that were pinned, which only a machine with a GPU can do."""
    lengths: list[int] = []

    def pin(batch: Batch) -> Batch:
        lengths.append(len(batch.indices))
        return batch

    monkeypatch.setattr(Batch, "pin_memory", pin)
    return lengths


def by_thread(dataset: ImageDataset, batches: list[list[int]]) -> Iterator[Batch]:
    return load_batches(dataset, batches, pin_memory=True)


def by_process(dataset: ImageDataset, batches: list[list[int]]) -> Iterator[Batch]:
    return load_batches(dataset, batches, workers=1)


def from_device(dataset: ImageDataset, batches: list[list[int]]) -> Iterator[Batch]:
    return load_batches(ResidentDataset(dataset, CPU), batches, pin_memory=True)


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("path", [by_thread, by_process, from_device])
@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("count", [1, 11])
def test_batches_are_the_same_bits(
    path: Callable[[ImageDataset, list[list[int]]], Iterator[Batch]], masks: bool, count: int
) -> None:
    dataset = make_dataset(count, masks)
    batches = order_batches(count, 3, shuffle=(0, 1))
    for one, other in zip(load_batches(dataset, batches), path(dataset, batches), strict=True):
        for name in ("images", "targets"):
            expected, found = getattr(one, name), getattr(other, name)
            assert torch.equal(found, expected)
            assert found.dtype == expected.dtype
            assert found.stride() == expected.stride()
        assert np.array_equal(one.indices, other.indices)


def test_a_thread_reads_ahead_and_pins(pinned: list[int]) -> None:
    batches = by_thread(make_dataset(), [[0, 1], [2, 3, 4], [5], [6]])
    next(batches)
    next(batches)
    batches.close()  # type: ignore[attr-defined] # as the end of an epoch that a signal cuts short
    assert 2 <= len(pinned) <= 4
    assert pinned == [2, 3, 1, 1][: len(pinned)]


@pytest.mark.usefixtures("pinned")
def test_an_error_comes_with_its_batch() -> None:
    class Broken(Rows):
        def read(self, indices: list[int]) -> np.ndarray:
            if 4 in indices:
                raise DataError("Image 4 is gone.")
            return super().read(indices)

    dataset = ImageDataset(Broken(6, 4, 6, 3), np.arange(6), list("abcdef"))
    batches = by_thread(dataset, [[0, 1], [2, 3], [4, 5]])
    assert [next(batches).indices.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(DataError, match="Image 4"):
        next(batches)


def test_only_what_fits_is_kept_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 × 6 × 3 bytes an image and 8 a label, 10 images: 800 bytes."""
    monkeypatch.setattr(resident, "ResidentDataset", lambda dataset, device: "resident")
    dataset, cuda = make_dataset(10), torch.device("cuda")
    for free, expected in ((800 * 4, "resident"), (800 * 4 - 4, dataset)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10**12))
        assert make_resident(dataset, cuda) is expected
    assert make_resident(dataset, CPU) is dataset


def test_images_without_a_cache_are_not_kept() -> None:
    decoded = make_dataset(2)
    decoded.pixels.note = "Images are decoded every time they are read."
    assert make_resident(decoded, torch.device("cuda")) is decoded
