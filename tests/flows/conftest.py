import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from commands import draw_classes


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Twelve pictures of three classes."""
    return draw_classes(tmp_path / "small", per_class=4)
