import csv
import io
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.classes import ClassList, compose, natural_key
from finesight.config import check
from finesight.data.class_files import PRESETS, READERS, load_classes, match_classes, read_class_file
from finesight.errors import DataError

NAMES = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1).map(lambda text: compose(text).strip()).filter(bool),
    min_size=1,
    unique=True,
)


def _write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


COLOURED = ClassList(("7", "9"), ("land", "海 <b>"), ((0, 255, 255), (1, 2, 3)))
SPELLINGS = {
    "a.json": """{"classes": [{"id": 7, "name": "land", "colour": "#00FFFF"},
                               {"id": "9", "name": "海 <b>", "color": [1, 2, 3]}]}""",
    "a.csv": 'id,name,r,g,b\n7,land,0,255,255\n9,"海 <b>",1,2,3\n',
    "b.csv": "ID, Name ,Colour\r\n7,land,#00ffff\r\n\r\n9,海 <b>,010203\r\n",
    "a.toml": """classes = [{id = 7, name = "land", colour = "#00FFFF"},
                            {id = "9", name = "海 <b>", colour = [1, 2, 3]}]""",
    "b.toml": """[[classes]]\nid = "7"\nname = "land"\ncolour = "#00FFFF"
                 [[classes]]\nid = "9"\nname = "海 <b>"\ncolour = "#010203" """,
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_all_spellings_say_the_same(tmp_path: Path, name: str, encoding: str) -> None:
    assert read_class_file(_write(tmp_path, name, SPELLINGS[name], encoding)) == COLOURED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '["b", "a"]'),
        ("a.csv", "name\nb\na\n"),
        ("a.TXT", "b\n\n a \r\n"),
        ("a.json", '{"b": "b", "a": "a"}'),
    ],
)
def test_order_of_the_file_is_the_order_of_indices(tmp_path: Path, name: str, text: str) -> None:
    assert read_class_file(_write(tmp_path, name, text)) == ClassList(("b", "a"), ("b", "a"))


@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("class_to_idx.json", '{"dog": 1, "cat": 0}', "01"),
        ("config.json", '{"hidden_size": 8, "id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0}}', "01"),
        ("config.json", '{"label2id": {"dog": 1, "cat": 0}}', "01"),
        ("config.json", '{"label2id": {"dog": "1", "cat": "0"}}', "01"),
        ("a.json", '{"class_to_idx": {"dog": 1, "cat": 0}}', "01"),
        ("a.json", '{"names": ["cat", "dog"]}', ("cat", "dog")),
        ("coco.json", '{"images": [], "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]}', "37"),
        ("imagenet.json", '{"0": ["n1", "cat"], "1": ["n2", "dog"]}', ("n1", "n2")),
        ("labels.txt", "0 cat\n1 dog\n", "01"),
        ("labels.txt", "1: cat\n2: dog\n", "12"),
        ("labels.txt", "0,cat\n1,dog\n", "01"),
        ("labels.txt", "cat,0\ndog,1\n", "01"),
        ("labels.txt", "dog 1\ncat 0\n", "01"),
        ("labels.txt", "3\tcat\n7\tdog\n", "37"),
        ("labels.csv", "0,cat\n1,dog\n", "01"),
        ("labels.csv", "cat,0\ndog,1\n", "01"),
        ("labels.csv", "class_id;class_name\n0;cat\n1;dog\n", "01"),
        ("labels.csv", "class,index\ncat,0\ndog,1\n", "01"),
    ],
)
def test_class_files_of_other_programs(tmp_path: Path, name: str, text: str, ids: str | tuple[str, ...]) -> None:
    assert read_class_file(_write(tmp_path, name, text)) == ClassList(tuple(ids), ("cat", "dog"))


@pytest.mark.parametrize(
    "text", ["100 dollars\n50 dollars\n", "1 euro\n2 euro\n", "3 cats\n1 dog\n", "fox 1\nwolf\n", "route 66\n"]
)
def test_names_with_numbers_are_names(tmp_path: Path, text: str) -> None:
    names = tuple(text.strip().split("\n"))
    assert read_class_file(_write(tmp_path, "a.txt", text)) == ClassList(names, names)


def test_merged_renamed_and_dropped_classes(tmp_path: Path) -> None:
    classes = read_class_file(_write(tmp_path, "a.csv", "From,To\nfox,canine\nwolf,canine\nbear,\nlynx,cat\n"))
    assert classes.ids == classes.names == ("canine", "cat")
    assert [classes.index(label) for label in ("fox", "wolf", "lynx", "canine")] == [0, 0, 1, 0]
    assert [classes.drops(label) for label in ("bear", "fox", "owl")] == [True, False, False]
    with pytest.raises(DataError, match=r"'owl' is not.* Add a row for it; with an empty to it is left out"):
        match_classes(["fox", "owl"], classes)
    with pytest.raises(DataError, match=r"'foxx' is not in the class list.*Did you mean 'fox'"):
        classes.index("foxx")
    assert check(ClassList, json.loads(json.dumps(classes.to_dict()))) == classes
    assert "mapping" not in ClassList(("a",), ("a",)).to_dict()


def test_swapped_names_are_what_the_file_says(tmp_path: Path) -> None:
    classes = read_class_file(_write(tmp_path, "a.csv", "from,to\nfox,wolf\nwolf,fox\n"))
    assert [classes.names[classes.index(label)] for label in ("fox", "wolf")] == ["wolf", "fox"]


def test_numbered_ids_are_sorted_as_numbers(tmp_path: Path) -> None:
    classes = read_class_file(_write(tmp_path, "a.json", '{"0": "a", "10": "b", "2": "c"}'))
    assert classes == ClassList(("0", "2", "10"), ("a", "c", "b"))


@pytest.mark.parametrize("ignore", [1, "9", "sea", 9])
def test_ignore_by_index_id_or_name(tmp_path: Path, ignore: object) -> None:
    records = [{"id": 7, "name": "land"}, {"id": 9, "name": "sea"}]
    path = _write(tmp_path, "a.json", json.dumps({"classes": records, "ignore": ignore}))
    assert read_class_file(path).ignore == 1


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "cannot be used"),
        ("a.json", '{"0": "a", "0": "b"}', "twice"),
        ("a.json", '{"a": 0.5}', "should have a text"),
        ("a.json", '{"a": 0, "b": 0}', "same id"),
        ("a.csv", "from,to\nfox,\nwolf,\n", "drops every class"),
        ("a.csv", "from,to\nfox,a\nfox,b\n", "mapped twice"),
        ("a.csv", "from,to\nfox\n", "2 fields"),
        ("a.json", "3", "should hold"),
        ("a.json", "[]", "no class"),
        ("a.json", '["a", "a"]', "same id"),
        ("a.json", '{"classes": [{"id": null, "name": "a"}]}', "as its id"),
        ("a.json", '{"classes": [{"name": "a"}], "ignore": 255}', "ignore is 255"),
        ("a.json", '{"classes": [{"name": "a"}], "ignore": true}', "ignore is True"),
        ("a.json", '{"classes": [{"name": "a", "colour": "red"}]}', "#RRGGBB"),
        ("a.json", '{"classes": [{"name": "a", "colour": [0, 0, 256]}]}', "0 to 255"),
        ("a.json", '{"classes": [{"name": "a", "colour": "000000"}, {"name": "b"}]}', "'b' has no colour"),
        ("a.toml", "classes = 3", "should hold"),
        ("a.toml", "classes =", "cannot be used"),
        ("a.csv", "0,bicycle\n", "first row"),
        ("a.csv", "name,r\na,1\n", "first row"),
        ("a.csv", "id,name\n0\n", "2 fields"),
        ("a.csv", "name,r,g,b\na,1,2,x\n", "cannot be used"),
        ("a.csv", 'name\n"a', "cannot be used"),
        ("a.csv", "", "first row"),
        ("a.txt", "\n", "no class"),
        ("a.yaml", "a", "should end in .json"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        read_class_file(_write(tmp_path, name, text))
    assert name in str(error.value)


def test_missing_file_and_wrong_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist.*deepglobe"):
        load_classes(str(tmp_path / "a.json"))
    with pytest.raises(DataError, match="UTF-8"):
        read_class_file(_write(tmp_path, "a.txt", "Vögel", "latin-1"))


@given(names=NAMES)
def test_csv_and_json_give_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["name"], *([name] for name in names)])
    assert READERS[".csv"](text.getvalue()).names == tuple(names)
    assert READERS[".json"](json.dumps(names)).names == tuple(names)


@given(st.sampled_from(sorted(READERS)), st.text() | st.text("[]{},\"'0a=\n: "))
def test_any_text_is_a_class_list_or_a_data_error(suffix: str, text: str) -> None:
    with suppress(DataError, ValueError, csv.Error):  # what read_class_file turns into one sentence
        assert len(READERS[suffix](text)) > 0


def test_deepglobe() -> None:
    classes = load_classes("deepglobe")
    assert classes is PRESETS["deepglobe"]
    assert classes.names[6] == "unknown"
    assert classes.ignore == 6
    assert classes.colours is not None
    assert [bytes(colour).hex().upper() for colour in classes.colours] == (
        ["00FFFF", "FFFF00", "FF00FF", "00FF00", "0000FF", "FFFFFF", "000000"]
    )


def test_labels_are_matched_by_id_or_name() -> None:
    classes = ClassList(("0", "1", "2"), ("fox", "wolf", "hare"))
    assert match_classes(["wolf", "2"], classes) is classes
    assert match_classes(["10", "9"], None).ids == ("9", "10")
    with pytest.raises(DataError, match="Did you mean 'wolf'"):
        match_classes(["wolff"], classes)
    with pytest.raises(DataError, match="needs ids"):
        match_classes(["0"], ClassList(("fox",), ("fox",)))


@given(st.lists(st.integers(0, 10**9)), st.text(max_size=3).filter(lambda text: not text or not text[-1].isdigit()))
def test_natural_order_is_the_order_of_numbers(numbers: list[int], prefix: str) -> None:
    names = [f"{prefix}{number}.png" for number in numbers]
    assert sorted(names, key=natural_key) == [f"{prefix}{number}.png" for number in sorted(numbers)]
