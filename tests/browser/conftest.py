"""Pages in the system's Chromium; tests are skipped where it or Playwright is missing."""

import importlib.util
import multiprocessing
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "unit" / "report")]  # visiting, synthetic_run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("Playwright is not installed: pip install finesight[test]")
    if program is None:
        pytest.skip("There is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()
        for (
            process
        ) in multiprocessing.active_children():  # loader processes of failed trainings, which tracebacks hold:
            process.kill()  # forked meanwhile, they keep the driver's pipe open, and its end would be waited for
            process.join()
