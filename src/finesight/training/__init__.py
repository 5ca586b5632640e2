"""The training loop and all that keeps it right: freezing, optimiser, checkpoint, device."""
