"""Models, their layers, and where their weights come from."""

from finesight.models.contract import Entry, Model, WeightsOrigin
from finesight.models.layers import Layer
from finesight.models.table import MODELS, build_model, find_entry

__all__ = ["MODELS", "Entry", "Layer", "Model", "WeightsOrigin", "build_model", "find_entry"]
