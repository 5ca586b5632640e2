import numpy as np

from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D106", "Images of a single colour", "note")
def single_colour(audit: Audit) -> Explanation | None:
    examples = [
        Example((key,), f"every pixel of {key} is #{bytes(file.fingerprint.thumbnail[0, 0]).hex()}")
        for key, file in audit.files.items()
        if file.fingerprint and not np.ptp(file.fingerprint.thumbnail, axis=(0, 1)).any()
    ]
    return explain_if_any(examples, "image", "of a single colour. Check for failed exports.")
