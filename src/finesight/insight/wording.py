"""How numbers and names become a sentence."""

from collections.abc import Sequence

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def spell(number: int) -> str:
    """`three`, and digits from eleven on."""
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else f"{number:,}"


def percent(share: float) -> str:
    """`83 %`; below ten per cent with a decimal place, `0.9 %`."""
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"


def join_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def label_class(class_id: str, name: str) -> str:
    """`10 (baby)`, or the name alone where the id is no other."""
    return name if class_id == name else f"{class_id} ({name})"
