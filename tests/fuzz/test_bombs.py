"""Single inputs made to fill the memory, to run code or to reach out of a folder, and what is said of them."""

import io
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fuzzing import WATCH
from PIL import Image
from safetensors.torch import save_file
from synthetic_masks import write_mask_run

from finesight.analysis.evidence import read_evidence
from finesight.data.images.image import UnreadableImage, read_image
from finesight.data.masks.looks import UnreadableMask, read_mask
from finesight.errors import FinesightError, RunError, WeightsError
from finesight.inference.restore import restore_model
from finesight.models.checkpoint_files import read_weights
from finesight.models.weights import load_strictly
from finesight.run.folder import MOST_TEXT, RunFolder
from finesight.tasks import find_task
from finesight.tasks.segmentation.mask_images import read_prediction
from reliability import Tally


def zipped(code: bytes = b"", filler: int = 0) -> bytes:
    """torch's archive of one tensor. code: another pickle; filler: bytes of zeros, compressed."""
    plain, content = io.BytesIO(), io.BytesIO()
    torch.save({"weight": torch.ones(4)}, plain)
    with zipfile.ZipFile(plain) as given, zipfile.ZipFile(content, "w") as made:
        for name in given.namelist():
            made.writestr(name, code if code and name.endswith("data.pkl") else given.read(name))
        if filler:
            made.writestr("archive/data/1", bytes(filler), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def overlapping() -> bytes:
    """Every entry of the directory names the same compressed bytes, as the archive of Fifield (2019) does."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", bytes(1 << 20))
        for number in range(1000):
            twin = zipfile.ZipInfo(f"archive/data/{number}")
            first = made.infolist()[0]
            for field in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(twin, field, getattr(first, field))
            made.filelist.append(twin)
    return content.getvalue()


def reduce(module: str, name: str, argument: str) -> bytes:
    return f"c{module}\n{name}\n(S'{argument}'\ntR.".encode()


OWN = b"\x80\x02}q\0X\x05\0\0\0modelh\0s."  # a dict that is its own "model"
PICKLES = {
    "os.system": reduce("os", "system", "touch harm"),
    "builtins.exec": reduce("builtins", "exec", "open('harm', 'w')"),
    "torch.hub": reduce("torch.hub", "load", "evil/evil"),
    "holds itself": OWN,
    "claims 16 GB": b"\x80\x02\x8d" + struct.pack("<Q", 2**34) + b"x.",
    "memo without end": b"\x80\x02}r\xff\xff\xff\x7f.",
}
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip bomb": lambda: zipped(filler=1 << 26),
    "overlapping zip bomb": overlapping,
    "broken directory": lambda: zipped()[:-30] + b"\xff" * 30,
    **{f"{name}, in a zip": lambda code=code: zipped(code) for name, code in PICKLES.items()},  # type: ignore[misc]
    **{f"{name}, alone": lambda code=code: code for name, code in PICKLES.items()},  # type: ignore[misc]
    "pickled by torch 0.1": lambda: pickle.dumps(os.system),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reliability: Tally) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(ARCHIVES[name]())
    with WATCH.over(tmp_path), pytest.raises(WeightsError):
        read_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "harm").exists()
    reliability("input", "hostile weights by hand")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, device="meta"),
        torch.zeros(2).to_sparse(),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(1).expand(2**40),
    ],
    ids=["meta", "sparse", "complex", "a terabyte of one number"],
)
def test_tensors_of_other_kinds(tensor: torch.Tensor, tmp_path: Path, reliability: Tally) -> None:
    torch.save({"weight": tensor}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError):
        load_strictly(torch.nn.Linear(2, 1, bias=False), read_weights(tmp_path / "odd.pth"))
    reliability("input", "hostile weights by hand")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


BIG = 40_000
IMAGES = {
    "a.png": png(BIG, BIG),
    "b.png": png(2**31 - 1, 2**31 - 1),
    "c.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, BIG, BIG, 1, 24, 0, 0, 0, 0, 0, 0),
    "d.gif": b"GIF89a"
    + struct.pack("<HH", BIG, BIG)
    + b"\0\0\0,\0\0\0\0"
    + struct.pack("<HH", BIG, BIG)
    + b"\0\x02\0;",
    "e.ppm": b"P6 99999 99999 255\n",
    "f.webp": b"RIFF\x20\0\0\0WEBPVP8L\x10\0\0\0\x2f" + b"\xff" * 15,
    "g.tif": b"II*\0\x08\0\0\0"
    + struct.pack("<H", 4)
    + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 2**31), (257, 2**31), (258, 8), (273, 8))
    ),
    "h.eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(harm) (w) file\n",
    "i.svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
}


@pytest.mark.parametrize("name", IMAGES)
def test_image_bombs(name: str, tmp_path: Path, reliability: Tally) -> None:
    (tmp_path / name).write_bytes(IMAGES[name])
    with WATCH.over(tmp_path):
        with pytest.raises(UnreadableImage):
            read_image(tmp_path / name)
        with pytest.raises(UnreadableMask):
            read_mask(tmp_path / name)
    reliability("input", "hostile images by hand")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_mask_run(tmp_path / "home", epochs=2, count=4).run


def _secret(run: RunFolder) -> Path:
    path = run.path.parent / "secret.png"
    Image.new("L", (9, 9), 1).save(path)
    return path


def _link(run: RunFolder, name: str) -> None:
    path = run.path / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(_secret(run) if "." in name else _secret(run).parent)


def _grow(run: RunFolder) -> None:
    os.truncate(run.path / "journal.jsonl", MOST_TEXT + 1)  # sparse: it takes no room on disk


HARMS: dict[str, tuple[Callable[[RunFolder], object], str]] = {
    "a file that is a link": (lambda run: _link(run, "architecture.txt"), "leads out"),
    "an image that is a link": (lambda run: _link(run, "embedding/val/map.png"), "leads out"),
    "a folder that is a link": (lambda run: _link(run, "evaluation/val"), "leads out"),
    "a link to nothing": (lambda run: (run.path / "report.html").symlink_to("/nowhere/report.html"), "leads out"),
    "a pipe": (lambda run: os.mkfifo(run.path / "timings.jsonl"), "neither a file nor a folder"),
    "a text without end": (_grow, "larger than"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_folders_from_elsewhere(harm: str, run: RunFolder, reliability: Tally) -> None:
    inflict, words = HARMS[harm]
    inflict(run)
    with pytest.raises(RunError, match=words):
        RunFolder.open(run.path)
    reliability("input", "hostile run folders by hand")


def test_a_run_folder_may_itself_be_a_link_and_link_within(run: RunFolder) -> None:
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "best").symlink_to(run.path / "film")
    (run.path.parent / "latest").symlink_to(run.path)
    assert RunFolder.open(run.path.parent / "latest").read_classes()


@pytest.mark.parametrize("key", ["../../../../secret.png", "{home}/secret.png", "..", "", "/"])
def test_keys_lead_nowhere(key: str, run: RunFolder, reliability: Tally) -> None:
    """An image of this machine must not get into the report of a stranger's run."""
    secret = _secret(run)
    evidence = read_evidence(run, "val", find_task(run))
    try:
        assert read_prediction(evidence, key.format(home=secret.parent)) is None
    except ValueError:  # no name at all
        assert not key.strip("./")
    reliability("input", "hostile run folders by hand")


def test_a_network_of_a_million_classes_is_not_built(run: RunFolder, reliability: Tally) -> None:
    many = [str(number) for number in range(200_000)]
    run.write_json("classes.json", {"ids": many, "names": many, "colours": None, "ignore": None})
    with pytest.raises(RunError, match="100,000"):
        restore_model(run)
    for size in ([10**9, 10**9], [0, 5], "x", None, [32]):
        run.write_json("model.json", run.read_json("model.json") | {"preprocessing": {"size": size}})
        with pytest.raises(RunError, match="preprocessing"):
            restore_model(run)
    reliability("input", "hostile run folders by hand", 6)


def test_a_damaged_weights_file_is_named(run: RunFolder) -> None:
    save_file({"x": torch.zeros(1)}, run.path / "weights.safetensors")
    with pytest.raises(FinesightError):
        read_weights(run.path)
