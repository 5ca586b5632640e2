"""Strict and small: one torch thread, an own cache for every session, tiny data in the true formats."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tiny import TINY, write_images

pytest_plugins = ["reliability"]
settings.register_profile("same-chances", derandomize=True, database=None, deadline=None)
settings.load_profile("same-chances")


@pytest.fixture(scope="session", autouse=True)
def small_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    torch.set_num_threads(1)
    os.environ["FINESIGHT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def same_chances() -> None:
    """The same random numbers whichever tests ran before in this process: which those are differs from run to run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 images of three classes in one folder."""
    return write_images(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A run folder as `finesight train` leaves it. Read it, never write to it."""
    from finesight import train

    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(data=images, out=out, settings=TINY)
    return out
