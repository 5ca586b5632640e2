import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from rendering import render_report
from synthetic_run import SyntheticRun, write_run


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    """A finished run with a hostile class name. Read it, never write to it."""
    return write_run(tmp_path_factory.mktemp("synthetic"))


@pytest.fixture(scope="session")
def page(synthetic: SyntheticRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    return render_report(synthetic.run, out, synthetic.find_image).read_text(encoding="utf-8")
