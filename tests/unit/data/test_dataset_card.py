"""Dataset cards of Hugging Face, as `push_to_hub` writes them, beside numbered labels."""

import json
from pathlib import Path

import pytest
from PIL import Image

from finesight.app.inspect import audit_data
from finesight.config import DataSettings
from finesight.data.dataset_card import read_card
from listings import read_listing

HEADER = """---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: {name}
    {kind}:
      class_label:
        names:
          '0': fox
          '1': wolf
          '2': 'no'
  splits:
  - name: train
    num_examples: 6
---

# Dataset card

---
"""
NAMES = {"0": "fox", "1": "wolf", "2": "no"}


def make(root: Path, labels: list[object], card: str, column: str = "label") -> Path:
    root.mkdir(exist_ok=True)
    (root / "README.md").write_text(card)
    (root / "train").mkdir()
    lines = []
    for number, label in enumerate(labels):
        Image.new("RGB", (4, 4), (number, 3 * number, 9)).save(root / "train" / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", column: label}))
    (root / "train" / "metadata.jsonl").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize(
    "card",
    [
        HEADER.format(name="label", kind="dtype"),
        HEADER.format(name="labels", kind="sequence"),
        HEADER.format(name="animal", kind="list"),
        "---\ndataset_info:\n- config_name: a\n  features:\n  - name: y\n    dtype:\n      class_label:\n"
        "        names: [fox, wolf, 'no']\n- config_name: b\n---\n",
    ],
)
def test_a_card_names_classes(card: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(card)
    assert read_card(tmp_path / "README.md") == NAMES


@pytest.mark.parametrize(
    "card",
    [
        "",
        "# A card without a header\n",
        "---\n- a list\n---\n",
        "---\ndataset_info: 5\n---\n",
        "---\ndataset_info: {features: [7, {name: a, dtype: image}]}\n---\n",
        "---\ndataset_info: [\n---\n",
        HEADER.format(name="label", kind="dtype").removeprefix("---\n"),
        "---\ndataset_info:\n  features:\n  - {name: a, dtype: {class_label: {names: [x]}}}\n"
        "  - {name: b, dtype: {class_label: {names: [y]}}}\n---\n",
    ],
)
def test_other_readmes_name_none(card: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(card)
    assert read_card(tmp_path / "README.md") == {}
    assert read_card(tmp_path / "missing.md") == {}


@pytest.mark.parametrize("below", ["", "train", "train/metadata.jsonl"])
def test_numbered_labels_get_their_names(below: str, tmp_path: Path) -> None:
    data = make(tmp_path / "data", [0, 1, 0, 1, 0, 1, 1], HEADER.format(name="label", kind="dtype")) / below
    listing = read_listing(data)
    assert (listing.classes.ids, listing.classes.names) == (("0", "1", "2"), ("fox", "wolf", "no"))
    assert f"Class names are read from the dataset card {str(tmp_path / 'data' / 'README.md')!r}." in listing.notes
    assert audit_data(DataSettings(root=str(data))).classes == listing.classes


def test_several_numbered_labels(tmp_path: Path) -> None:
    card = HEADER.format(name="labels", kind="sequence")
    listing = read_listing(make(tmp_path / "data", [[0, 1], [1], [0], [0, 1], [1]], card, "labels"))
    assert listing.format == "multilabel_manifest"
    assert listing.classes.names == ("fox", "wolf", "no")


def test_a_card_of_other_labels_is_not_used(tmp_path: Path) -> None:
    card = HEADER.format(name="label", kind="dtype")
    listing = read_listing(make(tmp_path / "numbers", [0, 7, 0, 7, 7], card))
    assert listing.classes.names == ("0", "7")
    assert any("are not used: it does not name '7'." in note for note in listing.notes)
    assert read_listing(make(tmp_path / "names", ["a", "b", "a", "b"], card)).classes.names == ("a", "b")
    listing = read_listing(make(tmp_path / "twice", [0, 1, 0, 1], card.replace("wolf", "fox")))
    assert listing.classes.names == ("0", "1")
    assert any("are not used. Two classes have the same name: fox" in note for note in listing.notes)
