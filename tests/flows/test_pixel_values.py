"""Images that are not 8-bit RGB, from inspect to predict: one scale for a data set, kept in its run."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight import inspect, predict, train
from finesight.errors import DataError
from finesight.run.folder import RunFolder
from tiffs import write_tiff
from tiny import COLOURS, TINY

Change = Callable[[np.ndarray], np.ndarray]


def draw(number: int, seed: int) -> np.ndarray:
    """uint8 (24, 24, 3): a square of the class's colour on noise."""
    random = np.random.default_rng((number, seed))
    image = random.integers(0, 90, (24, 24, 3), dtype=np.uint8)
    top, left = random.integers(0, 12, 2)
    image[top : top + 12, left : left + 12] = list(COLOURS.values())[number]
    return image


def write_set(folder: Path, change: Change, count: int = 6, first: int = 0, **options: object) -> Path:
    for number, name in enumerate(COLOURS):
        for seed in range(first, first + count):
            write_tiff(folder / f"{name}_{seed}.tif", change(draw(number, seed)), **options)  # type: ignore[arg-type]
    return folder


def labels(file: Path) -> dict[str, str]:
    with file.open(encoding="utf-8", newline="") as opened:
        return {row["filename"]: row["label"] for row in csv.DictReader(opened)}


def said(text: str) -> str:
    return " ".join(text.split())


def test_twelve_bits_from_inspect_to_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As rasterio writes them: three bands of uint16, photometric interpretation minisblack."""
    data = write_set(tmp_path / "data", lambda a: a.astype(np.uint16) * 16, extra=[0, 0])
    found = inspect(data)
    assert found.modes == {"uint16": 18}
    (values,) = found.values
    assert (values["type_name"], values["low"], values["high"]) == ("uint16", 0, 4095)
    assert values["levels"] > 80
    assert not [problem for problem in found.problems if problem.code.startswith("D12")]

    run = RunFolder(train(data=data, out=tmp_path / "run", settings=TINY).run)
    assert "uint16, 0 to 3520; 0 to 4095 becomes 0-255" in said(capsys.readouterr().err)
    assert run.read_json("model.json")["preprocessing"]["scale"] == {"uint16": [0, 4095]}

    eight = tmp_path / "eight"
    write_set(eight, lambda a: np.rint(a * (16 * 255 / 4095)).astype(np.uint8), photometric=2)
    predict(run.path, data, out=tmp_path / "all.csv")
    predict(run.path, eight, out=tmp_path / "eight.csv")
    assert labels(tmp_path / "all.csv") == labels(tmp_path / "eight.csv")
    assert "18 of 18 images are uint8, where the training images are uint16" in said(capsys.readouterr().err)
    alone = tmp_path / "alone"  # one file alone is scaled as all of them
    write_tiff(alone / "red_0.tif", draw(0, 0).astype(np.uint16) * 16)
    predict(run.path, alone, out=tmp_path / "one.csv")
    with (tmp_path / "one.csv").open() as one, (tmp_path / "all.csv").open() as every:
        row = next(csv.DictReader(one))
        assert row in list(csv.DictReader(every))

    capsys.readouterr()
    write_set(tmp_path / "bright", lambda a: a.astype(np.uint16) * 257, count=1)
    predict(run.path, tmp_path / "bright", out=tmp_path / "bright.csv")
    assert "3 of 3 images looked at have more than 10% of their values outside" in said(capsys.readouterr().err)
    write_set(tmp_path / "floats", lambda a: a.astype(np.float32), count=1)
    with pytest.raises(DataError, match="holds float32, for which no range is known"):
        predict(run.path, tmp_path / "floats", out=tmp_path / "floats.csv")

    card = json.loads((run.path / "model.json").read_text())
    del card["preprocessing"]["scale"]  # as an older run has it
    (run.path / "model.json").write_text(json.dumps(card))
    predict(run.path, data, out=tmp_path / "older.csv")
    assert "each is scaled by its own values. Train again for one scale." in said(capsys.readouterr().err)


def test_a_run_of_uint8_refuses_what_it_has_no_range_for(trained: Path, tmp_path: Path) -> None:
    scale = RunFolder(trained).read_json("model.json")["preprocessing"]["scale"]
    assert scale == {}
    write_tiff(tmp_path / "in" / "a.tif", draw(0, 0).astype(np.uint16) * 16)
    with pytest.raises(DataError, match="holds uint16, for which no range is known: the training images are uint8"):
        predict(trained, tmp_path / "in", out=tmp_path / "a.csv")


def test_near_infrared_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    infrared = np.random.default_rng(1).integers(20, 200, (24, 24, 1), dtype=np.uint8)
    data = write_set(tmp_path / "data", lambda a: np.dstack([a, infrared]), photometric=2, extra=[2])
    problems = {problem.code: problem for problem in inspect(data).problems}
    assert problems["D124"].message.startswith("18 of 18 images hold a band tagged as alpha")
    train(data=data, out=tmp_path / "run", settings=TINY | {"epochs": 1})
    assert "train: 15 of 15 images looked at hold a band tagged as alpha" in said(capsys.readouterr().err)


def test_many_bands_are_refused_before_training(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", lambda a: np.dstack([a, a, a, a, a[..., :1]]).astype(np.uint16), count=4)
    problems = {problem.code: problem for problem in inspect(data).problems}
    assert "has 13 bands of uint16" in problems["D101"].examples[0].text
    with pytest.raises(DataError, match=r"has 13 bands of uint16, where one or three are read; choose three"):
        train(data=data, out=tmp_path / "run", settings=TINY)
    assert not (tmp_path / "run").exists()


def test_reflectances_have_one_scale(tmp_path: Path) -> None:
    """Segmentation on reflectances: one image has a bright cloud pixel, one a value for "not measured"."""
    for number in range(8):
        mask = np.zeros((32, 32), np.uint8)
        mask[:, 16:] = 1
        noise = np.random.default_rng(number).normal(0, 0.01, mask.shape)
        values = (np.where(mask, 0.2, 0.05) + noise).astype(np.float32)
        values[0, 0] = {1: 1.2, 2: 3.4e38}.get(number, values[0, 0])
        write_tiff(tmp_path / "data" / "images" / f"{number}.tif", values)
        (tmp_path / "data" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{number}.png")
    (values,) = inspect(tmp_path / "data").values
    assert 0.2 < values["high"] < 0.26
    settings = {
        "image.size": [32, 32],
        "epochs": 2,
        "batch_size": 2,
        "model.weights": "none",
        "model.name": "fcn/timm/test_resnet",
    }
    run = train(data=tmp_path / "data", out=tmp_path / "run", settings=settings).run
    predict(run, tmp_path / "data" / "images", out=tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.png"))) == 8
