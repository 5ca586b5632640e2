"""How many images are computed at once where no gradient is kept."""

from finesight.config import Settings


def evaluation_batch(settings: Settings) -> int:
    """More fit than in training; past some dozens larger is no faster."""
    return min(settings.batch_size * 2, 64) if settings.batch_size < 64 else settings.batch_size
