"""Training: the loop, and a module for each of its parts: augmentation, freezing, optimiser, losses, checkpoint."""
