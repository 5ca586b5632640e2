"""Checks of a data set: what would hurt a training, and what is worth knowing."""

from finesight.checks.contract import Check
from finesight.checks.data.d001_unusable_layout import unusable_layout
from finesight.checks.data.d101_unreadable_images import unreadable_images
from finesight.checks.data.d102_unpaired_files import unpaired_files
from finesight.checks.data.d103_unreadable_masks import unreadable_masks
from finesight.checks.data.d104_mask_sizes import mask_sizes
from finesight.checks.data.d105_oversized_images import oversized_images
from finesight.checks.data.d106_single_colour import single_colour
from finesight.checks.data.d107_skipped_files import skipped_files
from finesight.checks.data.d108_layout_notes import layout_notes
from finesight.checks.data.d121_lost_values import lost_values
from finesight.checks.data.d122_mixed_types import mixed_types
from finesight.checks.data.d123_values_out_of_range import values_out_of_range
from finesight.checks.data.d124_unused_bands import unused_bands
from finesight.checks.data.d201_conflicting_labels import conflicting_labels
from finesight.checks.data.d202_near_conflicting_labels import near_conflicting_labels
from finesight.checks.data.d203_copies_across_splits import copies_across_splits
from finesight.checks.data.d204_near_copies_across_splits import near_copies_across_splits
from finesight.checks.data.d205_adjacent_tiles import adjacent_tiles
from finesight.checks.data.d206_file_in_two_splits import file_in_two_splits
from finesight.checks.data.d207_copies_within_split import copies_within_split
from finesight.checks.data.d208_near_copies_within_split import near_copies_within_split
from finesight.checks.data.d301_unknown_labels import unknown_labels
from finesight.checks.data.d302_untrained_classes import untrained_classes
from finesight.checks.data.d303_unvalidated_classes import unvalidated_classes
from finesight.checks.data.d304_unused_classes import unused_classes
from finesight.checks.data.d305_rare_classes import rare_classes
from finesight.checks.data.d306_similar_names import similar_names
from finesight.checks.data.d307_too_little_data import too_little_data
from finesight.checks.data.d308_untrained_mask_classes import untrained_mask_classes
from finesight.checks.data.d401_unmapped_colours import unmapped_colours
from finesight.checks.data.d402_border_value import border_value
from finesight.checks.data.d403_unknown_values import unknown_values
from finesight.checks.data.d404_shifted_values import shifted_values
from finesight.checks.data.d405_undecided_masks import undecided_masks
from finesight.checks.data.d406_unlabelled_masks import unlabelled_masks
from finesight.checks.data.d407_mask_reading import mask_reading
from finesight.data.audit import Audit

CHECKS: dict[str, Check[Audit]] = {
    check.code: check
    for check in (
        unusable_layout,
        unreadable_images,
        unpaired_files,
        unreadable_masks,
        mask_sizes,
        oversized_images,
        single_colour,
        skipped_files,
        layout_notes,
        lost_values,
        mixed_types,
        values_out_of_range,
        unused_bands,
        conflicting_labels,
        near_conflicting_labels,
        copies_across_splits,
        near_copies_across_splits,
        adjacent_tiles,
        file_in_two_splits,
        copies_within_split,
        near_copies_within_split,
        unknown_labels,
        untrained_classes,
        unvalidated_classes,
        unused_classes,
        rare_classes,
        similar_names,
        too_little_data,
        untrained_mask_classes,
        unmapped_colours,
        border_value,
        unknown_values,
        shifted_values,
        undecided_masks,
        unlabelled_masks,
        mask_reading,
    )
}
