"""Maps: drawn, drawn in the reference's way, and used to place other images."""

import csv
import json
import shutil

import numpy as np
import pytest
from commands import finesight, train
from safetensors.numpy import load_file
from test_segmentation import NETWORK, draw_pairs

from finesight import embed
from finesight.analysis.features import load_features
from finesight.errors import FinesightError
from tiny import write_images


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def points(run, split):
    return load_file(run / f"embedding/{split}/map.safetensors")["points"]


def test_new_images_are_placed_on_a_map_that_does_not_move(run, tmp_path):
    embed(run, split="train")
    before = points(run, "train")
    new = write_images(tmp_path / "new", per_class=3, first=100)
    result = embed(run, data=new, split="new", onto="train")
    assert np.array_equal(points(run, "train"), before)
    assert points(run, "new").shape == (9, 2)
    assert result.map["placed_on"] == "train"


def test_images_of_the_map_land_near_themselves(run, images):
    embed(run, split="train", method="pca")
    embed(run, data=images, split="same", onto="train")
    with (run / "embedding/train/samples.csv").open(newline="") as file:
        places = {row["key"]: place for row, place in zip(csv.DictReader(file), points(run, "train"), strict=True)}
    with (run / "embedding/same/samples.csv").open(newline="") as file:
        again = {row["key"]: place for row, place in zip(csv.DictReader(file), points(run, "same"), strict=True)}
    for key, place in places.items():
        assert again[key] == pytest.approx(place, abs=1e-2)


def test_the_references_map(run):
    result = embed(run, split="train", package="sklearn")
    settings = json.loads((run / "embedding/train/map.json").read_text())["settings"]
    assert settings["initialisation"] == "random"
    assert settings["seed"] == 1
    assert 1 < settings["perplexity"] < 40, "40 was asked for, and 33 images do not allow it"
    assert "40" in settings["note"]
    assert result.num_samples == len(points(run, "train")) == 33


def test_a_map_that_is_not_there_is_an_error(run):
    with pytest.raises(FinesightError, match="map"):
        embed(run, split="val", onto="train")
    with pytest.raises(FinesightError, match="another split"):
        embed(run, split="val", onto="val")


def test_images_with_masks(tmp_path):
    """By the command line: a map of scenes, regions for close classes, and other pairs placed on the map."""
    draw_pairs(tmp_path / "data/train", 6)
    draw_pairs(tmp_path / "data/validation", 6, first=100)
    run = tmp_path / "run"
    assert train(tmp_path / "data", run, batch_size=4, optim__lr=0.02, **NETWORK).code == 0
    answer = finesight("embed", run, "--stability", "--json").json()
    assert (answer["num_samples"], answer["dimensions"]) == (6, 128)
    assert answer["close_classes"]["unit"] == "region"
    assert answer["close_classes"]["num_images"] == 12
    samples = load_features(run / "embedding/val")
    assert samples.features.shape == (6, 128)
    assert set(samples.targets) == {"urban"}
    regions = load_features(run / "embedding/val/regions")
    assert regions.keys == tuple(key for key in samples.keys for _ in range(2))
    assert regions.targets == ("urban", "agriculture") * 6
    lively = regions.features.std(0) > 1e-3
    assert not np.allclose(regions.features[::2, lively], regions.features[1::2, lively], atol=1e-3)
    draw_pairs(tmp_path / "new", 3, first=200)
    words = finesight("embed", run, "--data", tmp_path / "new", "--split", "new", "--onto", "val")
    assert words.code == 0, words.err
    assert "3 images × 128 features, split new" in words.out
    assert json.loads((run / "embedding/new/map.json").read_text())["settings"]["placed_on"] == "val"
    assert points(run, "new").shape == (3, 2)
