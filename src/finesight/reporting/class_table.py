"""Classes one by one, for any task: the table of their scores, and bars of how often each occurs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from finesight.reporting.sections import percent


@dataclass(frozen=True)
class Cell:
    """value: to sort by; None where it is undefined for this class. bar: its length, 0-1, None without one."""

    value: float | None
    text: str
    bar: float | None = None


@dataclass(frozen=True)
class Line:
    """One class. confused_with: the class it is most often confused with, None without errors."""

    index: int
    cells: tuple[Cell, ...]
    confused_with: int | None
    how_often: str


@dataclass(frozen=True)
class ClassTable:
    """columns: (heading, name of glossary.TERMS or of a metric). opens_images: a click on a class shows its images."""

    columns: Sequence[tuple[str, str]]
    lines: Sequence[Line]
    opens_images: bool = False


def show_score(value: float | None, has_bar: bool = True) -> Cell:
    return Cell(value, "–" if value is None else f"{value:.3f}", value if has_bar else None)


def show_count(count: int) -> Cell:
    return Cell(count, f"{count:,}")


def show_percent(fraction: float | None) -> Cell:
    return Cell(fraction, "–" if fraction is None else percent(fraction))


@dataclass(frozen=True)
class ClassBars:
    """How often each class occurs. term: of the glossary. series: (style, label) of each bar of a class.

    values: by class, (number, text) of each bar. examples: class index → keys of images.
    """

    title: str
    term: str
    series: Sequence[tuple[str, str]]
    values: Sequence[Sequence[tuple[float, str]]]
    examples: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of_images(
        cls, counts: Iterable[tuple[int, int]], split_name: str, examples: Mapping[int, Sequence[str]]
    ) -> "ClassBars":
        """counts: images of each class in training and in the evaluated split."""
        values = [[(count, f"{count:,}") for count in pair] for pair in counts]
        return cls("Images per class", "images", (("train", "training"), ("evaluated", split_name)), values, examples)

    @property
    def largest(self) -> float:
        return max((value for bars in self.values for value, _ in bars), default=0) or 1
