"""Between the host and a device."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from finesight.data.transfer import HostRows, constant, send

CPU = torch.device("cpu")


def test_a_constant_is_made_once_and_trains() -> None:
    with torch.inference_mode():
        first = constant((0.5, 0.25), CPU)
    assert constant((0.5, 0.25), CPU) is first
    assert constant((0.5, 0.25), CPU, torch.float64) is not first
    weight = torch.ones(2, requires_grad=True)
    (weight * first).sum().backward()  # a tensor of inference mode could not be kept for this
    assert torch.equal(weight.grad, first)  # type: ignore[arg-type]


def test_what_is_sent_is_the_same() -> None:
    rows = torch.arange(3)
    assert send(rows, CPU) is rows


class Away(Tensor):
    """Says that it lies on a device, as no device is here."""

    copies = 0

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda")

    def cpu(self) -> Tensor:  # type: ignore[override]
        Away.copies += 1
        return self.as_subclass(Tensor)


def test_rows_come_to_the_host_in_order_and_in_few_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostRows, "HELD_BYTES", 3 * 8 * 2)  # three batches of two
    monkeypatch.setattr(Away, "copies", 0)
    rows = HostRows()
    for start in range(0, 18, 2):
        batch = torch.arange(start, start + 2)
        rows.add(batch if start == 10 else batch.as_subclass(Away))
    assert rows.join().tolist() == list(range(18))
    assert Away.copies == 3  # after four batches, before the one of the host, and at the end
    assert pickle.loads(pickle.dumps(rows)).join().tolist() == list(range(18))
    rows.arrange(torch.arange(17, -1, -1))
    assert rows.join().tolist() == list(range(17, -1, -1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_rows_that_do_not_fit_into_memory_are_the_same_from_a_file(
    dtype: torch.dtype, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    batches = [torch.randn(size, *shape).to(dtype) for size in (4, 4, 4, 1)]
    monkeypatch.setattr(HostRows, "MEMORY_BYTES", batches[0].nbytes)
    rows, other, mirror = HostRows(), HostRows(), torch.arange(13).flip(0)
    for batch in batches[:3]:
        rows.add(batch)
    assert torch.equal(rows.join(), torch.cat(batches[:3]))
    rows.add(batches[3])
    other.take(rows.batches())
    for each in (rows, other, pickle.loads(pickle.dumps(rows))):
        assert torch.equal(each.join(), torch.cat(batches))
    assert rows._file, "no file was made"
    assert rows._rows == [], "the rows are still in memory"
    assert not any((tmp_path / "cache").iterdir()), "the file has a name, so an interruption leaves it behind"
    rows.arrange(mirror.flip(0))
    assert rows._file, "an order that changes nothing has read all rows"
    rows.arrange(mirror)
    assert torch.equal(rows.join(), torch.cat(batches).flip(0))
