"""What every projection, and every package for t-SNE, must do."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from finesight.analysis.projection import (
    Projection,
    describe_projection,
    load_projection,
    measure_quality,
    save_projection,
)
from finesight.analysis.projection_methods import PROJECTIONS, TSNE_PACKAGES, place, project
from finesight.errors import ConfigError, DataError

WAYS = [("tsne", package) for package in TSNE_PACKAGES] + [(name, "opentsne") for name in PROJECTIONS if name != "tsne"]
QUICK_WAYS = [way for way in WAYS if way[0] != "umap"]  # umap-learn compiles itself for half a minute


def clusters(per_class: int = 20, dimensions: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, far apart: (features float32, labels)."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    centres = np.random.default_rng(99).normal(size=(3, dimensions)) * 4
    return (centres[labels] + random.normal(size=(len(labels), dimensions))).astype(np.float32), labels


def way_marks(ways: list[tuple[str, str]]) -> list[object]:
    return [pytest.param(*way, marks=[pytest.mark.slow] if way[0] == "umap" else [], id="-".join(way)) for way in ways]


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, str], Projection]:
    """One map a way, drawn once."""
    return {way: project(clusters()[0], *way) for way in QUICK_WAYS}


@pytest.mark.parametrize(("method", "package"), way_marks(WAYS))
def test_a_map_shows_the_classes_apart(method: str, package: str) -> None:
    features, labels = clusters()
    found = project(features, method, package)
    assert found.points.shape == (60, 2)
    assert found.points.dtype == np.float32
    assert measure_quality(features, found.points, labels)["knn_accuracy_projection"] > 0.95
    again = project(features, method, package)
    assert np.array_equal(found.points, again.points), "the same seed, another map"


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_a_map_survives_the_disk(
    way: tuple[str, str], drawn: dict[tuple[str, str], Projection], tmp_path: Path
) -> None:
    save_projection(tmp_path / "embedding", drawn[way])
    loaded = load_projection(tmp_path / "embedding")
    assert np.array_equal(loaded.points, drawn[way].points)
    assert (loaded.method, loaded.package) == (drawn[way].method, drawn[way].package)
    assert loaded.settings == drawn[way].settings
    new = clusters(seed=1)[0][:5]
    placed, expected = place(loaded, clusters()[0], new), place(drawn[way], clusters()[0], new)
    np.testing.assert_allclose(placed, expected, atol=1e-4)


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_known_images_are_placed_where_they_are(way: tuple[str, str], drawn: dict[tuple[str, str], Projection]) -> None:
    features, shifted = clusters()[0], drawn[way]
    if way[0] == "tsne":  # wherever the map lies
        shifted = Projection(shifted.points + 100, way[0], way[1], shifted.settings, shifted.mean, shifted.components)
    before = shifted.points.copy()
    away = np.linalg.norm(place(shifted, features, features) - shifted.points, axis=1)
    assert np.median(away) < 0.1 * np.ptp(shifted.points)
    assert np.array_equal(shifted.points, before), "placing moved the map"


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_new_images_join_their_class_and_mind_no_other(
    way: tuple[str, str], drawn: dict[tuple[str, str], Projection]
) -> None:
    features, labels = clusters()
    new, new_labels = clusters(per_class=3, seed=5)
    together = place(drawn[way], features, new)
    one_by_one = np.concatenate([place(drawn[way], features, row[None]) for row in new])
    np.testing.assert_allclose(together, one_by_one, atol=1e-3)
    centres = np.array([np.median(drawn[way].points[labels == c], axis=0) for c in range(3)])
    nearest = np.linalg.norm(together[:, None] - centres, axis=2).argmin(1)
    assert (nearest == new_labels).all()
    assert place(drawn[way], features, new[:0]).shape == (0, 2)


@pytest.mark.parametrize("way", QUICK_WAYS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_few_images_still_get_a_map(way: tuple[str, str], size: int) -> None:
    found = project(clusters()[0][:size], *way)
    assert found.points.shape == (size, 2)
    assert np.isfinite(found.points).all()
    assert way[0] == "pca" or "note" in found.settings
    assert describe_projection(found)


@pytest.mark.parametrize("way", QUICK_WAYS)
@pytest.mark.parametrize("features", [np.ones((12, 5), np.float32), np.arange(12, dtype=np.float32)[:, None]])
def test_poor_features_still_get_a_map(way: tuple[str, str], features: np.ndarray) -> None:
    assert np.isfinite(project(features, *way).points).all()


def test_perplexity_is_clamped_and_said() -> None:
    features = clusters()[0]
    assert project(features[:31], perplexity=30).settings["perplexity"] == pytest.approx(10)
    assert "31 images allow 10.0" in project(features[:31], perplexity=30).settings["note"]
    assert "note" not in project(features, perplexity=5).settings


def test_the_reference_library_has_the_reference_settings() -> None:
    from sklearn.manifold import TSNE

    features = clusters(per_class=45)[0]
    found = project(features, package="sklearn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = TSNE(init="random", random_state=1, perplexity=40).fit_transform(features)
    assert np.array_equal(found.points, theirs)


def test_wrong_names_and_features_are_refused() -> None:
    features = clusters()[0]
    with pytest.raises(ConfigError, match="Did you mean 'tsne'"):
        project(features, "tsme")
    with pytest.raises(ConfigError, match="Did you mean 'sklearn'"):
        project(features, package="skleran")
    with pytest.raises(ConfigError, match="above 0"):
        project(features, perplexity=-1)
    with pytest.raises(DataError, match="NaN or infinite"):
        project(np.full((8, 3), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="shape"):
        project(features[:0])
