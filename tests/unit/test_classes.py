"""The class list: order, names, and being found by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.classes import ClassList, list_twins, natural_key
from finesight.config import check
from finesight.errors import DataError


@pytest.mark.parametrize(
    "labels",
    [
        ["0", "1", "2", "9", "10", "11", "100"],
        ["9_10", "10_2", "10_10"],
        ["a", "a1", "a2", "a10", "b"],
        ["7", "007a", "x"],
        ["1.9", "1.10"],
        ["", "1", "a"],
    ],
)
def test_digits_are_read_as_numbers(labels: list[str]) -> None:
    backwards = labels[::-1]
    assert sorted(backwards, key=natural_key) == labels


@given(st.lists(st.text()))
def test_any_labels_can_be_sorted(labels: list[str]) -> None:
    ordered = sorted(labels, key=natural_key)
    assert sorted(ordered) == sorted(labels)
    assert sorted(ordered, key=natural_key) == ordered


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_numbers_come_in_their_order(numbers: list[int]) -> None:
    assert sorted(map(str, numbers), key=natural_key) == [str(number) for number in sorted(numbers)]


@given(st.text(), st.text())
def test_different_labels_have_different_keys(first: str, second: str) -> None:
    """Else their order would be that of a set, which is another in the next process."""
    assert (natural_key(first) == natural_key(second)) == (first == second)


def test_both_unicode_forms_of_a_name_are_one_class() -> None:
    composed, decomposed = "\u00e9t\u00e9", "e\u0301te\u0301"
    assert ClassList.from_labels([composed, decomposed, "b"]).ids == ("b", composed)
    assert ClassList(ids=("b", decomposed), names=("b", decomposed)).index(composed) == 1


@pytest.mark.parametrize(
    ("names", "twins"),
    [
        (("fox", "wolf", "1", "10", "100", "a1", "a10"), []),
        (("Fox", "fox", "wolf", "FOX"), [("Fox", "fox", "FOX")]),
        (("1", "01", "2"), [("1", "01")]),
        (("train_station", "train station", "train-station "), [("train_station", "train station", "train-station ")]),
        (("0", "00", "000"), [("0", "00", "000")]),
    ],
)
def test_twins(names: tuple[str, ...], twins: list[tuple[str, ...]]) -> None:
    assert list_twins(names) == twins


def test_from_labels_does_not_depend_on_their_order() -> None:
    classes = ClassList.from_labels(["10", "2", "10", "a", "2"])
    assert classes.ids == classes.names == ("2", "10", "a")
    assert len(classes) == 3
    assert classes == ClassList.from_labels({"a", "2", "10"})


def test_a_class_is_found_by_id_before_name() -> None:
    classes = ClassList(ids=("0", "1", "cat"), names=("cat", "dog", "狼"))
    assert [classes.index(label) for label in ("0", "1", "dog", "狼")] == [0, 1, 1, 2]
    assert classes.index("cat") == 2


@pytest.mark.parametrize(
    ("label", "words"), [("wolff", "Did you mean 'wolf'?"), ("elephant", "2 classes."), ("", "2 classes.")]
)
def test_an_unknown_class_is_told_with_the_nearest(label: str, words: str) -> None:
    with pytest.raises(DataError) as error:
        ClassList.from_labels(["wolf", "fox"]).index(label)
    assert words in str(error.value)


def test_classes_that_cannot_be_told_apart() -> None:
    with pytest.raises(DataError, match="same id: a"):
        ClassList(ids=("a", "a"), names=("x", "y"))
    with pytest.raises(DataError, match="same name: x"):
        ClassList(ids=("a", "b"), names=("x", "x"))
    with pytest.raises(DataError, match="same colour"):
        ClassList(ids=("a", "b"), names=("x", "y"), colours=((0, 0, 0), (0, 0, 0)))
    with pytest.raises(DataError, match="2 ids but 1 names"):
        ClassList(ids=("a", "b"), names=("x",))


@given(
    st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True).flatmap(
        lambda ids: st.builds(
            ClassList,
            ids=st.just(tuple(ids)),
            names=st.just(tuple(reversed(ids))),
            colours=st.none() | st.just(tuple((n, 0, 255) for n in range(len(ids)))),
            ignore=st.none() | st.integers(0, len(ids) - 1),
        )
    )
)
def test_survives_json(classes: ClassList) -> None:
    import json

    assert check(ClassList, json.loads(json.dumps(classes.to_dict()))) == classes


def test_labels_are_names_as_people_write_them() -> None:
    classes = ClassList(("0", "1", "2", "3", "4"), ("annual_crop", "IR_band", "a_b", "a b", "__"))
    assert classes.labels == ("annual crop", "IR band", "a_b", "a b", "__")
    assert (classes.index("annual crop"), classes.index("a b"), classes.label("IR_band")) == (0, 3, "IR band")
