import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rendering import render_report
from synthetic_masks import CLASSES, HOSTILE, SIZE, MaskRun, write_mask_run
from test_report_page import Page, read_data, without_scripts

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.classes import IGNORE_INDEX
from finesight.errors import RunError
from finesight.reporting.originals import Looked, Originals
from finesight.run.folder import RunFolder
from finesight.tasks import find_task
from finesight.tasks.segmentation.mask_images import change_uri, error_uri, image_uri, read_prediction, shrink
from finesight.tasks.segmentation.mask_views import find_false_class, list_segments, make_view, rank_images
from finesight.tasks.segmentation.snapshot_strips import MAX_FRAMES, Strip, show_snapshots, thin_out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MaskRun:
    """Read it, never write to it."""
    return write_mask_run(tmp_path_factory.mktemp("masks"))


@pytest.fixture(scope="module")
def evidence(made: MaskRun) -> Evidence:
    return read_evidence(made.run, "val", find_task(made.run))


def render(made: MaskRun, run: RunFolder, out: Path) -> str:
    originals = made.originals
    return render_report(run, out, originals.find_image, read_truth=originals.read_truth).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(made: MaskRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    return render(made, made.run, tmp_path_factory.mktemp("page") / "r.html")


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_page_is_sound_and_offline(page: str) -> None:
    parsed = Page(page)
    assert not parsed.unbalanced
    assert not parsed.open
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in parsed.values("href") if value.startswith("#")} <= set(ids)
    assert all(value.startswith(("#", "data:")) for name in ("src", "href") for value in parsed.values(name))
    assert "://" not in without_scripts(page)


def test_names_stay_text(page: str) -> None:
    assert "<img src=x" not in page
    assert not any("onerror" in attributes for _, attributes in Page(page).elements)
    assert HOSTILE in Page(page).texts["span"]


def test_numbers_are_those_of_the_evaluation(made: MaskRun, page: str) -> None:
    metrics = made.run.read_json("evaluation/val/metrics.json")["metrics"]
    shown = re.findall(r'<data value="([^"]+)" data-metric="([^"]+)">', page)
    assert {name: float(value) for value, name in shown} == {n: v for n, v in metrics.items() if "/" not in n}
    assert f'<h1>Mean IoU <a class="number" href="#term-miou"><data value="{metrics["miou"]}">' in page
    assert f'<a class="number" href="#term-miou_unmasked"><data value="{metrics["miou_unmasked"]}">' in page
    for name in ("iou/meadow", "recall/城市"):
        assert f'<data value="{metrics[name]}">' in page


def test_shares_of_classes_add_up(evidence: Evidence) -> None:
    rows = list_segments(evidence)
    assert [row.name for row in rows] == list(CLASSES.names)
    assert [row.train for row in rows] == [0.5, 0.3, 0.2, 0.0]
    assert sum(row.truth or 0 for row in rows) == pytest.approx(1)
    assert sum(row.prediction or 0 for row in rows) == pytest.approx(1)
    unknown = rows[3]
    assert unknown.truth == pytest.approx(9 / (SIZE[0] * SIZE[1]))
    assert unknown.scores == (None, None)


def test_best_and_worst_images(evidence: Evidence) -> None:
    best, worst = rank_images(evidence)
    assert len(best) == len(worst) == 3
    scores = [image.fraction_right or 0 for image in (*best, *worst[::-1])]
    assert scores == sorted(scores, reverse=True)
    assert not {scene.key for scene in best} & {scene.key for scene in worst}


def test_the_class_most_often_put_where_it_is_not(made: MaskRun, evidence: Evidence) -> None:
    key = next(iter(made.truths))
    prediction, truth = read_prediction(evidence, key), made.truths[key]
    assert prediction is not None
    wrong = [p for p, t in zip(prediction.flat, truth.flat, strict=True) if p != t != IGNORE_INDEX]
    assert find_false_class(evidence, key, made.originals) == max(set(wrong), key=wrong.count)
    assert find_false_class(evidence, key, Originals(made.find_image, lambda *_: prediction)) is None
    assert find_false_class(evidence, key, Originals(made.find_image, lambda *_: None)) is None


def test_a_view_shows_where_the_network_looked(made: MaskRun, evidence: Evidence) -> None:
    key, looked = next(iter(made.truths)), Looked("data:image/webp,", "lake")
    view = make_view(key, [evidence], Originals(made.find_image, made.originals.read_truth, {key: looked}))
    assert view is not None
    assert view.looked == looked


def test_error_map_is_red_exactly_where_the_mask_is_wrong(made: MaskRun, evidence: Evidence) -> None:
    key = next(iter(made.truths))
    prediction, truth = read_prediction(evidence, key), made.truths[key]
    assert prediction is not None
    shown = np.asarray(decode(error_uri(truth, prediction)).convert("RGBA"))
    known = truth != IGNORE_INDEX
    np.testing.assert_array_equal(shown[..., 3] > 0, (truth != prediction) | ~known)
    assert (shown[known & (truth != prediction)][:, 0] > 200).all()
    assert (shown[~known][:, 0] < 200).all()


def test_veil_lies_over_what_stayed() -> None:
    before, after = np.zeros((3, 4), np.uint8), np.eye(3, 4, dtype=np.uint8)
    shown = np.asarray(decode(change_uri(before, after)).convert("RGBA"))
    np.testing.assert_array_equal(shown[..., 3] == 0, after == 1)


def test_film_shows_what_the_run_kept(made: MaskRun, evidence: Evidence, page: str) -> None:
    film = read_data(page)["snapshots"]
    assert film["epochs"] == [1, 2, 3, 4]
    assert len(film["strips"]) == 3
    strip = film["strips"][0]
    kept = Image.open(made.run.path / "film/3/val_0000 'x'_sat.png")
    np.testing.assert_array_equal(np.asarray(decode(strip["masks"][2])), np.asarray(kept))
    changed = np.asarray(decode(strip["changed"][2]).convert("RGBA"))[..., 3] == 0
    before = np.asarray(Image.open(made.run.path / "film/2/val_0000 'x'_sat.png"))
    np.testing.assert_array_equal(changed, before != np.asarray(kept))
    assert strip["changed"][0] == ""
    scores = made.run.read_json("film/scores.json")["miou"]
    assert strip["miou"] == [scores[str(epoch)]["val/0000 'x'_sat.png"] for epoch in (1, 2, 3, 4)]
    assert strip["miou"] == sorted(strip["miou"])  # it learned


def test_film_without_scores_or_images(made: MaskRun, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(made.run.path, tmp_path / "run"))
    (run.path / "film/scores.json").unlink()
    html = render_report(run, tmp_path / "r.html", lambda key: None).read_text(encoding="utf-8")
    assert read_data(html)["snapshots"]["strips"][0]["miou"] == [None] * 4
    assert "True mask: missing" in html  # of the galleries; the film holds its own
    assert not Page(html).unbalanced


def test_no_film_no_evaluation(made: MaskRun, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(made.run.path, tmp_path / "run"))
    for name in ("film", "evaluation"):
        shutil.rmtree(run.path / name)
    html = render(made, run, tmp_path / "r.html")
    assert "There are no mask snapshots" in html
    assert read_data(html)["snapshots"] is None
    assert "Not yet evaluated on the validation split" in html
    assert not Page(html).unbalanced


def test_lost_frame_is_named(made: MaskRun, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(made.run.path, tmp_path / "run"))
    (run.path / "film/2/val_0001 'x'_sat.png").write_bytes(b"no image")
    with pytest.raises(RunError, match="film/2/val_0001"):
        render(made, run, tmp_path / "r.html")


def test_table_takes_the_epochs_nearest_to_those_of_the_reference(evidence: Evidence, made: MaskRun) -> None:
    snapshots = show_snapshots([evidence], made.originals)
    assert snapshots
    frame = snapshots.images[0].strips[0].frames[0]
    frames = [type(frame)(epoch, "", "", None) for epoch in (1, 4, 7, 11, 19, 27)]
    assert [each.epoch for each in Strip(0, 0, tuple(frames)).table] == [1, 11, 19, 27]
    assert [each.epoch for each in Strip(0, 0, tuple(frames[:5])).table] == [1, 4, 11, 19]  # of a shorter run


def test_table_of_a_short_run_is_evenly_spread(evidence: Evidence, made: MaskRun) -> None:
    snapshots = show_snapshots([evidence], made.originals)
    assert snapshots
    frame = snapshots.images[0].strips[0].frames[0]
    frames = tuple(type(frame)(epoch, "", "", None) for epoch in range(1, 7))
    assert [each.epoch for each in Strip(0, 0, frames).table] == [1, 3, 4, 6]
    assert [each.epoch for each in Strip(0, 0, frames[:2]).table] == [1, 2]
    assert [each.epoch for each in Strip(0, 0, frames[:1]).table] == [1]


@pytest.mark.parametrize("count", [1, MAX_FRAMES, 500])
def test_long_films_keep_both_ends(count: int) -> None:
    kept = thin_out(range(1, count + 1))
    assert len(kept) == len(set(kept)) == min(count, MAX_FRAMES)
    assert (kept[0], kept[-1]) == (1, count)


def test_large_masks_are_thinned_by_whole_pixels() -> None:
    large = np.arange(600 * 400, dtype=np.uint32).reshape(600, 400)
    np.testing.assert_array_equal(shrink(large), large[::3, ::3])


def test_view_holds_image_and_masks_of_one_size(evidence: Evidence, made: MaskRun) -> None:
    view = make_view(next(iter(made.truths)), [evidence], made.originals)
    assert view
    ((mask, errors, accuracy),) = view.predictions
    assert {decode(uri).size for uri in (view.image, view.truth, mask, errors)} == {(SIZE[1], SIZE[0])}
    assert accuracy is not None


def test_broken_saved_mask_leaves_its_image_out(made: MaskRun, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(made.run.path, tmp_path / "run"))
    evidence = read_evidence(run, "val", find_task(run))
    key = next(iter(made.truths))
    path = run.evaluation("val") / "masks" / Path(key).with_suffix(".png")
    for content in (Image.new("RGB", (4, 4)), None):
        path.write_bytes(b"") if content is None else content.save(path)
        assert make_view(key, [evidence], made.originals) is None


def test_an_image_of_an_older_run_is_cut_as_its_mask_was(tmp_path: Path) -> None:
    """Version 0.1 called the fit `whole` and kept masks at one size."""
    made = write_mask_run(tmp_path, "run")
    path = tmp_path / "large.png"
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:, 45:] = 255
    Image.fromarray(pixels).save(path)
    card = made.run.read_json("model.json")
    shown = []
    for fit in ("native", "whole"):
        card["preprocessing"] |= {"fit": fit, "stored": [40, 40]}
        made.run.write_json("model.json", card)
        shown.append(image_uri(path, read_evidence(made.run, "val", find_task(made.run)), (40, 40)))
    assert shown[0] == shown[1] != ""
