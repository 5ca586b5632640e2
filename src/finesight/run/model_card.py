"""model.json: what is needed to build a run's model again, and where its weights came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from finesight.config import Preprocessing, check, parse_preprocessing


@dataclass(frozen=True)
class ModelCard:
    """task: a name of tasks.TASKS. network: what kind of networks serve it, as `finesight models` lists them.

    new_layers: those without pretrained weights when training began. weights: fields of models.contract.Origin.
    """

    task: str = ""
    network: str = ""
    name: str = ""
    head: str = ""
    num_classes: int = 0
    new_layers: tuple[str, ...] = ()
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    weights: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "ModelCard":
        """Also of version 0.1, which had one name for task and network. Raises ValueError."""
        try:
            preprocessing = parse_preprocessing(values.get("preprocessing"))
        except ValueError as error:
            raise ValueError(f"preprocessing {error}") from None
        older = {"network": values.get("task", ""), "new_layers": [values["head"]] if "head" in values else []}
        return check(cls, older | {**values, "preprocessing": preprocessing})
