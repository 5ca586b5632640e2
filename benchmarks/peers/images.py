"""The images of every work: the user's, evenly spread over their folder, or noise that this makes."""

from pathlib import Path

from classification import write_images
from segmentation import write_pairs
from work import WORKS, class_of

TRAINING = {False: 320, True: 64}  # images, pairs
PREDICTION = {False: 2500, True: 257}


def make_images(place: Path, images: Path | None, pairs: Path | None, tiny: bool) -> dict[str, Path]:
    """A folder a work; works of a kind share it. For prediction of masks there are none in it."""
    folders: dict[tuple[bool, bool], Path] = {}
    for work in WORKS.values():
        kind = work.masks, work.predicts
        if kind in folders:
            continue
        count = 120 if tiny else (PREDICTION if work.predicts else TRAINING)[work.masks]
        folders[kind] = place / f"{'pairs' if work.masks else 'images'}-{count}{'-many' * work.predicts}"
        given = pairs if work.masks else images
        if given:
            _link(sorted(given.glob("*_sat.jpg")) if work.masks else sorted(given.iterdir()), count, folders[kind])
        else:
            (write_pairs if work.masks else write_images)(folders[kind], count)
        if kind == (True, True):
            for mask in folders[kind].glob("*_mask.png"):
                mask.unlink()
    return {name: folders[work.masks, work.predicts] for name, work in WORKS.items()}


def _link(paths: list[Path], count: int, folder: Path) -> None:
    """So many of the images under numbers, again and again if there are fewer; a pair's mask comes along."""
    folder.mkdir()
    for number in range(count):
        path = paths[len(paths) * number // count]
        if not path.name.endswith("_sat.jpg"):
            (folder / f"{class_of(path)}_{number}{path.suffix}").symlink_to(path.resolve())
            continue
        for half in ("sat.jpg", "mask.png"):
            (folder / f"{number:04}_{half}").symlink_to(path.with_name(path.name[:-7] + half).resolve())
