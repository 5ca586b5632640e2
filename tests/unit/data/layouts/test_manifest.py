import csv
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finesight.data.formats import detect_format
from finesight.data.layouts.manifest import guess_manifest, is_manifest, read_manifest
from finesight.data.layouts.table_items import UnusableRows
from finesight.errors import DataError
from listings import read_listing

LABELS = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)


def _manifest(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_splits_blanks_and_other_columns(tmp_path: Path) -> None:
    for name in ("a.png", "b, c.png", "sub/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    inside = tmp_path / "a.png"
    splits = read_manifest(
        _manifest(
            tmp_path,
            f'\ufeffpath, label ,note,split\n{inside}, cat ,x,Training\n\n"b, c.png",dog,,val\n'
            "sub/../sub/d.png,dog,,train\n",
        )
    )
    found = {split: [(item.key, item.target) for item in items] for split, items in splits.items()}
    assert found == {"train": [("a.png", "cat"), ("sub/d.png", "dog")], "val": [("b, c.png", "dog")]}
    assert splits["train"][1].path == tmp_path / "sub/d.png"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("path,label,label\na.png,x,y\n", "column twice"),
        ("path,kind,age\na.png,x,3\n", "no column 'label'.*path,kind,age"),
        ("image,fox,wolf\na.png,1,1\n", "no column 'label'"),
        ("colour,label\nred,x\n", "no column 'path'"),
        ("path,class,category\na.png,x,y\n", "'class' and 'category', of which each could be the class"),
        ("a.png,x\na.png,y\n", "no header: its first row reads 'a.png,x'"),
        ("path,label,set,phase\na.png,x,train,val\na.png,x,val,train\n", "'set' and 'phase', which hold different"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ("path,label\nb.png,x\n", "row 2: image 'b.png' does not exist"),
        ("path,label\n,x\n", "row 2: image '' does not exist"),
        ("path,label\na\0.png,x\n", "row 2: image"),
        ("path,label\n\n./a.png,x\na.png,y\n", "row 4: 'a.png' is already in row 3"),
        ("path,label\n../a.png,x\n", "row 2: '../a.png' is outside"),
        ("path,label\nsub/../../a.png,x\n", "is outside"),
        ("path,label\n/etc/passwd,x\n", "is outside"),
        ("path,label\na.png, \n", "row 2: 'a.png' has no label"),
        ("path,label\na.png\n", "row 2: 1 fields"),
        ("path,label\na, b.png,x\n", "row 2: 3 fields"),
        ("path,label,split\na.png,x,later\n", "split 'later' should be"),
        ("path,label,split\na.png,x,\n", "split '' should be"),
        ('path,label\n"a.png,x\n', "cannot be read as CSV"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match=says) as error:
        read_manifest(_manifest(tmp_path, text))
    assert "list.csv" in str(error.value)


def test_other_encodings_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    assert not is_manifest(path)
    path.write_bytes("path,label\nVögel.png,x\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_manifest(path)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LABELS, min_size=1, max_size=5))
def test_any_label_comes_back(tmp_path: Path, labels: list[str]) -> None:
    table = tmp_path / "list.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("path", "label")])
        for number, label in enumerate(labels):
            (tmp_path / f"{number}.png").touch()
            csv.writer(file, quoting=csv.QUOTE_ALL).writerow((f"{number}.png", label))
    assert is_manifest(table)
    assert [item.target for item in read_manifest(table)["train"]] == labels


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.text('path,label\n"/.\r\0'))
def test_any_text_is_a_manifest_or_a_data_error(tmp_path: Path, text: str) -> None:
    try:
        table = _manifest(tmp_path, f"path,label\n{text}")
    except UnicodeEncodeError:  # a lone surrogate cannot be in a UTF-8 file
        return
    with suppress(DataError):
        assert isinstance(read_manifest(table), dict)


def test_all_unusable_rows_are_counted_and_the_others_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    rows = ["a.png,cat", "a.png,dog", "a.png", "a.png,bear"]
    with pytest.raises(UnusableRows, match=r"^3 rows of .*list.csv' cannot be used, for example: .*row 3: ") as error:
        read_manifest(_manifest(tmp_path, "\n".join(["path,label", *rows])))
    assert len(error.value.reasons) == 4
    assert [(item.key, item.target) for item in error.value.splits["train"]] == [("a.png", "cat")]


def test_missing_files_are_counted_and_one_is_looked_for(tmp_path: Path) -> None:
    for name in ("a.png", "in/b.png", "in/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rows = ["a.png,cat", "old/deep/c.png,cat", *["gone.png,dog"] * 24]
    with pytest.raises(UnusableRows) as error:
        read_manifest(_manifest(tmp_path, "\n".join(["path,label", *rows])))
    says = "25 of 26 rows of manifest .*list.csv' name files that do not exist, such as 'old/deep/c.png' in row 3; "
    assert re.match(says + "a file of that name lies at 'in/deep/c.png'; paths are relative", str(error.value))
    assert "\n" not in str(error.value)


KEYS = [f"{label}/{number}.png" for label in ("fox", "wolf") for number in range(4)]
HELD = KEYS[::4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for key in KEYS:
        (tmp_path / "d" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / key).touch()
    return tmp_path / "d"


@pytest.mark.parametrize(
    ("header", "separator", "name"),
    [
        ("image,label", ",", "m.csv"),
        ("filename;label", ";", "m.csv"),
        ("File_Name,Category", ",", "m.csv"),
        ("image_path\tclass", "\t", "m.tsv"),
        ("filepaths|labels", "|", "m.csv"),
        ("id,breed", ",", "m.csv"),
        ("path,kind", ",", "m.csv"),
    ],
)
@pytest.mark.parametrize("ending", [".png", ""])
def test_other_headers_and_separators(folder: Path, header: str, separator: str, name: str, ending: str) -> None:
    rows = [f"{key.removesuffix('.png')}{ending}{separator}{key.split('/')[0]}" for key in KEYS]
    (folder / name).write_text("\n".join([f"\ufeff{header}", *rows]), encoding="utf-8")
    listing = read_listing(folder / name)
    assert (listing.format, listing.classes.ids) == ("manifest", ("fox", "wolf"))
    assert {item.key for items in listing.splits.values() for item in items} == set(KEYS)
    image, label = header.split(separator)
    assert f"Images are taken from column {image!r}, labels from column {label!r}." in listing.notes
    assert any("8 files found nearly as written" in note for note in listing.notes) == (not ending)


@pytest.mark.parametrize(
    ("column", "held", "trained"),
    [
        ("split", "val", "train"),
        ("Split", "Valid", "TRAIN"),
        ("SPLIT", "validation", "training"),
        ("set", "val", "train"),
        ("subset", "dev", "train"),
        ("data set", "valid", "train"),
        ("anything", "eval", "train"),
        ("is_valid", "True", "False"),
        ("is_val", "1", "0"),
        ("is_train", "no", "yes"),
    ],
)
def test_split_columns_that_are_heeded(folder: Path, column: str, held: str, trained: str) -> None:
    rows = [f"{key},{key.split('/')[0]},{held if key in HELD else trained}" for key in KEYS]
    (folder / "m.csv").write_text("\n".join([f"path,label,{column}", *rows]))
    listing = read_listing(folder / "m.csv")
    assert [item.key for item in listing.splits["val"]] == HELD
    assert listing.notes == (() if column == "split" else (f"The split is read from column {column!r}.",))


@pytest.mark.parametrize(("column", "values"), [("fold", "0123"), ("partition", "012"), ("valid", "10"), ("set", "AB")])
def test_split_columns_that_are_not_plain_are_told(folder: Path, column: str, values: str) -> None:
    rows = [f"{key},{key.split('/')[0]},{values[number % len(values)]}" for number, key in enumerate(KEYS)]
    (folder / "m.csv").write_text("\n".join([f"path,label,{column}", *rows]))
    assert f"Column {column!r} (" in " ".join(read_listing(folder / "m.csv").notes)


def test_test_rows_without_a_label_are_passed_over(folder: Path) -> None:
    rows = [f"{key},{'' if key in HELD else key.split('/')[0]},{'test' if key in HELD else 'train'}" for key in KEYS]
    (folder / "m.csv").write_text("\n".join(["path,label,split", *rows]))
    listing = read_listing(folder / "m.csv")
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 4, "val": 2}
    assert listing.notes == ("Skipped: 2 rows of test without a label ('fox/0.png' and 1 more).",)


def test_paths_that_lead_out_are_read_of_a_file_that_was_named(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "lists" / "m.csv"
    table.parent.mkdir()
    for written in (lambda key: str(folder / key), lambda key: f"../d/{key}"):
        table.write_text("\n".join(["path,label", *(f"{written(key)},{key.split('/')[0]}" for key in KEYS)]))
        listing = read_listing(table)
        assert listing.root == folder
        assert {item.key for items in listing.splits.values() for item in items} == set(KEYS)
        assert all(listing.root / item.key == item.path for items in listing.splits.values() for item in items)
        with pytest.raises(DataError, match=r"is outside the manifest's folder.*with --data"):
            read_listing(table.parent)


def test_paths_below_one_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("\n".join(["image_id,label", *(f"{key[:-4]},{key[:-6]}" for key in KEYS)]))
    listing = read_listing(tmp_path / "m.csv")
    assert listing.splits["val"][0].key.startswith("d/fox/")
    assert "Its paths are relative to the folder 'd'." in listing.notes


def test_other_unicode_forms_and_backslashes(tmp_path: Path) -> None:
    for label in ("caf\u00e9", "b"):
        for number in range(3):
            path = tmp_path / unicodedata.normalize("NFD", f"{label}/\u00e9{number}.png")
            path.parent.mkdir(exist_ok=True)
            path.touch()
    rows = [
        f"{label}{sign}\u00e9{n}.png,{label}" for label, sign in (("caf\u00e9", "/"), ("b", "\\")) for n in range(3)
    ]
    table = _manifest(tmp_path, "\n".join(["path,label", *rows]))
    listing = read_listing(table)
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 4, "val": 2}
    assert "6 files found nearly as written, such as" in listing.notes[0]


def test_an_id_that_two_files_have(folder: Path) -> None:
    (folder / "fox" / "0.jpg").touch()
    with pytest.raises(DataError, match=r"row 2: '0' could be '0.jpg' or '0.png'"):
        read_manifest(_manifest(folder, "path,label\nfox/0,fox\n"))


def test_labels_that_are_images_are_masks(folder: Path) -> None:
    table = _manifest(folder, "image,label\nfox/0.png,wolf/0.png\nfox/1.png,wolf/1.png\n")
    assert guess_manifest(table) == "masks"
    assert detect_format(table) == "mask_manifest"
    assert [item.target for item in read_manifest(table, "masks")["train"]] == [
        folder / "wolf/0.png",
        folder / "wolf/1.png",
    ]


def test_a_table_beside_a_layout(folder: Path, tmp_path: Path) -> None:
    """Folders of classes win, and the table is told; where nothing else fits, the table is read."""
    (folder / "labels.csv").write_text("\n".join(["filename,label", *(f"{key},{key[-5]}" for key in KEYS)]))
    listing = read_listing(folder)
    assert listing.format == "class_folders"
    assert listing.notes == ("Skipped: 'labels.csv', which gives images labels, too; --format manifest reads it.",)
    assert read_listing(folder, format="manifest").classes.ids == ("0", "1", "2", "3")
    for number in range(6):
        (tmp_path / "flat" / f"{number}.png").parent.mkdir(exist_ok=True)
        (tmp_path / "flat" / f"{number}.png").touch()
    (tmp_path / "flat/train.csv").write_text(
        "\n".join(["id,label", *(f"{number},{'ab'[number % 2]}" for number in range(6))])
    )
    assert read_listing(tmp_path / "flat").format == "manifest"
    (tmp_path / "flat/more.csv").write_text("id,label\n0,a\n")
    with pytest.raises(DataError, match=r"Name the one CSV file .* --data: 'more.csv', 'train.csv'"):
        read_listing(tmp_path / "flat")
