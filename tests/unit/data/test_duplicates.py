"""Identical and nearly identical images are found among others, and nothing else is."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data import duplicates
from finesight.data.duplicates import NEAR, find_duplicates, match_fingerprints, take_fingerprint
from finesight.data.sample import Item


def paint(seed: int, size: int = 64) -> np.ndarray:
    """A motif of its own: eight soft blobs of colour."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC))


def as_jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.array(Image.open(file))


def match(**images: np.ndarray) -> list[tuple[tuple[str, ...], bool]]:
    found = match_fingerprints({name: take_fingerprint(image) for name, image in images.items()})
    return [(each.keys, each.identical) for each in found]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "saved as JPEG": as_jpeg,
    "half as large": lambda image: np.array(Image.fromarray(image).resize((32, 32))),
    "brighter": lambda image: np.clip(image * 1.1 + 8, 0, 255).astype(np.uint8),
    "one pixel changed": lambda image: np.where(np.arange(image.size).reshape(image.shape) == 0, 9, image),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_near(change: str) -> None:
    image = paint(0)
    others = {f"other{seed}": paint(seed) for seed in range(1, 30)}
    copy = CHANGES[change](image).astype(np.uint8)
    assert match(image=image, **others, copy=copy) == [(("image", "copy"), False)]


@pytest.mark.parametrize("change", [np.fliplr, np.flipud, lambda image: 255 - image])
def test_another_motif_is_not(change: Callable[[np.ndarray], np.ndarray]) -> None:
    assert match(image=paint(0), other=np.ascontiguousarray(change(paint(0)))) == []


def test_a_common_background_is_no_likeness() -> None:
    """Two small things on the same blue."""
    sea = np.full((64, 64, 3), (20, 90, 200), np.uint8)
    fish, ship = sea.copy(), sea.copy()
    fish[40:48, 10:20] = 250
    ship[8:16, 40:50] = 250
    assert match(fish=fish, ship=ship) == []


def test_flat_images_are_only_ever_identical() -> None:
    white, grey = np.full((8, 8, 3), 255, np.uint8), np.full((8, 8, 3), 100, np.uint8)
    speck = white.copy()
    speck[3, 3] = 254
    assert match(a=white, b=grey, c=speck, d=white) == [(("a", "d"), True)]


def test_of_identical_images_the_first_stands_for_all() -> None:
    image = paint(0)
    found = match(a=image, b=image, c=as_jpeg(image), d=image)
    assert found == [(("a", "b", "d"), True), (("a", "c"), False)]


def test_the_same_bytes_in_another_shape_are_another_image() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    assert match(wide=image, high=image.reshape(8, 4, 3)) == []


def test_comparing_coarsely_first_loses_no_pair() -> None:
    """All pairs, compared directly; enough of them to fill several blocks, at every similarity."""
    random = np.random.default_rng(0)
    images = []
    for seed in range(80):
        image = paint(seed, 16).astype(float)
        images += [image + random.normal(0, noise, image.shape) for noise in (0, 5, 15, 25, 40)]
    small = [np.clip(image, 0, 255).astype(np.uint8) for image in images]
    prints = {str(index): take_fingerprint(image) for index, image in enumerate(small)}
    found = {each.keys: each.similarity for each in match_fingerprints(prints)}
    values = np.stack(small).astype(np.float64)
    values -= values.mean((1, 2), keepdims=True)
    flat = values.reshape(len(values), -1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    similarity = flat @ flat.T
    near = {
        (str(a), str(b)): similarity[a, b] for a, b in zip(*np.nonzero(np.triu(similarity, 1) >= NEAR), strict=True)
    }
    assert len(near) > 100
    assert found == pytest.approx(near, abs=1e-5)
    assert len(small) > duplicates.BLOCK


def test_a_set_of_nothing_but_copies_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 50)
    monkeypatch.setattr(duplicates, "BLOCK", 16)
    image = paint(0)
    frames = {}
    for number in range(40):
        frame = image.copy()
        frame[0, 0] = number
        frames[f"frame{number}"] = frame
    assert 50 <= len(match(**frames)) < 100


def test_files_are_read_and_broken_ones_passed_over(tmp_path: Path) -> None:
    for name, image in (("a.png", paint(0)), ("b.bmp", paint(0)), ("c.png", as_jpeg(paint(0)))):
        Image.fromarray(image).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    names = ("a.png", "b.bmp", "broken.png", "c.png", "gone.png")
    told: list[int] = []
    found = find_duplicates([Item(name, tmp_path / name) for name in names], told.append)
    assert [(each.keys, each.identical) for each in found] == [(("a.png", "b.bmp"), True), (("a.png", "c.png"), False)]
    assert NEAR <= found[1].similarity < 1
    assert sum(told) == len(names)
    assert find_duplicates([]) == []


def test_among_many_images_near_ones_are_found_by_sketches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blobs of colour and fine textures, a copy of every tenth; what is found is what comparing all pairs finds."""
    random = np.random.default_rng(0)
    images = [paint(seed, 16) for seed in range(300)]
    images += [random.normal(120, 12, (16, 16, 3)).clip(0, 255).astype(np.uint8) for _ in range(300)]
    images += [(image + random.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8) for image in images[::10]]
    prints = {str(index): take_fingerprint(image) for index, image in enumerate(images)}
    exact = match_fingerprints(prints)
    assert "sketches" not in capsys.readouterr().err
    monkeypatch.setattr(duplicates, "EXACT_UP_TO", 100)
    assert match_fingerprints(prints) == exact
    assert len(exact) >= 55
    assert "sketches" in capsys.readouterr().err


def test_fine_textures_are_not_measured_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse thumbnails of forest, water or radar are all close to each other: half of all pairs were measured."""
    random = np.random.default_rng(0)
    images = random.normal(120, 12, (600, 16, 16, 3)).clip(0, 255).astype(np.uint8)
    measured: list[int] = []
    measure = duplicates._measure
    monkeypatch.setattr(duplicates, "_measure", lambda *a: (measured.append(len(a[1])), measure(*a))[1])
    assert match_fingerprints({str(index): take_fingerprint(image) for index, image in enumerate(images)}) == []
    assert sum(measured) < 600


def test_the_end_of_a_search_with_too_many_pairs_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 3)
    frames = {str(number): np.roll(paint(0), number % 2, 0) // (1 + number / 100) for number in range(6)}
    match(**{name: frame.astype(np.uint8) for name, frame in frames.items()})
    assert "ended at" in capsys.readouterr().err
