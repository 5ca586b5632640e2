"""Images and masks on disk to a trained, evaluated, predicting run: the command line as a person uses it."""

import csv
import json
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from commands import finesight, train
from PIL import Image
from safetensors.torch import load_file

from finesight.backend.interrupt import StopRequest
from finesight.training.trainer import Trainer

COLOURS = np.array([(0, 255, 255), (255, 255, 0), (0, 0, 0)], np.uint8)  # deepglobe's urban, agriculture, unknown
NETWORK = {"model__name": "fcn/timm/test_resnet", "data__classes": "deepglobe", "film__count": 2}


def draw_pairs(folder: Path, count: int, size: tuple[int, int] = (40, 48), first: int = 0) -> Path:
    """NNNN_sat.jpg and NNNN_mask.png: a bright box of one class on the dark other one, a corner unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        mask = np.zeros(size, np.uint8)
        top, left = random.integers(0, 16, 2)
        mask[top : top + 22, left : left + 22] = 1
        image = random.integers(0, 60, (*size, 3)) + np.where(mask == 1, 180, 0)[..., None]
        mask[:2, :2] = 2
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number:04}_sat.jpg", quality=95)
        Image.fromarray(COLOURS[mask]).save(folder / f"{number:04}_mask.png")
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pairs")
    draw_pairs(root / "train", 12)
    draw_pairs(root / "validation", 4, first=100)
    return root


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; read it, never write to it."""
    out = tmp_path_factory.mktemp("runs") / "land"
    answer = train(pairs, out, epochs=6, batch_size=4, optim__lr=0.02, augment__quarter_turns=True, **NETWORK)
    assert answer.code == 0, answer.err
    return out


def metrics(run: Path) -> dict[str, float]:
    values = json.loads((run / "evaluation/val/metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert isinstance(values, dict)
    return values


def test_a_run_learns_and_says_what_it_did(run: Path) -> None:
    ceilings = json.loads((run / "stride_ceiling.json").read_text(encoding="utf-8"))["miou"]
    assert list(ceilings) == ["32", "16", "8", "4"]
    assert 0 < ceilings["32"] < ceilings["4"] < 1
    assert metrics(run)["miou"] > 0.6
    assert metrics(run)["miou_unmasked"] < metrics(run)["miou"]
    model = json.loads((run / "model.json").read_text())
    assert model["task"] == "segmentation"
    assert model["preprocessing"]["fit"] == "native"
    assert model["preprocessing"]["stored"] == [40, 48]
    assert load_file(run / "evaluation/val/counts.safetensors")["counts"].shape == (4, 8, 7)
    film = json.loads((run / "film/index.json").read_text())
    assert film["epochs"] == [1, 2, 3, 4, 5, 6]
    for epoch in (*film["epochs"], film["truth"]):
        for image in film["images"]:
            assert (run / "film" / str(epoch) / image["frame"]).is_file()
    with (run / "evaluation/val/images.csv").open(encoding="utf-8") as file:
        assert [row["key"] for row in csv.DictReader(file)] == [f"validation/{n:04}_sat.jpg" for n in range(100, 104)]


def test_the_same_seed_is_the_same_run(run: Path, pairs: Path, tmp_path: Path) -> None:
    train(pairs, tmp_path / "b", epochs=6, batch_size=4, optim__lr=0.02, augment__quarter_turns=True, **NETWORK)
    assert (tmp_path / "b/journal.jsonl").read_text() == (run / "journal.jsonl").read_text()


def test_a_resumed_run_is_the_run_that_was_never_stopped(pairs: Path, tmp_path: Path) -> None:
    """New layers learn faster than pretrained ones; which they are is known only to the run that was started."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "start.safetensors")
    settings = NETWORK | {"optim__backbone_scale": 0.1, "model__weights": str(tmp_path / "start.safetensors")}
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train(pairs, whole, epochs=2, batch_size=4, **settings).code == 0
    finish, epochs = Trainer._finish_epoch, iter([1])

    def stop_in_the_second(trainer: Trainer, stop: StopRequest) -> int:
        if next(epochs, None) is None:
            raise KeyboardInterrupt
        return finish(trainer, stop)

    with patch.object(Trainer, "_finish_epoch", stop_in_the_second):
        assert train(pairs, stopped, epochs=2, batch_size=4, **settings).code == 130
    assert finesight("train", "--resume", "--out", stopped).code == 0
    assert (stopped / "journal.jsonl").read_text() == (whole / "journal.jsonl").read_text()


def test_predictions_are_validations_answers_under_the_masks_names(run: Path, pairs: Path, tmp_path: Path) -> None:
    answer = finesight("predict", run, pairs / "validation", "--out", tmp_path / "out", "--json")
    assert answer.json()["num_samples"] == 4
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == [f"{n:04}_mask.png" for n in range(100, 104)]
    for name in names:
        saved = run / "evaluation/val/masks/validation" / name.replace("_mask", "_sat")
        with Image.open(tmp_path / "out" / name) as mask, Image.open(saved) as expected:
            assert mask.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(mask), np.asarray(expected.convert("RGB")))
    scored = finesight(
        "evaluate", "--truth", pairs / "validation", "--pred", tmp_path / "out", "--classes", "deepglobe", "--json"
    )
    for name in ("miou", "miou_unmasked", "pixel_accuracy"):
        assert scored.json()["metrics"][name] == metrics(run)[name]


def test_other_ways_to_predict(run: Path, tmp_path: Path) -> None:
    folder = draw_pairs(tmp_path / "large", 1, size=(90, 70))
    (folder / "0000_mask.png").unlink()
    (folder / "0000_sat.jpg").rename(folder / "狐 <b>.jpg")
    (folder / "broken.png").touch()
    (folder / "狐 <b>.CR2").touch()  # of the same name as one that is read
    out, over = tmp_path / "out", tmp_path / "over"
    answer = finesight("predict", run, folder, "--out", out, "--index", "--tta", "--overlay", over)
    assert answer.code == 1
    assert "Not read: 'broken.png' is empty" in answer.err
    assert "Not read: '狐 <b>.CR2' is empty" in answer.err
    with Image.open(out / "狐 <b>.png") as mask:
        assert (mask.mode, mask.size) == ("L", (70, 90))
        assert mask.getextrema()[1] < 7
    assert [path.name for path in over.iterdir()] == ["狐 <b>.jpg"]
    refused = finesight("predict", run, folder, "--out", out, "--header", "a,b").error()
    assert "'header' has no meaning for a run of segmentation" in refused
    shutil.copy(folder / "狐 <b>.jpg", folder / "狐 <b>.png")
    assert "2 images would have the mask" in finesight("predict", run, folder, "--out", out).error()


def test_evaluating_again_and_on_other_pairs(run: Path, pairs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    assert finesight("evaluate", copy, "--json").json()["metrics"] == metrics(run)
    answer = finesight("evaluate", copy, "--data", pairs / "train", "--json").json()
    assert (answer["split"], answer["num_samples"]) == ("test", 12)


def test_the_mean_of_views_is_kept_apart_and_predict_agrees(run: Path, pairs: Path, tmp_path: Path) -> None:
    copy, out = shutil.copytree(run, tmp_path / "copy"), tmp_path / "masks"
    answer = finesight("evaluate", copy, "--tta", "--json").json()
    assert answer["split"] == "val_tta"
    assert answer["metrics"] != metrics(run)
    assert json.loads((copy / "evaluation/val/metrics.json").read_text())["metrics"] == metrics(run)
    assert finesight("predict", copy, pairs / "validation", "--out", out, "--tta").code == 0
    masks = ("--truth", pairs / "validation", "--pred", out, "--classes", "deepglobe", "--json")
    assert finesight("evaluate", *masks).json()["metrics"]["miou"] == answer["metrics"]["miou"]


def test_images_of_many_sizes(tmp_path: Path) -> None:
    for number, size in enumerate([(40, 48), (30, 34), (44, 40), (200, 40), (36, 36), (40, 40)]):
        draw_pairs(tmp_path / "data", 1, size, first=number)
    for fit in ("native", "stretch"):
        answer = train(tmp_path / "data", tmp_path / fit, batch_size=2, image__fit=fit, loss__name="dice", **NETWORK)
        assert answer.code == 0, answer.err
    stored = json.loads((tmp_path / "native/model.json").read_text())["preprocessing"]["stored"]
    assert stored == [80, 48]  # the tall one is cut to twice the median


def test_what_is_wrong_is_said_before_the_first_epoch(pairs: Path, tmp_path: Path) -> None:
    data = shutil.copytree(pairs, tmp_path / "data")
    out = tmp_path / "run"
    assert (
        "image.fit = 'crop' is not available for segmentation" in train(data, out, image__fit="crop", **NETWORK).error()
    )
    assert "set both to 0 for masks" in train(data, out, augment__mixup=0.2, **NETWORK).error()
    (data / "train/0003_mask.png").unlink()
    Image.new("RGB", (5, 5)).save(data / "train/0004_mask.png")
    answer = train(data, out, **NETWORK)
    assert answer.error().startswith("Error: 2 of 16 pairs cannot be used (1 image has no mask: ")
    assert "'train/0003_sat.jpg' has no mask '0003_mask.png'" in answer.err
    assert "'train/0004_sat.jpg' is 40x48 but its mask '0004_mask.png' 5x5" in answer.err
    assert not out.exists()


def test_borders_are_followed_on_request(run: Path, pairs: Path) -> None:
    found = metrics(run)
    assert 0 < found["boundary_iou"] < 1
    masks = str(pairs / "validation"), str(run / "evaluation/val/masks/validation")
    score = finesight(
        "evaluate", "--truth", masks[0], "--pred", masks[1], "--classes", "deepglobe", "--boundary", "--json"
    )
    assert score.code == 0, score.err
    assert json.loads(score.out)["metrics"]["boundary_iou/urban"] == pytest.approx(found["boundary_iou/urban"])


def test_a_run_starts_from_another(run: Path, pairs: Path, tmp_path: Path) -> None:
    went_on = train(pairs, tmp_path / "b", epochs=1, batch_size=4, optim__lr=1e-9, model__weights=str(run), **NETWORK)
    assert went_on.code == 0, went_on.err
    assert metrics(tmp_path / "b")["miou"] == pytest.approx(metrics(run)["miou"], abs=0.1)
    origin = json.loads((tmp_path / "b/model.json").read_text(encoding="utf-8"))["weights"]
    assert origin["source"] == f"run {run}"
    other = train(pairs, tmp_path / "c", model__weights=str(run), **NETWORK | {"model__name": "fcn/timm/test_vit"})
    assert other.code == 2
    assert not (tmp_path / "c").exists()


def test_masks_that_do_not_pair(pairs: Path, tmp_path: Path) -> None:
    shutil.copytree(pairs / "validation", tmp_path / "pred")
    (tmp_path / "pred/0100_mask.png").unlink()
    answer = finesight("evaluate", "--truth", pairs / "validation", "--pred", tmp_path / "pred")
    assert "1 masks have no partner" in answer.error()
    assert "'0100_mask.png' (truth) is not predicted" in answer.err
    assert "--truth and --pred together" in finesight("evaluate", "--truth", pairs).error()
    assert "Give a run folder" in finesight("evaluate").error()
