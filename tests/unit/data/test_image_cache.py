import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.config import Preprocessing
from finesight.data import cache_files, decoders
from finesight.data.cache_files import StoredPixels
from finesight.data.decoders import Images, stored_size
from finesight.data.image_cache import DecodedPixels, Pixels, open_pixels
from finesight.data.image_stream import stream_images
from finesight.data.images.image import BadImage, UnreadableImage, fit_image, read_image
from finesight.data.sample import Item
from finesight.errors import DataError

Draw = Callable[..., Path]
SIZE = (8, 8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pixels"


@pytest.fixture
def items(draw: Draw) -> list[Item]:
    return [Item(f"{i}.png", draw(f"{i}.png", size=(10 + i % 3, 12), seed=i)) for i in range(40)]


def _open(items: list[Item], **options: object) -> Pixels:
    return open_pixels(items, Images(SIZE, "crop", "bilinear", {}), **options)[0]  # type: ignore[arg-type]


def _expected(items: list[Item]) -> np.ndarray:
    return np.stack([fit_image(read_image(item.path), SIZE, "crop", "bilinear") for item in items])


@pytest.mark.parametrize("mode", ["on", "off", "auto"])
def test_pixels_are_the_fitted_images(items: list[Item], mode: str) -> None:
    done: list[int] = []
    pixels, kept, bad = open_pixels(items, Images(SIZE, "crop", "bilinear", {}), mode=mode, progress=done.append)  # type: ignore[arg-type]
    assert isinstance(pixels, DecodedPixels if mode == "off" else StoredPixels)
    assert bool(pixels.note) == (mode == "off")
    assert (kept, bad, len(pixels), sum(done)) == (tuple(items), (), 40, 40)
    for indices in ([3, 1, 39, 3], np.arange(40), []):
        read = pixels.read(indices)  # type: ignore[arg-type]
        np.testing.assert_array_equal(read, _expected(items)[np.asarray(indices, int)])
        assert read.dtype == np.uint8
        assert read.flags.writeable
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pixels)).read([7]), pixels.read([7]))
    with pytest.raises(IndexError):
        pixels.read([40])


def test_built_once(items: list[Item], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _open(items)
    monkeypatch.setattr(cache_files, "_build", None)
    np.testing.assert_array_equal(_open(items).read([0]), first.read([0]))
    assert len(list(folder.iterdir())) == 1


def test_keyed_by_content_order_and_settings(items: list[Item], folder: Path, draw: Draw) -> None:
    _open(items)
    _open(items[::-1])
    _open(items[1:])
    open_pixels(items, Images((8, 9), "crop", "bilinear", {}))
    open_pixels(items, Images(SIZE, "stretch", "bilinear", {}))
    open_pixels(items, Images(SIZE, "crop", "bicubic", {}))
    draw("0.png", size=(10, 12), seed=99)
    changed = _open(items)
    np.testing.assert_array_equal(changed.read([0]), _expected(items[:1]))
    assert len(list(folder.iterdir())) == 7


@pytest.mark.parametrize("mode", ["on", "off"])
def test_bad_images_stop_or_are_skipped(items: list[Item], mode: str) -> None:
    items[4].path.write_bytes(b"")
    items[9].path.unlink()
    options = {"mode": mode}
    for _ in range(2):  # built, then reopened
        with pytest.raises(DataError, match=r"(?s)^2 of 40 .*'4.png' is empty .*'9.png' does not exist"):
            _open(items, **options)
        pixels, kept, bad = open_pixels(items, Images(SIZE, "crop", "bilinear", {}), on_bad="skip", **options)  # type: ignore[arg-type]
        assert bad == (BadImage("4.png", "is empty (0 bytes)"), BadImage("9.png", "does not exist"))
        assert list(kept) == [item for index, item in enumerate(items) if index not in (4, 9)]
        np.testing.assert_array_equal(pixels.read(range(38)), _expected(list(kept)))
    for item in items:
        item.path.write_bytes(b"?")
    with pytest.raises(DataError, match=r"(?s)40 of 40 .*and 20 more$"):
        open_pixels(items, Images(SIZE, "crop", "bilinear", {}), on_bad="skip", mode=mode)  # type: ignore[arg-type]


def test_a_image_that_was_bad_for_a_moment_is_tried_again(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, key: str, *how: object) -> np.ndarray:
        raise UnreadableImage(key, "is damaged (too many open files)")

    with monkeypatch.context() as patch:
        patch.setattr(decoders, "read_fitted", fail)
        with pytest.raises(DataError, match="too many open files"):
            _open(items)
    np.testing.assert_array_equal(_open(items, mode="on").read(range(40)), _expected(items))


def test_a_image_that_goes_bad_later_is_named(items: list[Item]) -> None:
    pixels = _open(items, mode="off")
    items[5].path.write_bytes(b"")
    with pytest.raises(UnreadableImage, match=r"'5\.png' is empty"):
        pixels.read([5])


def test_over_the_limit(items: list[Item], folder: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be cached: .*over the limit"):
        _open(items, limit_gb=1e-6, mode="on")
    pixels = _open(items, limit_gb=1e-6)
    assert isinstance(pixels, DecodedPixels)
    assert "over the limit" in pixels.note
    assert not folder.exists()


def test_the_least_recently_used_go_first(items: list[Item], folder: Path) -> None:
    one = 10 * 8 * 8 * 3 / 1e9
    paths = []
    for start in (0, 10, 20):
        pixels = _open(items[start : start + 10], limit_gb=3.5 * one)
        assert isinstance(pixels, StoredPixels)
        os.utime(pixels.path, (start, start))
        paths.append(pixels.path)
    del pixels
    _open(items[:10], limit_gb=3.5 * one)  # used again
    _open(items[30:], limit_gb=3.5 * one)
    assert [path.exists() for path in paths] == [True, False, True]


def test_a_store_in_use_stays(items: list[Item]) -> None:
    one = 10 * 8 * 8 * 3 / 1e9
    in_use = _open(items[:10], limit_gb=1.5 * one)
    other = _open(items[10:20], limit_gb=1.5 * one)
    assert isinstance(in_use, StoredPixels)
    assert in_use.path.exists()
    assert isinstance(other, DecodedPixels)
    assert "in use" in other.note
    del in_use
    assert isinstance(_open(items[10:20], limit_gb=1.5 * one), StoredPixels)


def test_little_room_on_the_disk(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_files, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DataError, match="GB free"):
        _open(items, mode="on")
    assert "GB free" in _open(items).note


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 4 kB: writing fails as it does on a full disk. pytest's own output must be outside."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_runs_full(items: list[Item], folder: Path) -> None:
    with full_disk():
        with pytest.raises(DataError, match="cannot be cached: File too large"):
            _open(items, mode="on")
        pixels = _open(items)
    np.testing.assert_array_equal(pixels.read([1]), _expected(items[1:2]))
    assert isinstance(pixels, DecodedPixels)
    assert list(folder.iterdir()) == []


def test_a_broken_store_is_built_again(items: list[Item]) -> None:
    pixels = _open(items)
    assert isinstance(pixels, StoredPixels)
    expected = pixels.read([39])
    content = pixels.path.read_bytes()
    for broken in (b"", b"???", content[:100], content[:3000], content[:-1]):
        pixels.path.unlink()
        pixels.path.write_bytes(broken)
        np.testing.assert_array_equal(_open(items).read([39]), expected)


BUILDER = """
import sys, time
from pathlib import Path
from finesight.data import decoders
from finesight.data import image_cache
from finesight.data.formats import list_images
if sys.argv[2] == "hang":
    decode = decoders.Images.decode
    decoders.Images.decode = lambda self, item: time.sleep(60) if item.key == "39.png" else decode(self, item)
decoder = decoders.Images((8, 8), "crop", "bilinear", {})
pixels, _, _ = image_cache.open_pixels(list_images(sys.argv[1]), decoder, mode="on")
print(pixels.read(range(40)).sum())
"""


def _start(root: Path, how: str) -> "subprocess.Popen[bytes]":
    source = str(Path(cache_files.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root), how],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
    )


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_what_a_killed_builder_leaves_is_removed(items: list[Item], folder: Path, tmp_path: Path) -> None:
    builder = _start(tmp_path, "hang")
    deadline = time.monotonic() + 60
    while not list(folder.glob("*.building")) and time.monotonic() < deadline:
        time.sleep(0.02)
    (left,) = folder.glob("*.building")
    _open(items)  # the builder is alive: its file stays
    assert left.exists()
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    assert left.exists()
    _open(items)
    assert not left.exists()
    assert len(list(folder.iterdir())) == 1


def test_two_builders_at_once(items: list[Item], folder: Path, tmp_path: Path) -> None:
    builders = [_start(tmp_path, "build") for _ in range(2)]
    sums = [int(builder.communicate(timeout=60)[0]) for builder in builders]
    assert sums == [_expected(items).sum()] * 2
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("native", "size", "fit", "expected"),
    [
        ((32, 32), (224, 224), "crop", (32, 32)),
        ((32, 32), (32, 32), "crop", (32, 32)),
        ((36, 36), (32, 32), "stretch", (36, 36)),
        ((38, 38), (32, 32), "crop", (37, 37)),
        ((20, 30), (224, 224), "crop", (20, 20)),
        ((20, 30), (224, 224), "stretch", (20, 30)),
        ((500, 30), (64, 64), "crop", (30, 30)),
        ((500, 30), (64, 64), "stretch", (74, 74)),
        ((33, 64), (224, 448), "crop", (32, 64)),
    ],
)
def test_stored_size(
    draw: Draw, native: tuple[int, int], size: tuple[int, int], fit: str, expected: tuple[int, int]
) -> None:
    items = [Item(str(seed), draw(f"{seed}.png", size=native, seed=seed)) for seed in range(3)]
    assert stored_size(items, size, fit) == expected  # type: ignore[arg-type]


def test_stored_size_of_mixed_and_bad_images(draw: Draw, items: list[Item]) -> None:
    assert stored_size(items, (100, 200), "crop") == (115, 230)
    same = [Item("0", draw("bad.png")), Item("1", draw("1.png", size=(9, 9))), Item("2", draw("2.png", size=(9, 9)))]
    same[0].path.write_bytes(b"")
    assert stored_size(same, (32, 32), "crop") == (9, 9)
    assert stored_size(same[:1], (32, 32), "crop") == (37, 37)


@pytest.mark.parametrize("mode", ["on", "off"])
def test_images_in_their_own_sizes(items: list[Item], mode: str) -> None:
    items[4].path.write_bytes(b"")
    with pytest.raises(DataError, match=r"^1 of 40"):
        open_pixels(items, Images(None, "native", "bilinear", {}), mode=mode)  # type: ignore[arg-type]
    for _ in range(2):  # built, then reopened
        pixels, kept, bad = open_pixels(items, Images(None, "native", "bilinear", {}), mode=mode, on_bad="skip")  # type: ignore[arg-type]
        assert ([each.key for each in bad], len(pixels)) == (["4.png"], 39)
        for one in (pixels, pickle.loads(pickle.dumps(pixels))):
            for index, item in enumerate(kept):
                np.testing.assert_array_equal(one.read([index]), read_image(item.path)[None])
        alike = [index for index, item in enumerate(kept) if read_image(item.path).shape[0] == 11]
        read = pixels.read(alike)
        assert read.flags.writeable
        np.testing.assert_array_equal(read, [read_image(kept[index].path) for index in alike])


@pytest.mark.parametrize("mode", ["on", "off"])
def test_none_of_many_sizes_can_be_read(items: list[Item], mode: str) -> None:
    for item in items:
        item.path.write_bytes(b"?")
    with pytest.raises(DataError, match=r"(?s)40 of 40 .*and 20 more$"):
        open_pixels(items, Images(None, "native", "bilinear", {}), on_bad="skip", mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", ["one size", "own sizes"])
def test_an_interrupted_build_goes_on(
    items: list[Item], folder: Path, monkeypatch: pytest.MonkeyPatch, sizes: str
) -> None:
    """A bad and a black image among those that were done are found once more."""
    Image.fromarray(np.zeros((10, 12, 3), np.uint8)).save(items[3].path)
    items[5].path.write_bytes(items[5].path.read_bytes()[:-30])
    decoder = Images(SIZE if sizes == "one size" else None, "crop", "bilinear", {})
    whole, _, _ = open_pixels(items, decoder, on_bad="skip")
    (path,) = folder.iterdir()
    expected = path.read_bytes()
    path.unlink()
    decode, decoded, interrupts = Images.decode, [], [KeyboardInterrupt]

    def interrupted(self: Images, item: Item) -> np.ndarray:
        decoded.append(item.key)
        if item.key == "30.png" and interrupts:
            raise interrupts.pop()
        return decode(self, item)

    monkeypatch.setattr(Images, "decode", interrupted)
    monkeypatch.setattr(cache_files, "map_in_threads", lambda function, values: map(function, values))
    with pytest.raises(KeyboardInterrupt):
        open_pixels(items, decoder, on_bad="skip")
    (unfinished,) = folder.iterdir()
    assert unfinished.suffix == ".building"
    decoded.clear()
    told: list[int] = []
    open_pixels(items, decoder, on_bad="skip", progress=told.append)
    built = decoded[: decoded.index("39.png") + 1]
    assert built == ["3.png", "5.png", *(f"{number}.png" for number in range(30, 40))]
    assert sum(told) == len(items)
    assert [file.read_bytes() for file in folder.iterdir()] == [expected]
    assert len(whole) == 39


def test_large_jpegs_are_decoded_in_part_and_the_same_way_everywhere(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    small.resize((400, 300), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    item, preprocessing = Item("a.jpg", tmp_path / "a.jpg"), Preprocessing((32, 32), stored=(36, 36), least_px=72)
    seen = preprocessing.stored, preprocessing.fit, preprocessing.interpolation, preprocessing.scale
    reduced, full = Images(*seen, preprocessing.least_px).decode(item), Images(*seen).decode(item)  # type: ignore[arg-type]
    assert read_image(item.path, least=72).shape == (75, 100, 3)
    assert 0 < np.abs(reduced.astype(int) - full).mean() < 3
    (batch,) = stream_images([item], preprocessing, 1)
    np.testing.assert_array_equal(batch.pixels[0], reduced)
    for mode in ("on", "off"):
        pixels, _, _ = open_pixels([item], Images(*seen, preprocessing.least_px), mode=mode)  # type: ignore[arg-type]
        np.testing.assert_array_equal(pixels.read([0])[0], reduced)
    assert Images(*seen).settings != Images(*seen, 72).settings  # type: ignore[arg-type]
