"""The gallery of suspected labels, of images and of regions."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from rendering import render_report
from synthetic_masks import MaskRun, write_mask_run
from synthetic_run import SyntheticRun
from test_masks_page import decode

from finesight.analysis.evidence import read_evidence
from finesight.analysis.label_errors import LabelErrors, save_label_errors
from finesight.errors import RunError
from finesight.reporting.label_errors import show_wrong_images, summarise
from finesight.run.folder import RunFolder
from finesight.tasks import find_task
from finesight.tasks.segmentation.mask_images import outline_uri
from finesight.tasks.segmentation.region_gallery import show_wrong_regions


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MaskRun:
    return write_mask_run(tmp_path_factory.mktemp("masks"))


def section_of(html: str) -> str:
    return html.partition('<section id="labels"')[2].partition("</section>")[0]


def test_images_are_shown_with_both_labels_and_score(synthetic: SyntheticRun, page: str) -> None:
    (gallery,) = show_wrong_images(read_evidence(synthetic.run, "val", find_task(synthetic.run)))
    section = section_of(page)
    assert gallery.errors
    assert gallery.summary in section
    for error in gallery.errors:
        assert error.key in section
        assert f"score {error.score:.2f}" in section
    assert section.count('class="tile sheet-') == len(gallery.errors)


def test_training_images_are_shown_beside_them(synthetic: SyntheticRun, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(synthetic.run.path, tmp_path / "run"))
    evidence = read_evidence(run, "val", find_task(run))
    (found,) = evidence.label_errors
    save_label_errors(run, LabelErrors("train", 9, "someone else", found.errors[:1]), evidence.classes)
    galleries = show_wrong_images(read_evidence(run, "val", find_task(run)))
    assert [gallery.title for gallery in galleries] == ["validation", "training"]
    assert galleries[1].summary.startswith("1 label of 9 (11.1")


def test_a_region_is_outlined_on_image_and_mask(made: MaskRun) -> None:
    evidence = read_evidence(made.run, "val", find_task(made.run))
    (gallery,) = show_wrong_regions(evidence, made.originals)
    (view,) = gallery.views
    lake = made.truths[view.error.key] == 1
    drawn = np.array(decode(view.outline).convert("RGBA"))[..., 3] > 0
    assert drawn.any()
    assert lake[drawn].all()
    assert not drawn.all()
    assert (view.error.given, view.error.suggested) == (1, 2)
    assert view.image.startswith("data:image/webp")
    assert view.mask.startswith("data:image/png")
    out = render_report(made.run, made.run.path / "r.html", made.originals.find_image, made.originals.read_truth)
    section = section_of(out.read_text(encoding="utf-8"))
    assert view.outline in section
    assert "<img src=x" not in section  # the lake's name is hostile
    assert "&lt;img src=x" in section


def test_an_outline_is_two_pixels_wide() -> None:
    region = np.zeros((20, 20), bool)
    region[5:15, 5:15] = True
    drawn = np.array(decode(outline_uri(region)).convert("RGBA"))[..., 3] > 0
    inner = np.zeros_like(region)
    inner[7:13, 7:13] = True
    assert np.array_equal(drawn, region & ~inner)


def test_nothing_found_is_said() -> None:
    assert summarise(LabelErrors("val", 5, "the network itself", ()), "0 labels") == (
        "No label of 5 images is contradicted by the network itself."
    )


def test_a_run_that_was_not_searched_says_how(synthetic: SyntheticRun, tmp_path: Path) -> None:
    shutil.copytree(synthetic.run.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "label_errors")
    run = RunFolder(tmp_path / "run")
    html = render_report(run, tmp_path / "r.html", synthetic.find_image).read_text(encoding="utf-8")
    assert "finesight labels" in section_of(html)


def test_a_damaged_list_is_an_error(synthetic: SyntheticRun, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(synthetic.run.path, tmp_path / "run"))
    (run.path / "label_errors/val.json").write_text('{"errors": [{"key": 1}]}')
    with pytest.raises(RunError, match="damaged"):
        read_evidence(run, "val", find_task(run))
