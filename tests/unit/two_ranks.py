"""Run by test_ranks.py under torchrun: what two ranks compute together is what one computes alone."""

from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight import distributed
from finesight.backend.synced_norm import SyncedNorm, average_statistics
from finesight.classes import IGNORE_INDEX
from finesight.task import Loss
from finesight.training.losses import LOSSES, parse_loss

SIZE = 7  # images of a batch: an uneven one


def check_words() -> None:
    me = distributed.rank()
    assert distributed.world_size() == 2
    assert distributed.all_gather_object(me) == [0, 1]
    assert distributed.all_gather_object({"score": torch.tensor(me)})[1] == {"score": torch.tensor(1)}
    assert distributed.broadcast_result(lambda: f"made by {me}") == "made by 0"
    assert distributed.all_reduce_max(me * 15) == 15
    assert list(chain(*distributed.all_gather_object(distributed.shard("abcdefg")))) == list("abcdefg")
    assert distributed.shard("abcdefg", smallest=3) == list("abc" if me == 0 else "defg")
    assert distributed.shard("abcdefg", smallest=4) == list("abcdefg")
    numbers = [torch.full((2, 3), float(me)), torch.tensor(me + 1), torch.full((), 5.0)]
    distributed.all_reduce(numbers)
    assert numbers[0].eq(1).all()
    assert (int(numbers[1]), float(numbers[2])) == (3, 10.0)
    distributed.broadcast([own := torch.tensor([me + 1.5])])
    assert own.item() == 1.5
    with distributed.first_on_machine():
        pass


def check_late_numbers() -> None:
    """What a rank said is heard by both, one call later; alone each hears itself."""
    me, heard = distributed.rank(), distributed.LateMax()
    assert heard.exchange(me * 15, 0) == [0, 0]
    assert heard.exchange(0, me) == [15, 0]
    assert heard.finish(2) == [0, 1]
    assert heard.finish(2) == [0, 0]
    with distributed.alone():
        assert heard.exchange(me, 2) == [me, 2]


def check_late_sum() -> None:
    """It may change after it was given; alone a rank waits for nobody."""
    me = distributed.rank()
    own = torch.tensor([1.0, me])
    late = distributed.LateSum(own)
    own += 5
    assert late.wait().tolist() == late.wait().tolist() == [2, 1]
    with distributed.alone():
        assert distributed.LateSum(torch.tensor(7)).wait() == 7


def compare(loss: Loss, logits: Tensor, targets: Tensor, smallest: int) -> None:
    """The ranks' mean of the loss, and of its gradients, are those of the whole batch in one process."""
    mine = torch.tensor(distributed.shard(range(len(logits)), smallest))
    weight = torch.ones(logits.shape[1], requires_grad=True)
    shape = (1, -1, *[1] * (logits.ndim - 2))
    value = loss(logits[mine] * weight.view(shape), targets[mine])
    value.backward()
    assert weight.grad is not None
    value = value.detach()
    distributed.all_reduce([weight.grad, value])
    weight.grad /= 2
    alone = torch.ones(logits.shape[1], requires_grad=True)
    with distributed.alone():
        expected = loss(logits * alone.view(shape), targets)
    expected.backward()
    torch.testing.assert_close(value / 2, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weight.grad, alone.grad, rtol=1e-4, atol=1e-6)


def check_losses() -> None:
    torch.manual_seed(1)
    masks = torch.randint(0, 4, (SIZE, 9, 9))
    masks[:4, :5] = IGNORE_INDEX  # the ranks have different numbers of known pixels
    masks[:4][masks[:4] == 2] = 1  # and a class that only one of them sees
    images = torch.randint(0, 4, (SIZE,))
    weights = torch.tensor([1.0, 0.5, 3.0, 0.0])
    for smallest in (2, 5):  # 5: the batch is too small to be divided, and every rank computes all of it
        for name in LOSSES:
            compare(parse_loss(name), torch.randn(SIZE, 4, 9, 9) * 2, masks, smallest)
            compare(parse_loss(name), torch.randn(SIZE, 4) * 2, images, smallest)
        weighted = parse_loss("cross_entropy+focal+lovasz", weights=weights, label_smoothing=0.1)
        compare(weighted, torch.randn(SIZE, 4, 9, 9), masks, smallest)
        compare(parse_loss("cross_entropy", weights=weights), torch.randn(SIZE, 4), torch.rand(SIZE, 4), smallest)


def check_normalisation() -> None:
    """Two layers of it, so that statistics of statistics are right, too."""
    torch.manual_seed(2)
    images = torch.randn(SIZE, 3, 6, 6) * 3 + 50  # far from zero, where sums of squares would lose their digits

    def make() -> nn.Sequential:
        torch.manual_seed(3)
        return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU())

    whole, own = make(), make()
    whole_images, own_images = images.clone().requires_grad_(), images.clone().requires_grad_()
    mine = torch.tensor(distributed.shard(range(SIZE)))
    whole(whole_images).square().sum().backward()
    with SyncedNorm():
        answer = own(own_images[mine])
    answer.square().sum().backward()
    distributed.all_reduce([each.grad for each in [own_images, *own.parameters()]])
    for one, other in zip([own_images, *own.parameters()], [whole_images, *whole.parameters()], strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(own.state_dict(), whole.state_dict(), rtol=1e-5, atol=1e-5)
    with SyncedNorm(), torch.no_grad():
        torch.testing.assert_close(own.eval()(images), F.relu(own[:3](images)))  # not in training: torch's own
    local = make()
    local(images[mine])
    average_statistics(local, {})
    means = distributed.all_gather_object(local.get_buffer("0.running_mean"))
    assert torch.equal(*means)


check_words()
check_late_numbers()
check_late_sum()
check_losses()
check_normalisation()
print(f"rank {distributed.rank()} agrees")
