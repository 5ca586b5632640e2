"""Demo: the whole path on real pictures that need no download, to a report."""

import shutil
from pathlib import Path
from typing import Any

from finesight.app.report import report
from finesight.app.train import train
from finesight.cache import cache_folder
from finesight.errors import RunError
from finesight.progress import say
from finesight.run import RunFolder


def demo(out: str | Path = "runs/demo") -> dict[str, Any]:
    """Trains on scikit-learn's 1,797 handwritten digits and writes the report. Returns train's result and `report`."""
    run = Path(out)
    if run.exists() and not RunFolder(run).is_run():
        raise RunError(f"{run} is there and is no run folder; name another --out.")
    shutil.rmtree(run, ignore_errors=True)
    digits = write_digits(cache_folder() / "demo" / "digits")
    say(f"1,797 handwritten digits of scikit-learn, in {digits}.")
    result = train("demo-digits", data=digits, out=run)
    return result | report(run)


def write_digits(folder: Path) -> Path:
    """scikit-learn's digits (8×8 grey, 10 classes) as `{digit}_{number}.png`, made once."""
    if folder.is_dir():
        return folder
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    beside = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for number, (picture, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        grey = (picture * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(grey).save(beside / f"{digit}_{number:04}.png")
    beside.rename(folder)
    return folder
