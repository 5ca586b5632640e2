"""Numbers and names in a sentence."""

from collections.abc import Sequence

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def spell(number: int) -> str:
    """`three`, and digits from eleven on."""
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else f"{number:,}"


def percent(fraction: float) -> str:
    """`83 %`; near the ends with a decimal place, `0.9 %`, so that only nothing is 0 and only everything is 100."""
    if fraction in (0, 1) or 0.0995 <= fraction < 0.995:
        return f"{100 * fraction:.0f} %"
    return f"{min(max(100 * fraction, 0.1), 99.9):.1f} %"


def join_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def count_of(number: int, noun: str) -> str:
    """1 image, 2,500 images, 3 classes."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def join_some(words: Sequence[str], limit: int = 5) -> str:
    """`a, b, c, d, e and 7 more`."""
    more = len(words) - limit
    return join_words([*words[:limit], f"{more:,} more"] if more > 0 else words)


def interval_of(low: float, high: float) -> str:
    """`95 % interval 41 % to 63 %`."""
    return f"95 % interval {percent(low)} to {percent(high)}"


def spell_size(size: tuple[int, int]) -> str:
    """`height x width`."""
    return f"{size[0]}x{size[1]}"
