"""Names of other tools for our settings."""

import pytest

from finesight.config import OTHER_NAMES, Settings, dotted_settings, find_setting, load_settings
from finesight.errors import ConfigError

KNOWN = tuple(path for path, _ in dotted_settings(Settings()))


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_each_is_told_with_the_setting_that_it_is(name: str) -> None:
    assert OTHER_NAMES[name] in KNOWN
    assert name not in KNOWN
    with pytest.raises(ConfigError, match=f"Unknown setting '{name}'. Did you mean '{OTHER_NAMES[name]}'?"):
        load_settings(overrides={name: 1})


def test_tables_and_spellings() -> None:
    assert find_setting("optim.learning_rate") == "optim.lr"
    assert find_setting("Learning-Rate") == "optim.lr"
    assert find_setting("accumulate", KNOWN) == "optim.accumulate"
    assert find_setting("name", KNOWN) == ""  # of three tables
    assert find_setting("speed", KNOWN) == ""
