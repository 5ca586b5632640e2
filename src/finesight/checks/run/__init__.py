"""Checks of a run: what is wrong with it or worth knowing."""

from finesight.checks.contract import Check
from finesight.checks.run.case import Case
from finesight.checks.run.v001_overfitting import overfitting
from finesight.checks.run.v002_no_better_than_guessing import no_better_than_guessing
from finesight.checks.run.v003_never_predicted import never_predicted
from finesight.checks.run.v004_too_few_images import too_few_images
from finesight.checks.run.v005_confused_classes import confused_classes
from finesight.checks.run.v006_overconfident import overconfident
from finesight.checks.run.v007_label_errors import label_errors
from finesight.checks.run.v008_training_images import training_images
from finesight.checks.run.v009_near_training_images import near_training_images
from finesight.checks.run.v010_clusters_in_class import clusters_in_class
from finesight.checks.run.v011_border_errors import border_errors
from finesight.checks.run.v012_unfinished import unfinished
from finesight.checks.run.v013_too_much_frozen import too_much_frozen
from finesight.checks.run.v014_too_little_frozen import too_little_frozen
from finesight.checks.run.v015_learning_rate import learning_rate
from finesight.checks.run.v016_rare_classes import rare_classes

CHECKS: dict[str, Check[Case]] = {
    check.code: check
    for check in (
        overfitting,
        no_better_than_guessing,
        never_predicted,
        too_few_images,
        confused_classes,
        overconfident,
        label_errors,
        training_images,
        near_training_images,
        clusters_in_class,
        border_errors,
        unfinished,
        too_much_frozen,
        too_little_frozen,
        learning_rate,
        rare_classes,
    )
}
