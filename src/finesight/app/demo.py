"""Demo: both tasks on real images, from nothing to one report."""

import shutil
from pathlib import Path

from finesight.app.demo_scene import write_scene
from finesight.app.report import report_chapters
from finesight.app.train import train
from finesight.cache import cache_folder
from finesight.errors import RunError
from finesight.progress import say
from finesight.run.folder import RunFolder
from finesight.run.results import Demonstrated

LAND = ("fcn32s", "fcn8s", "light")  # recipes demo-NAME: the baseline, what improves on it, what a laptop should use


def demo(out: str | Path = "runs/demo") -> Demonstrated:
    """Trains on handwritten digits and on a Landsat scene, and writes one report on both.

    out: folder for the four runs and the report; overwritten.
    """
    folder = Path(out)
    if folder.exists() and not RunFolder(folder / "digits").is_run():
        raise RunError(f"{folder} exists and is not a demo folder; name another --out.")
    scene = write_scene()
    shutil.rmtree(folder, ignore_errors=True)
    digits = write_digits(cache_folder() / "demo" / "digits")
    say(f"1 of 4: digits. 1,797 handwritten digits of scikit-learn, in {digits}.")
    results = {"digits": train("demo-digits", data=digits, out=folder / "digits")}
    note = (scene / "note.txt").read_text(encoding="utf-8")
    say(f"Note: {note}")
    classes = {"data.classes": str(scene / "classes.json")}
    for number, name in enumerate(LAND, 2):
        say(f"{number} of 4: {name}. Land cover of a Landsat scene, in {scene}.")
        results[name] = train(f"demo-{name}", data=scene, out=folder / name, settings=classes)
    chapters = {
        "Handwritten digits: which digit is it?": [folder / "digits"],
        "Land cover: FCN32s, FCN8s, a light model": [folder / name for name in LAND],
        "Land cover: the light model": [folder / LAND[-1]],
    }
    book = report_chapters(chapters, folder / "report.html", f"Landsat scene: {note}")
    return Demonstrated(results, book.report)


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
    for number, (image, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        grey = (image * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(grey).save(beside / f"{digit}_{number:04}.png")
    beside.rename(folder)
    return folder
