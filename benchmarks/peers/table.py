"""The results as Markdown, for README.md."""

import statistics
from typing import Any

COLUMNS = ("work", "peer", "its defaults", "finesight ÷ that", "its best flags", "finesight ÷ that", "first step, s")


def make_table(results: dict[str, Any]) -> str:
    """Images a second and ratios: least, median, most of the rounds; seconds to the first step: theirs, ours."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    works = list(results["works"])
    pairs = dict.fromkeys((turn["work"], turn["peer"]) for turn in results["turns"])
    for work, peer in sorted(pairs, key=lambda pair: works.index(pair[0])):
        turns = [turn for turn in results["turns"] if (turn["work"], turn["peer"]) == (work, peer)]
        cells = [_describe([turn for turn in turns if turn["flags"] == flags]) for flags in ("defaults", "best")]
        rows.append((work, peer, *cells[0], *cells[1], _first_steps(turns)))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    limit = results.get("limit")
    if limit:
        best = (f"{name} {max(rates.values()):.0f} GFLOP/s" for name, rates in limit["matrix_gflops"].items())
        shares = (f"{work} {each['share']:.0%}" for work, each in results["share_of_limit"].items())
        lines += [
            "",
            f"Matrix products: {', '.join(best)}; copy: {limit['copy_gb_per_second']} GB/s. Training reaches ",
        ]
        lines[-1] += f"of the better: {', '.join(shares)}."
    if "growth" in results:
        lines += ["", f"| {' | '.join(results['growth'][0])} |", "|---" * len(results["growth"][0]) + "|"]
        lines += [f"| {' | '.join(map(str, each.values()))} |" for each in results["growth"]]
    return "\n".join(lines)


def spread(ratios: list[float]) -> list[float]:
    """Least, median, most."""
    return [round(each, 2) for each in (min(ratios), statistics.median(ratios), max(ratios))]


def _describe(turns: list[dict[str, Any]]) -> tuple[str, str]:
    """Their median images a second, and the ratios."""
    good = [turn for turn in turns if "ratio" in turn]
    if not good:
        return next((turn["theirs"].get("error", "")[:60] for turn in turns), ""), "–"
    rate = statistics.median(turn["theirs"]["images_per_second"] for turn in good)
    least, median, most = spread([turn["ratio"] for turn in good])
    ratios = f"**{median:.2f}**" if len(good) == 1 else f"{least:.2f}, **{median:.2f}**, {most:.2f}"
    return f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}", ratios


def _first_steps(turns: list[dict[str, Any]]) -> str:
    theirs, ours = (
        [turn[side]["first_step_s"] for turn in turns if "first_step_s" in turn[side]] for side in ("theirs", "ours")
    )
    return f"{statistics.median(theirs):.1f}, {statistics.median(ours):.1f}" if theirs and ours else "–"
