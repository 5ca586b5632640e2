"""Projections through training: of saved features, aligned so that they can be compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.analysis.projection_history import align, project_history, read_frames, read_projection_history
from finesight.classes import ClassList
from finesight.errors import RunError
from finesight.run.files import write_atomically, write_csv
from finesight.run.folder import RunFolder

CLASSES = ClassList.from_labels("abc")


@settings(deadline=None)  # scipy is imported by the first one
@given(st.floats(-3, 3), st.booleans(), st.floats(-50, 50))
def test_a_turned_map_is_turned_back(angle: float, mirrored: bool, shift: float) -> None:
    fixed = np.random.default_rng(0).normal(size=(30, 2)) * (5, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (fixed * (1, -1 if mirrored else 1)) @ turn + shift
    np.testing.assert_allclose(align(fixed, moved), fixed, atol=1e-3)


def test_nothing_is_scaled() -> None:
    fixed = np.random.default_rng(0).normal(size=(30, 2))
    spread = np.linalg.norm(align(fixed, 3 * fixed) - fixed.mean(0))
    assert spread == pytest.approx(3 * np.linalg.norm(fixed - fixed.mean(0)), rel=1e-4)


@pytest.fixture
def run(tmp_path):
    """Three classes that lie anywhere after epoch 1, and apart after epoch 4."""
    from safetensors.numpy import save

    folder = RunFolder(tmp_path)
    targets = np.repeat(np.arange(3), 14)
    write_csv(tmp_path / "film/samples.csv", ("key", "target"), [(f"{i}.png", "abc"[t]) for i, t in enumerate(targets)])
    noise = np.random.default_rng(0).normal(size=(len(targets), 8))
    for epoch, distance in ((1, 0), (2, 3), (4, 12)):
        features = (noise + distance * np.eye(3, 8)[targets]).astype(np.float16)
        predictions = targets if epoch == 4 else np.zeros_like(targets)
        write_atomically(
            tmp_path / f"film/{epoch}.safetensors", save({"features": features, "predictions": predictions})
        )
    return folder


def test_classes_are_seen_to_draw_apart(run):
    found = project_history(run, CLASSES)
    assert [each["epoch"] for each in found["epochs"]] == [1, 2, 4]
    shares = [each["own_fraction"] for each in found["epochs"]]
    assert shares[0] < 0.5 < shares[2] == 1
    assert [each["accuracy"] for each in found["epochs"]] == pytest.approx([1 / 3, 1 / 3, 1])
    assert "100 % after epoch 4" in found["paragraph"]
    assert "It rose most for" in found["paragraph"]
    maps = read_projection_history(run, CLASSES)
    assert [points.shape for points in maps.points] == [(42, 2)] * 3
    assert maps.paragraph == found["paragraph"]


def test_features_that_do_not_change_do_not_move_on_the_map(run):
    frames = run.path / "film"
    for epoch in (1, 2):
        (frames / f"{epoch}.safetensors").write_bytes((frames / "4.safetensors").read_bytes())
    project_history(run, CLASSES)
    first, second, third = read_projection_history(run, CLASSES).points
    size = third.std()
    assert np.abs(second - third).mean() < 0.5 * size
    assert np.abs(first - third).mean() < 0.5 * size


def test_the_same_twice(run):
    project_history(run, CLASSES)
    before = (run.path / "film/maps.safetensors").read_bytes()
    project_history(run, CLASSES)
    assert (run.path / "film/maps.safetensors").read_bytes() == before


def test_nothing_was_kept(tmp_path):
    assert project_history(RunFolder(tmp_path), CLASSES) is None
    assert read_projection_history(RunFolder(tmp_path), CLASSES) is None


def test_a_damaged_frame_is_named(run):
    (run.path / "film/2.safetensors").write_bytes(b"no")
    with pytest.raises(RunError, match=r"2\.safetensors"):
        read_frames(run)
