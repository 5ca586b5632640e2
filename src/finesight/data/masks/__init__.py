"""Mask files to class indices and back: codes of pixels, what they mean, and the rule of a run."""
