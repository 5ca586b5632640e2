import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # commands
sys.path.insert(0, str(Path(__file__).parents[1]))  # the conftest of all tests
from commands import draw_classes


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Twelve images of three classes."""
    return draw_classes(tmp_path / "small", per_class=4)
