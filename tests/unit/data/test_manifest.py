import csv
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finesight.data.manifest import UnusableRows, is_manifest, read_manifest
from finesight.errors import DataError

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
    found = {split: [(item.key, item.label) for item in items] for split, items in splits.items()}
    assert found == {"train": [("a.png", "cat"), ("sub/d.png", "dog")], "val": [("b, c.png", "dog")]}
    assert splits["train"][1].path == tmp_path / "sub/d.png"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("path,label,label\na.png,x,y\n", "column twice"),
        ("path,class\na.png,x\n", "no column 'label'.*path,class"),
        ("path,label\nb.png,x\n", "row 2: there is no picture 'b.png'"),
        ("path,label\n,x\n", "row 2: there is no picture ''"),
        ("path,label\na\0.png,x\n", "row 2: there is no picture"),
        ("path,label\n\n./a.png,x\na.png,y\n", "row 4: 'a.png' already stands in row 3"),
        ("path,label\n../a.png,x\n", "row 2: '../a.png' leads out"),
        ("path,label\nsub/../../a.png,x\n", "leads out"),
        ("path,label\n/etc/passwd,x\n", "leads out"),
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
    assert [item.label for item in read_manifest(table)["train"]] == labels


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.text('path,label\n"/.\r\0'))
def test_any_text_is_a_manifest_or_a_data_error(tmp_path: Path, text: str) -> None:
    try:
        table = _manifest(tmp_path, f"path,label\n{text}")
    except UnicodeEncodeError:  # a lone surrogate cannot be in a UTF-8 file
        return
    with suppress(DataError):
        assert isinstance(read_manifest(table), dict)


def test_all_unusable_rows_are_named_and_the_others_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    rows = ["a.png,cat", *["gone.png,cat"] * 24, "a.png,dog"]
    with pytest.raises(UnusableRows, match=r"(?s)row 3: .*row 22: .*and 5 more rows$") as error:
        read_manifest(_manifest(tmp_path, "\n".join(["path,label", *rows])))
    assert len(error.value.reasons) == 25
    assert [(item.key, item.label) for item in error.value.splits["train"]] == [("a.png", "cat")]
