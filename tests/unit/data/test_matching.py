"""Labels and the classes of a run, matched by name."""

import pytest

from finesight.classes import ClassList
from finesight.data.matching import find_class

CLASSES = ClassList(("10", "7", "cafe\u0301", "Fox", "fox"), ("Wolf", "ten", "Café", "Red fox", "grey fox"))


@pytest.mark.parametrize(
    ("label", "index"),
    [
        ("10", 0),
        ("wolf", 0),
        ("TEN", 1),
        ("caf\u00e9", 2),
        ("CAFE\u0301", 2),
        ("Fox", 3),
        ("fox", 4),
        ("FOX", None),  # of two that it could be
        ("1", None),
        ("", None),
    ],
)
def test_by_id_then_name_then_what_only_differs_in_case_or_unicode_form(label: str, index: int | None) -> None:
    assert find_class(label, CLASSES) == index


def test_what_a_class_file_merges_in_any_case() -> None:
    classes = ClassList(
        ("canine", "bear"), ("canine", "bear"), mapping=(("fox", "canine"), ("Bear", "bear"), ("owl", ""))
    )
    assert [find_class(label, classes) for label in ("fox", "FOX", "bear", "BEAR", "owl", "Owl")] == [
        0,
        0,
        1,
        1,
        None,
        None,
    ]
