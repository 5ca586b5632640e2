"""The results as Markdown, for README.md."""

import statistics
from typing import Any

MODES = ("defaults", "best")


def make_table(results: dict[str, Any]) -> str:
    """A row a work and peer: how many times as fast finesight was, least, median and most of the rounds."""
    lines = ["| work | peer | finesight, images/s | × its defaults | × its best flags | first step, s |"]
    lines += ["|---|---|---|---|---|---|"]
    for work in dict.fromkeys(turn["work"] for turn in results["turns"]):
        for peer in dict.fromkeys(turn["peer"] for turn in results["turns"] if turn["work"] == work):
            turns = [turn for turn in results["turns"] if (turn["work"], turn["peer"]) == (work, peer)]
            ours = [turn["ours"] for turn in turns if "error" not in turn["ours"]]
            modes = (_describe_ratios([turn for turn in turns if turn["flags"] == mode]) for mode in MODES)
            rate = f"{statistics.median(each['images_per_second'] for each in ours):.1f}" if ours else "–"
            lines.append(f"| {work} | {peer} | {rate} | {' | '.join(modes)} | {_describe_first_steps(turns)} |")
    return "\n".join(lines)


def _describe_ratios(turns: list[dict[str, Any]]) -> str:
    ratios = sorted(turn["ratio"] for turn in turns if "ratio" in turn)
    if not ratios:
        return next((turn["theirs"]["error"][:60] for turn in turns if "error" in turn["theirs"]), "–")
    if len(ratios) == 1:
        return f"**{ratios[0]:.2f}** (one run)"
    return f"{ratios[0]:.2f}, **{statistics.median(ratios):.2f}**, {ratios[-1]:.2f}"


def _describe_first_steps(turns: list[dict[str, Any]]) -> str:
    """Medians: theirs with default flags, and ours."""
    theirs = [turn["theirs"]["first_step_s"] for turn in turns if "first_step_s" in turn["theirs"]]
    ours = [turn["ours"]["first_step_s"] for turn in turns if "first_step_s" in turn["ours"]]
    return f"{statistics.median(theirs):.1f} (ours {statistics.median(ours):.1f})" if theirs and ours else "–"


def ratio_summary(turns: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`work peer flags` → rounds, and least, median and most of the ratios."""
    summary: dict[str, dict[str, Any]] = {}
    for turn in turns:
        if "ratio" in turn:
            entry = summary.setdefault(f"{turn['work']} {turn['peer']} {turn['flags']}", {"rounds": 0, "ratio": []})
            entry["rounds"] += 1
            entry["ratio"].append(turn["ratio"])
    for entry in summary.values():
        ratios = sorted(entry["ratio"])
        entry["ratio"] = [round(ratio, 2) for ratio in (ratios[0], statistics.median(ratios), ratios[-1])]
    return summary
