"""What a report costs: seconds for each thing it is made of, its size, and how soon a browser shows it.

    python benchmarks/report.py RUN

RUN: a trained classification run whose images are there. It is copied; everything after training is computed again.
Prints JSON: wall and processor seconds of each part, megabytes, and of three openings in Chromium the median seconds
until the page is first drawn, until it is loaded, and until the map is drawn.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finesight import embed, findings, report

OPENINGS = 3


def measure(work: Callable[[], Any]) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": round(time.perf_counter() - wall, 2), "processor_s": round(time.process_time() - processor, 2)}


def open_in_chromium(page: Path) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    openings: list[dict[str, float]] = []
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(OPENINGS):
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            start = time.perf_counter()
            tab.goto(page.as_uri())
            loaded = time.perf_counter() - start
            tab.wait_for_selector("html.plot-drawn")
            drawn = time.perf_counter() - start
            first = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000")
            openings.append({"first_drawn_s": first, "loaded_s": loaded, "map_drawn_s": drawn})
            tab.close()
        browser.close()
    return {name: round(statistics.median(opening[name] for opening in openings), 2) for name in openings[0]}


def main(run: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, Path(folder) / run.name))
        for name in ("embedding", "findings"):
            shutil.rmtree(copy / name, ignore_errors=True)
        parts = {
            "features_map_neighbours": measure(lambda: embed(copy, split="val")),
            "findings": measure(lambda: findings(copy)),
            "page": measure(lambda: report(copy)),
        }
        page = copy / "report.html"
        size = round(page.stat().st_size / 1e6, 2)
        return {"seconds": parts, "megabytes": size, "chromium": open_in_chromium(page)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), indent=1))
