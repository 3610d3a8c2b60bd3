"""SpikingJelly's two transformations of a network's graph."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.layer.test_fuse_conv_bn import Block, norms, trained
from torch import Tensor, fx, nn

from bitspike import functional, layer, neuron

T, B = 3, 2


class Shared(nn.Module):
    """One pair that is called twice, and a convolution whose output is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.branch, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Any:
        y = self.branch(self.bn(self.conv(self.bn(self.conv(x)))))
        return self.norm(y) + y


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)), (B, 3, 7), 0),
    "1d, m": (
        lambda: nn.Sequential(
            layer.Conv1d(3, 4, 3, step_mode="m"), layer.BatchNorm1d(4, step_mode="m")
        ),
        (T, B, 3, 7), 0,
    ),
    "3d": (lambda: nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4)), (B, 3, 3, 3, 3), 0),
    "blocks": (lambda: nn.Sequential(Block(), layer.FusedSequential(Block())), (T, B, 3, 5, 5), 0),
    "shared": (Shared, (B, 3, 4, 4), 1),
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), (B, 3), 1),
    "two modes": (
        lambda: nn.Sequential(layer.Conv2d(3, 4, 3), layer.BatchNorm2d(4)), (B, 3, 5, 5), 0,
    ),
}  # fmt: skip
every = pytest.mark.parametrize("name", NETS)


@every
def test_fused_in_evaluation(name: str) -> None:
    make, shape, left = NETS[name]
    net = trained(make())
    before = {key: value.clone() for key, value in net.state_dict().items()}
    fused = functional.fuse_conv_bn_eval_modules(net)
    assert isinstance(fused, fx.GraphModule)
    assert norms(fused) == left
    assert not fused.training
    x = torch.randn(shape, dtype=torch.float64)
    wanted = net(x)
    functional.reset_net(net)
    torch.testing.assert_close(fused(x), wanted)
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@every
def test_packed_in_training(name: str) -> None:
    make, shape, left = NETS[name]
    net = trained(make()).train()
    twin = make().double()
    twin.load_state_dict(net.state_dict())
    packed = functional.pack_conv_bn_train_modules(net)
    assert packed.training
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    y, wanted = packed(x), twin(x)
    torch.testing.assert_close(y, wanted)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    grads = torch.autograd.grad((y * weight).sum(), [x, *net.parameters()])
    others = torch.autograd.grad((wanted * weight).sum(), [x, *twin.parameters()])
    torch.testing.assert_close(grads, others)
    for one, other in zip(net.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    pairs = [m for m in packed.modules() if isinstance(getattr(m, "bn", None), nn.Module)]
    assert bool(pairs) == (name != "linear")
    assert {id(p) for p in packed.parameters()} == {id(p) for p in net.parameters()}
    assert left in (0, 1)


def test_torchs_own_pair_takes_sequences_when_packed() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    packed = functional.pack_conv_bn_train_modules(net)
    x_seq = torch.randn(T, B, 3, 5, 5)
    y = packed(x_seq)
    torch.testing.assert_close(y.flatten(0, 1), net(x_seq.flatten(0, 1)))


def test_pairs_of_two_step_modes_stay_apart() -> None:
    net = nn.Sequential(layer.Conv2d(3, 4, 3, step_mode="m"), layer.BatchNorm2d(4))
    assert not any("bn" in name for name, _ in
                   functional.pack_conv_bn_train_modules(net).named_modules())  # fmt: skip
    assert norms(functional.fuse_conv_bn_eval_modules(net.eval())) == 1


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("function", "training"), [("fuse_conv_bn_eval_modules", False),
                               ("pack_conv_bn_train_modules", True)],
)  # fmt: skip
def test_refused(function: str, training: bool) -> None:
    transform = getattr(functional, function)
    with pytest.raises(ValueError, match=f"{function}: the network is in .* mode; call net."):
        transform(nn.Sequential(neuron.IFNode()).train(not training))
    with pytest.raises(ValueError, match=f"{function}: torch.fx cannot follow.*Branching"):
        transform(Branching().train(training))
    if not training:
        net = nn.Sequential(nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1, track_running_stats=False))
        with pytest.raises(ValueError, match=f"{function}: '1' has no running statistics"):
            transform(net.eval())
