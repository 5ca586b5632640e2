"""Lightning's Trainer around the same torch network. Best: precision="bf16-mixed", channels_last, fused AdamW."""

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader
from with_pytorch import open_data
from work import Asked, Clock, build_network, read_arguments


class Ticking(Callback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(self, *_: object) -> None:
        self.clock.tick()


class Wrapped(lightning.LightningModule):
    def __init__(self, network: nn.Module, best: bool) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last) if best else network
        self.best = best

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, targets = batch
        loss: Tensor = nn.functional.cross_entropy(self.network(images).float(), targets)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-4, fused=self.best)


def make_trainer(asked: Asked) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        max_epochs=1000,
        precision="bf16-mixed" if asked.bf16 else "32-true",
        default_root_dir=asked.out,
        logger=False,
        enable_checkpointing=False,
        callbacks=[Ticking(Clock(asked.work))],
    )


def main() -> None:
    asked = read_arguments()
    loader = DataLoader(
        open_data(asked), asked.work.batch, shuffle=True, num_workers=asked.workers, persistent_workers=asked.best
    )
    make_trainer(asked).fit(Wrapped(build_network(asked), asked.best), loader)


if __name__ == "__main__":
    main()
