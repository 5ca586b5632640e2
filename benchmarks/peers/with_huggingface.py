"""Hugging Face's Trainer around the same torch network. Defaults: float32, fused AdamW, no loading processes.

Best: bf16=True, dataloader_num_workers, a channels_last network.
"""

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments
from with_pytorch import open_data
from work import Clock, build_network, named_batch, read_arguments, write_labels


class Wrapped(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.network(pixel_values)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        return {"loss": loss, "logits": logits}


class Ticking(TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_end(self, *_: object, **__: object) -> None:
        self.clock.tick()


def main() -> None:
    asked = read_arguments()
    clock, network, data = Clock(asked.work), build_network(asked), open_data(asked)
    best = {"bf16": asked.bf16, "dataloader_num_workers": asked.workers} if asked.best else {}
    arguments = TrainingArguments(
        output_dir=str(asked.out),
        per_device_train_batch_size=asked.work.batch,
        per_device_eval_batch_size=asked.work.batch,
        num_train_epochs=1000,
        use_cpu=True,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        **best,
    )
    if asked.best:
        network = network.to(memory_format=torch.channels_last)
    trainer = Trainer(
        Wrapped(network),
        arguments,
        named_batch("pixel_values", "labels"),
        train_dataset=data,
        callbacks=[Ticking(clock)],
    )
    if asked.work.predicts:
        answers = trainer.predict(data).predictions.argmax(1)
        write_labels(asked.out, data.paths, answers.tolist())
        clock.finish(len(data))
    trainer.train()


if __name__ == "__main__":
    main()
