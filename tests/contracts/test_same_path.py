"""What `predict` says of an image is what the evaluation scored for it, bit for bit; masks keep their image's size."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from finesight import embed, evaluate, predict, train
from finesight.app.findings import findings
from finesight.app.labels import labels
from finesight.app.report import report
from tiny import TINY, write_images

LOOK = np.array([(60, 90, 40), (150, 140, 130), (30, 60, 150)])
SMALL = TINY | {"epochs": 1, "snapshots.count": 2, "loss.name": "dice", "batch_size": 4, "optim.lr": 0.02}
SEGMENTER = SMALL | {"model.name": "fcn/timm/test_resnet"}
MIXED = [(65, 33), (64, 64), (31, 97), (50, 50), (7, 9), (64, 65), (33, 65), (64, 64), (51, 37), (96, 20), (64, 64)]
SIZES = {
    "native": [(48, 40)] * 8,
    "mixed": MIXED,
    "outliers": [
        (40, 40),
        (33, 47),
        (40, 40),
        (40, 40),
        (40, 40),
        (40, 40),
        (130, 40),
        (150, 101),
        (40, 170),
        (40, 40),
    ],
}

STORE = {"outliers": {"data.image_cache": "off"}}  # decoded at each reading


def draw(folder: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    """Pairs in train/ and val/, the last four for validation. No pixel's truth is unknown."""
    for number, (height, width) in enumerate(sizes):
        random = np.random.default_rng(number)
        mask = np.zeros((height, width), np.uint8)
        for index in (1, 2):
            top, left = random.integers(0, height), random.integers(0, width)
            mask[top : top + height // 2, left : left + width // 2] = index
        mask[0, :3] = 0, 1, 2
        image = np.clip(LOOK[mask] + random.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
        part = folder / ("train" if number < len(sizes) - 4 else "val")
        for kind, pixels in (("images", image), ("masks", mask)):
            (part / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(part / kind / f"{number:02}.png")
    return folder


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).copy()


def rows(path: Path) -> list[list[str]]:
    """Of a CSV file, without its header."""
    return [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()][1:]


def read_metrics(run: Path, split: str = "val") -> dict[str, float]:
    values: dict[str, float] = json.loads((run / "evaluation" / split / "metrics.json").read_text())["metrics"]
    return values


def compare_masks(run: Path, images: Path, split: str, out: Path, **options: Any) -> None:
    predict(run, images, out=out, index=True, **options)
    kept = sorted((run / "evaluation" / split / "masks").rglob("*.png"))
    assert [path.name for path in kept] == sorted(path.name for path in images.iterdir())
    for path in kept:
        assert read(path).shape == read(images / path.name).shape[:2]
        np.testing.assert_array_equal(read(path), read(out / path.name), err_msg=path.name)


@pytest.mark.parametrize(
    ("sizes", "fit", "size"),
    [
        ("native", "native", (32, 32)),
        ("mixed", "native", (64, 64)),
        ("outliers", "native", (32, 32)),
        ("native", "stretch", (44, 36)),  # the store keeps the images' own size
        ("native", "stretch", (32, 24)),  # the store shrinks them, the network's input once more
        ("mixed", "stretch", (32, 48)),
        ("outliers", "stretch", (24, 24)),
    ],
)
def test_masks(sizes: str, fit: str, size: tuple[int, int], tmp_path: Path) -> None:
    data = draw(tmp_path / "data", SIZES[sizes])
    run = tmp_path / "run"
    train(data=data, out=run, settings=SEGMENTER | {"image.fit": fit, "image.size": list(size)} | STORE.get(sizes, {}))
    metrics = read_metrics(run)
    assert metrics["miou"] == metrics["miou_unmasked"]  # nothing is unknown, so nothing else may be counted
    counted = load_file(run / "evaluation/val/counts.safetensors")["counts"].sum((1, 2)).tolist()
    assert counted == [height * width for height, width in SIZES[sizes][-4:]]
    compare_masks(run, data / "val/images", "val", tmp_path / "masks")
    assert evaluate(run).metrics == metrics
    scored = evaluate(run, data=data / "train", split="seen")
    compare_masks(run, data / "train/images", "seen", tmp_path / "seen")
    evaluate(run, data=data / "train", split="seen", tta=True)
    compare_masks(run, data / "train/images", "seen_tta", tmp_path / "seen_tta", tta=True)
    assert scored.metrics == read_metrics(run, "seen")


PAIRS = {  # (image, mask, images to predict)
    "suffixes": ("{}_sat.png", "{}_mask.png", ""),
    "prefixes": ("image_{}.png", "mask_{}.png", ""),
    "folders of the splits": ("{split}/images/{}.png", "{split}/masks/{}.png", ""),
    "folders above the splits": ("img_dir/{split}/{}.png", "ann_dir/{split}/{}.png", "img_dir"),
    "lists": ("JPEGImages/{}.png", "SegmentationClass/{}.png", "JPEGImages"),
    "table": ("x/{}.png", "y/{}.png", "x"),
    "patterns": ("x/{}_a.png", "y/{}_b.png", "x"),
}


@pytest.mark.parametrize("layout", PAIRS)
def test_masks_of_every_layout(layout: str, tmp_path: Path) -> None:
    image, mask, part = PAIRS[layout]
    drawn, data, run, out = (tmp_path / name for name in ("drawn", "data", "run", "out"))
    draw(drawn, MIXED)
    listed: dict[str, list[str]] = {"train": [], "val": []}
    for split, names in listed.items():
        for path in sorted((drawn / split / "images").iterdir()):
            for pattern, source in ((image, path), (mask, drawn / split / "masks" / path.name)):
                place = data / pattern.format(path.stem, split=split)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)
            names.append(path.stem)
    if layout == "lists":
        for split, names in listed.items():
            (data / f"{split}.txt").write_text("\n".join(names))
    if layout == "table":
        lines = [f"{image.format(n)},{mask.format(n)},{split}" for split, names in listed.items() for n in names]
        (data / "pairs.csv").write_text("\n".join(["image,mask,split", *lines]))
    patterns = {"data.images": "x/*", "data.masks": "y/*"} if layout == "patterns" else {}
    source = data / "pairs.csv" if layout == "table" else data
    train(data=source, out=run, settings=SEGMENTER | {"image.size": [64, 64]} | patterns)
    predict(run, data / part, out=out, index=True)
    kept = sorted((run / "evaluation/val/masks").rglob("*.png"))
    assert kept
    found = {re.findall("[0-9]+", path.stem)[0]: path for path in out.rglob("*.png")}
    for path in kept:
        np.testing.assert_array_equal(read(path), read(found[re.findall("[0-9]+", path.stem)[0]]))


def test_masks_of_the_journal_the_film_and_a_network_of_many_layers(tmp_path: Path) -> None:
    """What an epoch's validation counts is what the kept masks count; and the light segmenter's shapes divide by 32."""
    data, run = draw(tmp_path / "data", SIZES["mixed"]), tmp_path / "run"
    train(data=data, out=run, settings=SEGMENTER | {"model.name": "fcn/efficientnet_lite0", "image.size": [64, 64]})
    compare_masks(run, data / "val/images", "val", tmp_path / "masks")
    journal = json.loads((run / "journal.jsonl").read_text())
    for name, value in read_metrics(run).items():
        assert journal.get(f"val/{name}", value) == value
    for image in json.loads((run / "film/index.json").read_text())["images"]:
        frame, kept = read(run / "film/1" / image["frame"]), f"evaluation/val/masks/{image['key']}"
        np.testing.assert_array_equal(frame, read(run / kept))
        np.testing.assert_array_equal(
            read(run / "film/truth" / image["frame"]), read(data / "val/masks" / Path(kept).name)
        )


def test_everything_that_reads_masks_takes_their_own_sizes(tmp_path: Path) -> None:
    data, run = draw(tmp_path / "data", SIZES["outliers"] + SIZES["mixed"]), tmp_path / "run"
    train(data=data, out=run, settings=SEGMENTER)
    keys = [row[0] for row in rows(run / "evaluation/val/images.csv")]
    assert keys == sorted(keys)
    before = read_metrics(run), read(run / "evaluation/val/masks" / keys[0])
    for split in ("val", "train"):
        embed(run, split=split)
        embedded = [row[0] for row in rows(run / f"embedding/{split}/samples.csv")]
        assert embedded == [key for part, key, _ in rows(run / "splits.csv") if part == split]
        assert len(load_file(run / f"embedding/{split}/features.safetensors")["features"]) == len(embedded)
    assert read_metrics(run) == before[0]
    np.testing.assert_array_equal(read(run / "evaluation/val/masks" / keys[0]), before[1])
    labels(run)
    findings(run)
    report(run)
    assert (run / "report.html").exists()


@pytest.mark.parametrize(
    ("fit", "size", "model"),
    [
        ("crop", (32, 32), "timm/test_resnet"),
        ("crop", (24, 40), "timm/test_resnet"),
        ("stretch", (32, 20), "timm/test_resnet"),
        ("crop", (32, 32), "squeezenet1_1"),
    ],
)
@pytest.mark.parametrize("mixed", [False, True])
def test_labels_and_probabilities(fit: str, size: tuple[int, int], model: str, mixed: bool, tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val")):
        for shape in (36, 21, 70) if mixed else (36,):
            images = write_images(tmp_path / f"{part}{shape}", per_class=3, first=number * 10 + shape * 100, size=shape)
            for path in images.iterdir():
                folder = tmp_path / "data" / part / path.name.partition("_")[0]
                folder.mkdir(parents=True, exist_ok=True)
                image = Image.open(path)
                image.crop((0, 0, image.width, image.height - (number + shape) % 5)).save(folder / path.name)
    run, out = tmp_path / "run", tmp_path / "predictions.csv"
    settings = SMALL | {"loss.name": "cross_entropy", "image.fit": fit, "image.size": list(size), "model.name": model}
    train(data=tmp_path / "data", out=run, settings=settings)
    for tta in (False, True):
        evaluate(run, tta=tta)
        predict(run, tmp_path / "data/val", out=out, ids=True, tta=tta)
        kept = rows(run / "evaluation" / ("val_tta" if tta else "val") / "predictions.csv")
        scored = {key.removeprefix("val/"): (label, probability) for key, _, label, probability in kept}
        assert scored == {key: (label, probability) for key, label, probability in rows(out)}
        shutil.rmtree(tmp_path / ".predictions.csv.rows", ignore_errors=True)


def test_labels_of_large_jpegs(tmp_path: Path) -> None:
    """Which are decoded in part; the run says so, and one from before that reads all of them."""
    for part in ("train", "val"):
        for path in write_images(tmp_path / part, per_class=3, size=160).iterdir():
            folder = tmp_path / "data" / part / path.name.partition("_")[0]
            folder.mkdir(parents=True, exist_ok=True)
            Image.open(path).save(folder / f"{path.stem}.jpg", quality=60)
    run, out = tmp_path / "run", tmp_path / "predictions.csv"
    train(data=tmp_path / "data", out=run, settings=SMALL | {"loss.name": "cross_entropy", "image.size": [32, 32]})
    card = json.loads((run / "model.json").read_text())
    assert (card["preprocessing"]["stored"], card["preprocessing"]["stored_to_train"]) == ([32, 32], [37, 37])
    assert card["preprocessing"].pop("least_px") == 74
    older = {**card, "preprocessing": {**card["preprocessing"], "stored": card["preprocessing"]["stored_to_train"]}}
    found = []
    for text in ((run / "model.json").read_text(), json.dumps(card), json.dumps(older)):
        (run / "model.json").write_text(text)
        evaluate(run)
        predict(run, tmp_path / "data/val", out=out, ids=True)
        shutil.rmtree(tmp_path / ".predictions.csv.rows", ignore_errors=True)
        kept = {key: probability for key, _, _, probability in rows(run / "evaluation" / "val" / "predictions.csv")}
        assert kept == {f"val/{key}": probability for key, _, probability in rows(out)}
        found.append(kept)
    assert found[0] != found[1] != found[2]
