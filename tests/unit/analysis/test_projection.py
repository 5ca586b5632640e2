"""Maps on disk, and what cannot be placed or drawn."""

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finesight.analysis.projection import Projection, load_projection, save_projection
from finesight.analysis.projection_methods import place, project
from finesight.errors import ConfigError, DataError, RunError

FEATURES = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)


def test_umap_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_umap(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "umap":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "umap", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_umap)
    with pytest.raises(ConfigError, match="pip install umap-learn"):
        project(FEATURES, "umap")


def test_umap_cannot_place() -> None:
    drawn = Projection(np.zeros((12, 2), np.float32), "umap", "umap-learn", {"seed": 0})
    with pytest.raises(ConfigError, match="cannot be placed"):
        place(drawn, FEATURES, FEATURES)


def test_features_must_be_those_of_the_map() -> None:
    with pytest.raises(DataError, match="12 images"):
        place(project(FEATURES, "pca"), FEATURES[:5], FEATURES)


@pytest.mark.parametrize("damage", ["map.json", "map.safetensors"])
def test_a_damaged_map_is_named(tmp_path: Path, damage: str) -> None:
    save_projection(tmp_path, project(FEATURES, "pca"))
    (tmp_path / damage).write_bytes(b"{")
    with pytest.raises(RunError, match="no readable projection"):
        load_projection(tmp_path)


def test_quality_is_kept(tmp_path: Path) -> None:
    from dataclasses import replace

    save_projection(tmp_path, replace(project(FEATURES, "pca"), quality={"k": 5, "neighbourhood_preservation": 0.5}))
    assert load_projection(tmp_path).quality == {"k": 5, "neighbourhood_preservation": 0.5}
