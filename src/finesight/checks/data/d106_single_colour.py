import numpy as np

from finesight.checks.contract import Example, Explanation, check, explain_if_any
from finesight.data.audit import Inspection


@check("D106", "Images of a single colour", "note")
def single_colour(audit: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"every pixel of {key} is #{bytes(portrait.fingerprint.thumbnail[0, 0]).hex()}")
        for key, portrait in audit.portraits.items()
        if portrait.fingerprint and not np.ptp(portrait.fingerprint.thumbnail, axis=(0, 1)).any()
    ]
    return explain_if_any(examples, "image", "of a single colour. Failed exports?")
