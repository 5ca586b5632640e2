"""Images in a stream: in order, fitted as in training, the unreadable told apart, and never many at once."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finesight.config import Preprocessing
from finesight.data import image_stream as stream
from finesight.data.image_stream import stream_images
from finesight.data.images.image import fit_image, read_fitted, read_image
from finesight.data.sample import Item

Draw = Callable[..., Path]
PREPROCESSING = Preprocessing(size=(6, 8), stored=(7, 9))


@pytest.fixture
def items(draw: Draw) -> list[Item]:
    return [Item(f"{i}.png", draw(f"{i}.png", size=(8 + i, 12), seed=i)) for i in range(11)]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 10, 11, 50])
def test_all_in_order(items: list[Item], batch_size: int) -> None:
    batches = list(stream_images(items, PREPROCESSING, batch_size))
    assert [item for batch in batches for item in batch.items] == items
    assert all(len(batch.items) == batch_size for batch in batches[:-1])
    pixels = np.concatenate([batch.pixels for batch in batches])
    assert pixels.dtype == np.uint8
    expected = [fit_image(read_image(item.path), (7, 9), "crop", "bilinear") for item in items]
    np.testing.assert_array_equal(pixels, np.stack(expected))


def test_without_a_stored_size_images_have_the_network_s(items: list[Item]) -> None:
    (batch,) = stream_images(items[:2], Preprocessing(size=(5, 6), fit="stretch"), 4)
    assert batch.pixels.shape == (2, 5, 6, 3)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 20])
def test_the_unreadable_are_told_apart(items: list[Item], batch_size: int) -> None:
    for index in (0, 3, 4, 10):
        items[index].path.write_bytes(b"")
    batches = list(stream_images(items, PREPROCESSING, batch_size))
    assert [item for batch in batches for item in batch.items] == [items[i] for i in (1, 2, 5, 6, 7, 8, 9)]
    assert [pair for batch in batches for pair in batch.bad] == [
        (items[index], "is empty (0 bytes)") for index in (0, 3, 4, 10)
    ]
    assert all(len(batch.items) == len(batch.pixels) for batch in batches)


def test_nothing_in_nothing_out() -> None:
    assert list(stream_images([], PREPROCESSING, 4)) == []


@pytest.mark.parametrize(("bytes_ahead", "ahead"), [(0, 2), (3 * 7 * 9 * 4, 4)])
def test_only_a_few_batches_are_ahead(
    bytes_ahead: int, ahead: int, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BYTES_AHEAD", bytes_ahead)
    begun: list[Path] = []

    def read(path: Path, *how: Any) -> np.ndarray:
        begun.append(path)
        return read_fitted(path, *how)

    monkeypatch.setattr(stream, "read_fitted", read)
    batches = stream_images(items, PREPROCESSING, 1)
    next(batches)
    time.sleep(0.05)
    assert len(begun) == 1 + ahead
    assert len(list(batches)) == 10
    assert len(begun) == 11


def test_who_stops_does_not_wait_for_what_is_ahead(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []

    def read(path: Path, *how: Any) -> np.ndarray:
        begun.append(path)
        time.sleep(0.05)
        return read_fitted(path, *how)

    monkeypatch.setattr(stream, "read_fitted", read)
    batches = stream_images(items, PREPROCESSING, 1, threads=1)
    next(batches)
    batches.close()
    assert len(begun) <= 3
