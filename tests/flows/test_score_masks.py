"""Two folders of masks: the same classes however each folder writes them, or a sentence that says which is which."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import finesight
from PIL import Image

from finesight.app.score_masks import score_masks
from finesight.classes import ClassList
from finesight.data.masks.encoding import encode_colours, encode_mask
from finesight.errors import DataError

COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)], np.uint8)
NAMES, TWO = "name\na\nb\nc\n", "name\nbg\nfg\n"
COLOUR_FILE, IDS = "name,r,g,b\na,0,0,0\nb,128,0,0\nc,0,128,0\n", "id,name\n0,a\n7,b\n14,c\n"
PLAIN = ClassList(("a", "b", "c"), ("a", "b", "c"))
Paint = Callable[[np.ndarray, int], Image.Image | bytes]


def draw(folder: Path, paint: Paint, num_classes: int, missing: int = -1) -> Path:
    """Four masks; missing: a class that is drawn as class 0."""
    folder.mkdir(parents=True)
    for number in range(4):
        mask = np.zeros((24, 24), np.uint8)
        mask[number : number + 9, :12] = 1
        if num_classes > 2:
            mask[number : number + 9, 12:] = 2
        painted = paint(np.where(mask == missing, 0, mask).astype(np.uint8), number)
        if isinstance(painted, bytes):
            (folder / f"{number}.png").write_bytes(painted)
        else:
            painted.save(folder / f"{number}.png")
    return folder


def values(*codes: int) -> Paint:
    return lambda mask, _: Image.fromarray(np.array(codes, np.uint8)[mask])


def rgb(mask: np.ndarray, number: int) -> Image.Image:
    return Image.fromarray(COLOURS[mask])


def palette(mask: np.ndarray, number: int, order: np.ndarray | None = None) -> Image.Image:
    image = Image.fromarray(mask)
    image.putpalette((COLOURS if order is None else COLOURS[order]).tobytes())
    return image


def shuffled(mask: np.ndarray, number: int) -> Image.Image:
    order = np.roll([0, 1, 2], number % 3)
    return palette(np.argsort(order)[mask].astype(np.uint8), number, order)


def one_bit(mask: np.ndarray, number: int) -> Image.Image:
    return Image.fromarray(mask * 255).convert("1")


def own_colours(mask: np.ndarray, number: int) -> bytes:
    """As `finesight predict` writes classes without colours."""
    return encode_colours(mask, PLAIN)


def own_palette(mask: np.ndarray, number: int) -> bytes:
    return encode_mask(mask, PLAIN)


def score(folder: Path, truth: Paint, predicted: Paint, num: int, classes: str, missing: int = -1) -> float:
    draw(folder / "truth", truth, num)
    draw(folder / "pred", predicted, num, missing)
    (folder / "classes.csv").write_text(classes)
    file = str(folder / "classes.csv") if classes else ""
    return float(score_masks(folder / "truth", folder / "pred", classes=file).metrics["miou"])


RIGHT: dict[str, tuple[Paint, Paint, int, str]] = {
    "values": (values(0, 1, 2), values(0, 1, 2), 3, ""),
    "colours and values": (rgb, values(0, 1, 2), 3, COLOUR_FILE),
    "values and colours": (values(0, 1, 2), rgb, 3, COLOUR_FILE),
    "colours and palettes": (rgb, palette, 3, ""),
    "palettes and colours": (palette, rgb, 3, ""),
    "palettes and values": (palette, values(0, 1, 2), 3, ""),
    "palettes and palettes of their own": (palette, shuffled, 3, ""),
    "colours and palettes of their own": (rgb, shuffled, 3, COLOUR_FILE),
    "0 and 255, 0 and 1": (values(0, 255), values(0, 1), 2, TWO),
    "0 and 1, 0 and 255": (values(0, 1), values(0, 255), 2, TWO),
    "0 and 255, one bit": (values(0, 255), one_bit, 2, TWO),
    "values and finesight's colours": (values(0, 1, 2), own_colours, 3, NAMES),
    "ids and finesight's colours": (values(0, 7, 14), own_colours, 3, IDS),
    "ids and finesight's palettes": (values(0, 7, 14), own_palette, 3, IDS),
    "palettes and finesight's palettes": (palette, own_palette, 3, NAMES),
    "palettes and finesight's colours": (palette, own_colours, 3, NAMES),
}


@pytest.mark.parametrize("case", RIGHT)
def test_the_same_masks_score_one(case: str, tmp_path: Path) -> None:
    assert score(tmp_path, *RIGHT[case]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("paint", "classes"),
    [
        (values(0, 1, 2), ""),
        (values(1, 2, 3), ""),
        (values(1, 2, 3), NAMES),
        (rgb, ""),
        (rgb, COLOUR_FILE),
        (palette, ""),
    ],
)
def test_predictions_without_a_class_are_read_as_the_truth_is(paint: Paint, classes: str, tmp_path: Path) -> None:
    """The background, 360 pixels, gains 108 of the class that is not predicted; the third class is whole."""
    assert score(tmp_path, paint, paint, 3, classes, missing=2) == pytest.approx((360 / 468 + 1 + 0) / 3)


IN_DOUBT: dict[str, tuple[Paint, Paint, int, str, tuple[str, ...]]] = {
    "colours and values": (rgb, values(0, 1, 2), 3, "", ("prediction/0.png holds values", "--classes", "name,r,g,b")),
    "values and colours": (values(0, 1, 2), rgb, 3, "", ("truth/0.png holds values", "--classes")),
    "values and colours, named": (values(0, 1, 2), rgb, 3, NAMES, ("prediction/0.png holds the colour", "name,r,g,b")),
    "0 and 255, 0 and 1": (values(0, 255), values(0, 1), 2, "", ("4 masks hold 0 and 1", "--classes")),
    "other levels": (values(0, 1, 2), values(0, 127, 254), 3, "", ("Only the truth holds 1, 2", "--classes")),
    "from 1": (values(0, 1, 2), values(1, 2, 3), 3, "", ("Only the truth holds 0", "predictions hold 3")),
    "from 1, named": (values(0, 1, 2), values(1, 2, 3), 3, NAMES, ("count from 1", "predictions hold 1, 2, 3")),
    "from 0, named": (values(1, 2, 3), values(0, 1, 2), 3, NAMES, ("count from 1", "truth holds 1, 2, 3")),
    "palettes of other colours": (palette, own_palette, 3, "", ("Only the truth holds #008000", "--classes")),
    "palettes in another order": (palette, shuffled, 3, NAMES, ("palettes of the masks differ", "name,r,g,b")),
}


@pytest.mark.parametrize("case", IN_DOUBT)
def test_what_can_mean_two_things_is_refused(case: str, tmp_path: Path) -> None:
    *masks, words = IN_DOUBT[case]
    with pytest.raises(DataError) as error:
        score(tmp_path, *masks)  # type: ignore[arg-type]
    for word in words:
        assert word in str(error.value)


def test_flags_of_the_command(tmp_path: Path) -> None:
    """--ignore and --set, images that lie beside masks, and whose mask is to blame."""

    def with_border(mask: np.ndarray, number: int) -> Image.Image:
        mask[12:14] = 255
        return Image.fromarray(mask)

    truth, pred = draw(tmp_path / "truth", with_border, 3), draw(tmp_path / "pred", values(0, 1, 2), 3)
    for number in range(4):
        Image.fromarray(np.full((24, 24, 3), 99, np.uint8)).save(truth / f"{number}.jpg")
    folders = ("evaluate", "--truth", truth, "--pred", pred)
    assert "truth/0.png holds value 255" in finesight(*folders).error()
    for flag in (("--ignore", "255"), ("--set", "data.ignore=255"), ("--ignore", "255,77")):
        answer = finesight(*folders, *flag)
        assert answer.code == 0, answer.err
        assert "miou 1.0000" in answer.out
        assert "Skipped: 4 images beside the masks, such as 0.jpg; 4 masks are scored." in answer.err
    assert "takes only data settings" in finesight(*folders, "--set", "epochs=3").error()
    (pred / "2.png").write_bytes(b"no mask")
    assert "'prediction/2.png'" in finesight(*folders, "--ignore", "255").err
    assert "--truth and --pred" in finesight("evaluate", "--ignore", "255").error()
