"""A call from Python leaves the caller's process as it was."""

import os
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile, PngImagePlugin

import finesight
from finesight.app.guest import unchanged_process
from finesight.backend import freed_memory
from tiny import TINY


def look_at_process() -> dict[str, object]:
    return {
        "torch": torch.get_rng_state().tolist(),
        "seed": torch.initial_seed(),
        "numpy": str(np.random.get_state()),
        "random": random.getstate(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        "cudnn": [getattr(torch.backends.cudnn, name) for name in ("benchmark", "deterministic", "allow_tf32")],
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "environment": dict(os.environ),
        "filters": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
        "pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK),
        "hook": sys.excepthook,
        "malloc": list(freed_memory._KEPT),
    }


def test_calls_leave_everything_as_it_was(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.manual_seed(123)
    freed_memory.release_freed_memory()
    run, before = tmp_path / "run", look_at_process()
    settings = {**TINY, "epochs": 1, "machine.threads": 2, "augment.erase": 0.5, "data.workers": 1}
    calls = {
        "train": lambda: finesight.train(data=images, out=run, settings=settings),
        "evaluate": lambda: finesight.evaluate(run, tta=True),
        "predict": lambda: finesight.predict(run, images, out=tmp_path / "labels.csv"),
        "inspect": lambda: finesight.inspect(images),
        "embed": lambda: finesight.embed(run),
    }
    for name, call in calls.items():
        call()
        after = look_at_process()
        assert [key for key in before if after[key] != before[key]] == [], name
    with pytest.raises(finesight.FinesightError):
        finesight.train(data=images, out=run, settings=settings)  # the folder is taken
    assert look_at_process() == before


def test_what_is_changed_on_the_way_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_TEST", "before")
    before = look_at_process()
    with unchanged_process(), unchanged_process():
        torch.manual_seed(7)
        torch.set_num_threads(3)
        torch.use_deterministic_algorithms(True)
        np.random.seed(3)
        random.seed(4)
        os.environ["FINESIGHT_TEST"] = "after"
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        warnings.simplefilter("ignore")
        freed_memory.keep_freed_memory()
    assert look_at_process() == before


LOOK = """
import os, signal, sys, warnings
before = dict(os.environ), list(warnings.filters), signal.getsignal(signal.SIGINT), sys.excepthook
import finesight
assert (dict(os.environ), list(warnings.filters), signal.getsignal(signal.SIGINT), sys.excepthook) == before
assert not {"torch", "numpy", "PIL"} & set(sys.modules)
"""


def test_the_import_changes_nothing() -> None:
    subprocess.run([sys.executable, "-c", LOOK], check=True)
