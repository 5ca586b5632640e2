"""How runs of several labels an image are compared: both runs' predictions of the same images."""

from finesight.reporting.comparison_page import ComparedImages
from finesight.tasks.classification.comparison import gather_changes

COMPARISON = ComparedImages("f1", "F1", ("changed_predictions.html.j2",), (("images", "Same images"),), gather_changes)
