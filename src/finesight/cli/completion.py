"""What the Tab key completes: recipes, models, and run folders below the working directory. Without torch."""

from pathlib import Path

from finesight.run import schema

DEPTH = 3  # folders below the working directory in which runs are looked for


def complete_recipes(incomplete: str) -> list[tuple[str, str]]:
    """(name, first line) of shipped recipes, then TOML files."""
    from finesight.config import list_recipes

    files = [(path.as_posix(), "") for path in sorted(Path().glob(f"{incomplete}*.toml"))]
    return [each for each in list_recipes() if each[0].startswith(incomplete)] + files


def complete_models(incomplete: str) -> list[str]:
    from finesight.cli.model_names import list_model_names

    return list_model_names(incomplete)


def complete_runs(incomplete: str) -> list[str]:
    found = [path.parent for depth in range(1, DEPTH + 1) for path in Path().glob("*/" * depth + schema.MODEL)]
    return [name for path in sorted(found) if (name := path.as_posix()).startswith(incomplete)]
